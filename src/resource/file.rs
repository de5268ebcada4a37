//! A file, with its content, mode and owner.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use similar::TextDiff;

use super::{
    Action, Difference, Entry, Kind, Observed, PathState, Questions, Script, directory::attributes, quote,
};
use crate::secret::{Error, ExposeSecret, SecretSource};

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub path: String,
    pub content: Content,
    pub mode: u32,
    /// `user:group`; `None` is whoever runs the script.
    pub owner: Option<String>,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    Text(String),
    /// The password directives of a node. Only where the password comes from is kept here.
    Password(SecretSource),
}

impl Content {
    /// The bytes to write.
    fn bytes(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Password(source) => {
                let secret = source.reveal()?;
                let word = secret.expose_secret().replace('\\', "\\\\").replace('"', "\\\"");
                Ok(format!("requirepass \"{word}\"\nmasterauth \"{word}\"\n").into_bytes())
            }
        }
    }

    /// The digest the file must have; `None` where the password has yet to be drawn.
    fn sum(&self) -> Option<String> {
        if matches!(self, Self::Password(source) if source.is_missing()) {
            return None;
        }
        Some(hex::encode(Sha256::digest(self.bytes().ok()?)))
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Password(_) => None,
        }
    }
}

impl Kind for File {
    fn title(&self) -> String {
        format!("file {}", self.path)
    }

    fn ask(&self, questions: &mut Questions) {
        match &self.content {
            Content::Text(_) => questions.text(&self.path, self.content.sum().as_deref()),
            Content::Password(_) => questions.sum(&self.path),
        }
    }

    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        let before = seen.paths.get(&self.path);
        let mut difference = match before {
            None => Difference::new(Action::Create, "it does not exist"),
            Some(PathState::File { mode, owner, sha256, .. }) => {
                let other = self.content.sum().as_deref() != Some(sha256);
                let attributes = attributes(Some(self.mode), self.owner.as_deref(), *mode, owner);
                let content = other.then(|| "its content differs".to_owned());
                let why: Vec<String> = content.into_iter().chain(attributes).collect();
                if why.is_empty() {
                    return None;
                }
                Difference::new(Action::Update, why.join(", "))
            }
            Some(_) => Difference::new(Action::Create, "something else stands there, which will be refused"),
        };
        difference.diff = self.diff(seen);
        difference.before = match (before, &self.content) {
            (Some(PathState::File { .. }), Content::Password(_)) => {
                before.cloned().map(PathState::without_sum)
            }
            _ => before.cloned(),
        };
        Some(difference)
    }

    fn change(&self, difference: &Difference, script: &mut Script) -> Result<(), Error> {
        let content = self.content.bytes()?;
        // A digest tells a password to whoever tries many.
        let sha256 = self.content.text().and_then(|_| self.content.sum());
        let path = quote(&self.path);
        match &difference.before {
            None => {
                script.push(&format!("absent {path}"));
                script.remember(&Entry::CreatedFile { path: self.path.clone(), sha256 });
            }
            Some(PathState::File { sha256: before, .. }) => {
                let backup = backup_name(&self.path, before);
                let before = if sha256.is_some() { before } else { "" };
                script.push(&format!("backup {path} {} '{before}'", quote(&backup)));
                script.remember(&Entry::ReplacedFile { path: self.path.clone(), backup, sha256 });
            }
            Some(_) => script.push(&format!("echo {path} is not a regular file; exit 1")),
        }
        script.write(&self.path, &content, self.mode, self.owner.as_deref());
        Ok(())
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone()]
    }
}

impl File {
    fn diff(&self, seen: &Observed) -> Option<String> {
        let new = self.content.text()?;
        let old = seen.texts.get(&self.path).map_or("", String::as_str);
        if seen.paths.contains_key(&self.path) && !seen.texts.contains_key(&self.path) {
            return None;
        }
        let (before, after) = (format!("{} (now)", self.path), format!("{} (planned)", self.path));
        Some(
            TextDiff::from_lines(masked(old), masked(new)).unified_diff().header(&before, &after).to_string(),
        )
    }
}

impl PathState {
    /// The same state without a digest a password could be guessed from.
    fn without_sum(self) -> Self {
        match self {
            Self::File { mode, owner, size, .. } => Self::File { mode, owner, size, sha256: String::new() },
            other => other,
        }
    }
}

/// A backup is named by the path and the content it had: the same state is kept once.
fn backup_name(path: &str, sha256: &str) -> String {
    format!("{}-{}", path.trim_start_matches('/').replace('/', "+"), sha256.get(..12).unwrap_or("secret"))
}

/// Undoes the creation of a file, unless its digest is none of `ours`; where they are not known, in any case.
pub(super) fn undo_create(path: &str, ours: &str) -> String {
    format!("erase {} '{ours}'", quote(path))
}

/// Puts the file back that was replaced, with the mode and owner it had.
pub(super) fn undo_replace(path: &str, backup: &str, ours: &str) -> String {
    format!("restore {} {} '{ours}'", quote(path), quote(backup))
}

/// The text with the values of password directives starred out: somebody may have put one where it does not belong.
fn masked(text: &str) -> String {
    const SECRETS: [&str; 6] =
        ["requirepass", "masterauth", "primaryauth", "user", "tls-key-file-pass", "tls-client-key-file-pass"];
    let mask = |line: &str| match line.split_whitespace().next() {
        Some(word) if SECRETS.contains(&word.to_ascii_lowercase().as_str()) => format!("{word} ***\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(mask).collect()
}
