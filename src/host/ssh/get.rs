//! Receiving a file from a command's output: into a temporary file, hashed on the way, renamed when it is
//! whole.

use std::{io, path::Path, time::Duration};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::exec::{End, Exec};
use crate::host::connect_error::{ConnectError, Phase};

/// Prints the file that is its argument.
pub(super) const SCRIPT: &str = "exec cat -- \"$1\"";

/// How long no byte may come.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Writes what a command prints to a local file, created atomically; `before` is what it has printed already.
/// Returns the SHA-256 in hex.
pub(super) async fn receive(mut exec: Exec, before: Vec<u8>, local: &Path) -> Result<String, ConnectError> {
    let here = |error: io::Error| ConnectError::new(Phase::Channel, format!("{}: {error}", local.display()));
    let folder = local.parent().unwrap_or(Path::new("."));
    let temporary = tempfile::NamedTempFile::new_in(folder).map_err(here)?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(here)?);
    let mut hash = Sha256::new();
    let mut stdout = io::Cursor::new(before).chain(&mut exec.stdout);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = read(&mut stdout, &mut buffer).await?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        file.write_all(&buffer[..n]).await.map_err(here)?;
    }
    file.flush().await.map_err(here)?;
    match exec.ended().await {
        End::Exit(0) => {}
        End::Lost => return Err(ConnectError::new(Phase::Channel, "the connection was lost").transient()),
        _ => return Err(ConnectError::new(Phase::Channel, exec.errors.text())),
    }
    temporary.persist(local).map_err(|error| here(error.error))?;
    Ok(hex::encode(hash.finalize()))
}

async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Result<usize, ConnectError> {
    match timeout(READ_TIMEOUT, stream.read(buffer)).await {
        Ok(Ok(n)) => Ok(n),
        Ok(Err(error)) => Err(ConnectError::new(Phase::Channel, error.to_string()).transient()),
        Err(_) => Err(ConnectError::new(Phase::Channel, "no byte came for 60s").transient()),
    }
}
