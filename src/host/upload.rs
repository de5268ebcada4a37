//! A file to send to hosts: read once, gzipped once, shared by all uploads.

use std::{
    io::{self, Write},
    path::Path,
    sync::OnceLock,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// The content of a file to send to hosts.
#[derive(Debug)]
pub struct Upload {
    /// Its file name, for messages: `redis-server`.
    name: String,
    bytes: Bytes,
    sha256: String,
    gzipped: OnceLock<Option<Bytes>>,
}

impl Upload {
    /// Reads a file whole. The digest is that of what was read, even where the file changes afterwards.
    pub fn read(path: &Path) -> io::Result<Self> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let bytes = Bytes::from(std::fs::read(path)?);
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { name, bytes, sha256, gzipped: OnceLock::new() })
    }

    /// The name of the file that was read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of the content, in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The content gzipped, for links that are slower than the compression; `None` where it does not shrink.
    pub(super) fn gzipped(&self) -> Option<&Bytes> {
        let compress = || {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.bytes.len() / 2), Compression::fast());
            encoder.write_all(&self.bytes).and_then(|()| encoder.finish()).ok().map(Bytes::from)
        };
        let gzipped =
            self.gzipped.get_or_init(|| compress().filter(|gzipped| gzipped.len() < self.bytes.len()));
        gzipped.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn upload(content: &[u8]) -> Upload {
        let file = tempfile::NamedTempFile::new().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(file.path(), content).unwrap();
        Upload::read(file.path()).unwrap()
    }

    #[test]
    fn the_digest_is_that_of_the_content() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(upload(b"").sha256(), empty);
        let abc = upload(b"abc");
        assert_eq!(abc.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(abc.bytes().as_ref(), b"abc");
    }

    #[test]
    fn gzipped_content_unpacks_to_the_same_and_is_smaller() {
        let content = b"redis ".repeat(1000);
        let upload = upload(&content);
        let gzipped = upload.gzipped().unwrap();
        let mut unpacked = Vec::new();
        GzDecoder::new(gzipped.as_ref()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, content);
        assert!(gzipped.len() < content.len() / 10);
    }

    #[test]
    fn content_that_does_not_shrink_is_sent_as_it_is() {
        assert!(upload(b"x").gzipped().is_none() && upload(b"").gzipped().is_none());
    }
}
