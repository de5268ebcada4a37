//! What stands in a file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secret::{Error, ExposeSecret, SecretSource};

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    Text(String),
    /// The password directives of a node. Only where the password comes from is kept here.
    Password(SecretSource),
}

impl Content {
    /// The text to write, secret or not.
    pub(super) fn revealed(&self) -> Result<String, Error> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Password(source) => {
                let secret = source.reveal()?;
                let word = secret.expose_secret().replace('\\', "\\\\").replace('"', "\\\"");
                Ok(format!("requirepass \"{word}\"\nmasterauth \"{word}\"\n"))
            }
        }
    }

    /// The digest the file must have; `None` where the password has yet to be drawn, or cannot be read.
    pub(super) fn sha256(&self) -> Option<String> {
        if matches!(self, Self::Password(source) if source.is_missing()) {
            return None;
        }
        Some(hex::encode(Sha256::digest(self.revealed().ok()?)))
    }

    /// The text, where it may be shown.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Password(_) => None,
        }
    }

    /// The digest that may be written down: a digest of a password lets it be guessed.
    pub(super) fn open_sha256(&self) -> Option<String> {
        self.text().and_then(|_| self.sha256())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(word: &str) -> (tempfile::TempDir, Content) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        crate::atomic_file::write(&path, word.as_bytes(), crate::atomic_file::Mode::Private).unwrap();
        (folder, Content::Password(SecretSource::File(path)))
    }

    #[test]
    fn a_password_is_quoted_as_the_engine_reads_it() {
        let (_folder, content) = password("a\"b\\c\n");
        let text = content.revealed().unwrap();
        assert_eq!(text, "requirepass \"a\\\"b\\\\c\"\nmasterauth \"a\\\"b\\\\c\"\n");
    }

    #[test]
    fn the_digest_of_a_password_is_known_and_not_written_down() {
        let (_folder, content) = password("word\n");
        assert!(content.sha256().is_some());
        assert_eq!((content.open_sha256(), content.text()), (None, None));
        let text = Content::Text("a".into());
        assert_eq!(text.open_sha256(), text.sha256());
    }

    #[test]
    fn a_password_that_has_yet_to_be_drawn_has_no_digest_and_is_not_drawn_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        assert_eq!(Content::Password(SecretSource::Generate(path.clone())).sha256(), None);
        assert!(!path.exists());
        assert!(Content::Password(SecretSource::File(path)).revealed().is_err());
    }
}
