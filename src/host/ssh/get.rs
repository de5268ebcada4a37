//! Receiving a file from a command's output: into a temporary file, hashed on the way, renamed when it is
//! whole.

use std::{io, path::Path, time::Duration};

use tokio::io::AsyncReadExt;

use super::exec::{End, Exec};
use crate::{
    hashed_copy::{CopyError, HashedCopy},
    host::connect_error::{ConnectError, Phase},
};

/// Prints the file that is its argument.
pub(super) const SCRIPT: &str = "exec cat -- \"$1\"";

/// How long no byte may come.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Writes what a command prints to a local file, created atomically; `before` is what it has printed already.
/// Returns the SHA-256 in hex.
pub(super) async fn receive(mut exec: Exec, before: Vec<u8>, local: &Path) -> Result<String, ConnectError> {
    let here = |error: io::Error| ConnectError::new(Phase::Channel, format!("{}: {error}", local.display()));
    let mut copy = HashedCopy::begin(local).map_err(here)?;
    let mut stdout = io::Cursor::new(before).chain(&mut exec.stdout);
    copy.receive(&mut stdout, Some(READ_TIMEOUT)).await.map_err(|error| match error {
        CopyError::Source(error) => ConnectError::new(Phase::Channel, error.to_string()).transient(),
        CopyError::Target(error) => here(error),
    })?;
    match exec.ended().await {
        End::Exit(0) => {}
        End::Lost => return Err(ConnectError::new(Phase::Channel, "the connection was lost").transient()),
        _ => return Err(ConnectError::new(Phase::Channel, exec.errors.text())),
    }
    copy.persist().map_err(here)
}
