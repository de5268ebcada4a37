//! What is sent to hosts: read once, gzipped once, shared by all uploads.

use std::{
    io::{self, Write},
    path::Path,
    sync::OnceLock,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// The content of a file on its way to hosts.
#[derive(Debug)]
pub struct Upload {
    /// What it is, for people: `redis-server`.
    name: String,
    bytes: Bytes,
    sha256: String,
    gzipped: OnceLock<Option<Bytes>>,
}

impl Upload {
    /// Reads a file whole. The digest is that of what was read, whatever becomes of the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let bytes = Bytes::from(std::fs::read(path)?);
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { name, bytes, sha256, gzipped: OnceLock::new() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, gzip'd, for ways that are narrower than a processor is slow; `None` where it does not shrink.
    pub(super) fn gzipped(&self) -> Option<&Bytes> {
        let pack = || {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.bytes.len() / 2), Compression::fast());
            encoder.write_all(&self.bytes).and_then(|()| encoder.finish()).ok().map(Bytes::from)
        };
        let gzipped = self.gzipped.get_or_init(|| pack().filter(|gzipped| gzipped.len() < self.bytes.len()));
        gzipped.as_ref()
    }
}
