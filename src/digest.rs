//! SHA-256 in hex, of bytes and of files.

use std::{fs::File, io, path::Path};

use sha2::{Digest, Sha256};

/// A running SHA-256.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn hex(self) -> String {
        hex::encode(self.0.finalize())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest of a list of texts; the separator keeps `ab, c` apart from `a, bc`.
pub(crate) fn of_parts(parts: &[&str]) -> String {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.hex()
}

pub(crate) fn of_file(path: &Path) -> io::Result<String> {
    let mut hasher = Hasher::default();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.hex())
}

/// Whether two digests are the same, however their letters are written.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// Enough of a digest to name a file.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_digests_of_the_standard() {
        // FIPS 180-2, appendix B.1, and the empty message.
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of_file(file.path()).unwrap(), empty);
        io::Write::write_all(&mut file.as_file(), b"abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(file.path()).unwrap(), abc);
        assert!(of_file(Path::new("/no/such/file")).is_err());
    }

    #[test]
    fn the_border_between_two_parts_counts() {
        let all = [&["ab", "c"][..], &["a", "bc"], &["abc"], &["ab", "c", ""], &["", "ab", "c"], &[]];
        let mut digests: Vec<String> = all.iter().map(|parts| of_parts(parts)).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn letters_and_blanks_do_not_make_another_digest() {
        assert!(same("ABcd", " abCD\n"));
        assert!(!same("abcd", "abce") && !same("abcd", "abcd0"));
        assert_eq!(short(&"ab".repeat(32)), "abababababababab");
        assert_eq!(short("abc"), "abc");
    }
}
