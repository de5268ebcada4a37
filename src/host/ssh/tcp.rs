//! TCP as SSH wants it: no delay in either direction.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::host::connect_error::{ConnectError, Phase};

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection whose kernel acknowledges at once. sshd leaves Nagle's algorithm on for sessions without a terminal: with
/// delayed acknowledgements on our side each answer in two parts takes 40 ms. The kernel forgets the setting, so it is set
/// again after each read.
pub(super) struct Quick(TcpStream);

/// Connects to the first address of a name that answers.
pub(super) async fn connect(host: &str, port: u16) -> Result<Quick, ConnectError> {
    let addresses: Vec<SocketAddr> = match timeout(CONNECT, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(ConnectError::new(Phase::Resolve, format!("{host}: {error}"))),
        Err(_) => return Err(ConnectError::new(Phase::Resolve, format!("no answer for {host} within 10s"))),
    };
    let mut last = ConnectError::new(Phase::Resolve, format!("{host} has no address"));
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                let _ = sockopt::set_tcp_quickack(&stream, true);
                return Ok(Quick(stream));
            }
            Ok(Err(error)) => last = ConnectError::new(Phase::Tcp, format!("{address}: {error}")),
            Err(_) => last = ConnectError::new(Phase::Tcp, format!("{address}: no answer within 10s")),
        }
    }
    Err(last)
}

impl AsyncRead for Quick {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        if read.is_ready() {
            // Not every kernel can: then it is slower.
            let _ = sockopt::set_tcp_quickack(&self.0, true);
        }
        read
    }
}

impl AsyncWrite for Quick {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
