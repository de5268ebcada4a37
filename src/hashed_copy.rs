//! A file that arrives as a stream: hashed on the way, and in its place only when the caller knows it is whole.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::atomic_file::{self, Mode};

/// How much is read at a time.
const BUFFER: usize = 1 << 16;

/// A copy under way. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct HashedCopy {
    path: PathBuf,
    temporary: NamedTempFile,
    hash: Sha256,
}

/// Which side of a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Reading the stream; [`io::ErrorKind::TimedOut`] where it was silent for too long.
    #[error(transparent)]
    Source(io::Error),
    /// Writing the file here.
    #[error(transparent)]
    Target(io::Error),
}

impl HashedCopy {
    /// Begins a copy to `path`, readable by the user alone. The folder must exist.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let temporary = atomic_file::beside(path, Mode::Private)?;
        Ok(Self { path: path.to_owned(), temporary, hash: Sha256::new() })
    }

    /// Takes in all of a stream; `idle_timeout` bounds each silence of it.
    pub async fn receive(
        &mut self,
        source: &mut (impl AsyncRead + Unpin),
        idle_timeout: Option<Duration>,
    ) -> Result<(), CopyError> {
        let target = self.temporary.reopen().map_err(CopyError::Target)?;
        let mut target = tokio::fs::File::from_std(target);
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = read(source, &mut buffer, idle_timeout).await.map_err(CopyError::Source)?;
            if length == 0 {
                return target.flush().await.map_err(CopyError::Target);
            }
            self.hash.update(&buffer[..length]);
            target.write_all(&buffer[..length]).await.map_err(CopyError::Target)?;
        }
    }

    /// Puts the file into its place; returns its SHA-256 in hex.
    pub fn persist(self) -> io::Result<String> {
        atomic_file::persist(self.temporary, &self.path)?;
        Ok(hex::encode(self.hash.finalize()))
    }
}

async fn read(
    source: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
    idle_timeout: Option<Duration>,
) -> io::Result<usize> {
    let Some(idle_timeout) = idle_timeout else { return source.read(buffer).await };
    tokio::time::timeout(idle_timeout, source.read(buffer)).await.unwrap_or_else(|_| {
        let silence = format!("nothing came for {}s", idle_timeout.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, silence))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    #[tokio::test]
    async fn all_of_a_stream_arrives_with_its_digest() {
        let home = tempfile::tempdir().unwrap();
        for size in [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 17] {
            let bytes: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
            let path = home.path().join(size.to_string());
            let mut copy = HashedCopy::begin(&path).unwrap();
            copy.receive(&mut bytes.as_slice(), None).await.unwrap();
            assert!(!path.exists(), "it is nowhere before it is persisted");
            assert_eq!(copy.persist().unwrap(), sha256(&bytes));
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[tokio::test]
    async fn a_copy_that_is_given_up_leaves_the_old_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        atomic_file::write(&path, b"old", Mode::Private).unwrap();
        let mut copy = HashedCopy::begin(&path).unwrap();
        copy.receive(&mut &b"new, but the other side failed"[..], None).await.unwrap();
        drop(copy);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_silence_ends_the_copy_as_a_failure_of_the_source() {
        let home = tempfile::tempdir().unwrap();
        let mut copy = HashedCopy::begin(&home.path().join("file")).unwrap();
        let (mut near, mut far) = tokio::io::duplex(64);
        far.write_all(b"it begins").await.unwrap();
        let error = copy.receive(&mut near, Some(Duration::from_millis(50))).await.unwrap_err();
        assert!(matches!(&error, CopyError::Source(e) if e.kind() == io::ErrorKind::TimedOut), "{error:?}");
        assert!(error.to_string().starts_with("nothing came for"), "{error}");
        drop(copy);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_is_an_error_before_anything_is_read() {
        let home = tempfile::tempdir().unwrap();
        let error = HashedCopy::begin(&home.path().join("missing/file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
