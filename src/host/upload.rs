//! A file to send to hosts: read once, gzipped once, shared by all uploads.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::atomic_file::{self, Mode};

/// The content of a file to send to hosts.
#[derive(Debug)]
pub struct Upload {
    /// Its file name, for messages: `redis-server`.
    name: String,
    bytes: Bytes,
    sha256: String,
    /// The folder in which it is kept gzipped, for later runs.
    kept: Option<PathBuf>,
    gzipped: OnceCell<Option<Bytes>>,
}

impl Upload {
    /// Reads a file whole. The digest is that of what was read, even where the file changes afterwards.
    pub fn read(path: &Path) -> io::Result<Self> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let bytes = Bytes::from(fs::read(path)?);
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { name, bytes, sha256, kept: None, gzipped: OnceCell::new() })
    }

    /// Keeps the gzipped content in this folder, where a later run finds it: compressing a server takes
    /// longer than sending it to most hosts.
    #[must_use]
    pub fn keeping_gzipped(self, folder: &Path) -> Self {
        Self { kept: Some(folder.to_owned()), ..self }
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
    pub(super) async fn gzipped(&self) -> Option<&Bytes> {
        let (bytes, kept) = (self.bytes.clone(), self.kept.clone());
        // Both digests are in the name: what is kept is that of this content, and whole.
        let stem = format!("{}-{}", self.name, self.sha256.get(..16).unwrap_or_default());
        let gzip = move || {
            let find = |folder: &PathBuf| find(folder, &stem);
            let gzipped = kept.as_ref().and_then(find).or_else(|| {
                let gzipped = compress(&bytes)?;
                if let Some(folder) = &kept {
                    // A folder that cannot be written to costs only the time of the next run.
                    let _ =
                        atomic_file::write(&folder.join(file_name(&stem, &gzipped)), &gzipped, Mode::Shared);
                }
                Some(gzipped)
            });
            gzipped.filter(|gzipped| gzipped.len() < bytes.len())
        };
        let gzipping = || async { tokio::task::spawn_blocking(gzip).await.ok().flatten() };
        self.gzipped.get_or_init(gzipping).await.as_ref()
    }
}

fn compress(bytes: &Bytes) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}

fn file_name(stem: &str, gzipped: &[u8]) -> String {
    format!("{stem}.{}.gz", hex::encode(Sha256::digest(gzipped)))
}

/// A kept file whose name has the digest of what is in it.
fn find(folder: &Path, stem: &str) -> Option<Bytes> {
    let entries = fs::read_dir(folder).ok()?;
    entries.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let digest = name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(".gz")?;
        let gzipped = (digest.len() == 64).then(|| fs::read(entry.path()).ok()).flatten()?;
        (name == file_name(stem, &gzipped)).then(|| Bytes::from(gzipped))
    })
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

    fn unpacked(gzipped: &[u8]) -> Vec<u8> {
        let mut unpacked = Vec::new();
        GzDecoder::new(gzipped).read_to_end(&mut unpacked).unwrap();
        unpacked
    }

    #[tokio::test]
    async fn gzipped_content_unpacks_to_the_same_and_is_smaller() {
        let content = b"redis ".repeat(1000);
        let upload = upload(&content);
        let gzipped = upload.gzipped().await.unwrap();
        assert_eq!(unpacked(gzipped), content);
        assert!(gzipped.len() < content.len() / 10);
    }

    #[tokio::test]
    async fn content_that_does_not_shrink_is_sent_as_it_is() {
        assert!(upload(b"x").gzipped().await.is_none() && upload(b"").gzipped().await.is_none());
    }

    #[tokio::test]
    async fn what_was_gzipped_is_kept_and_taken_only_where_it_is_whole_and_of_this_content() {
        let folder = tempfile::tempdir().unwrap();
        let named = |content: &[u8]| Upload { name: "server".to_owned(), ..upload(content) };
        let kept = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let (one, two) = (b"redis ".repeat(1000), b"valkey ".repeat(1000));
        named(&one).keeping_gzipped(folder.path()).gzipped().await.unwrap();
        let path = kept().next().unwrap();
        assert_eq!(unpacked(&fs::read(&path).unwrap()), one);

        // One that compressing would not make: it was read.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(&one).unwrap();
        let other = encoder.finish().unwrap();
        fs::remove_file(&path).unwrap();
        let stem = path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap().0;
        atomic_file::write(&folder.path().join(file_name(stem, &other)), &other, Mode::Shared).unwrap();
        let large = b"redis ".repeat(1000);
        let read = Upload { bytes: Bytes::from(large.repeat(2)), ..named(&one) };
        assert_eq!(read.keeping_gzipped(folder.path()).gzipped().await.unwrap(), &other);

        atomic_file::write(&folder.path().join(file_name(stem, &other)), b"cut off", Mode::Shared).unwrap();
        for content in [one, two] {
            let upload = named(&content).keeping_gzipped(folder.path());
            assert_eq!(unpacked(upload.gzipped().await.unwrap()), content);
        }
        assert_eq!(kept().count(), 3, "the broken one, and one for each content");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_no_error() {
        let upload = upload(&b"redis ".repeat(1000)).keeping_gzipped(Path::new("/nonexistent"));
        assert!(upload.gzipped().await.is_some());
    }
}
