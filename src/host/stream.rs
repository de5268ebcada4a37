//! A byte stream to a server process on a host, whatever carries it.

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a server process on a host.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
