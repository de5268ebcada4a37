//! Secrets as a type: where one comes from may be planned, logged and saved; its value may not.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
pub use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::atomic_file::{self, Mode};

/// Where a secret is kept. The value itself never stands in an inventory, a plan or an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// The named environment variable of the provision process.
    Env(String),
    /// The first line of this file.
    File(PathBuf),
    /// Drawn at random on first use and kept, mode 0600, in this file.
    Generate(PathBuf),
}

/// A secret of the person at the keyboard: what opens a way to a host, and is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// Asked for on the terminal, once a run.
    Ask,
    /// Kept somewhere; [`SecretSource::Generate`] does not occur.
    Kept(SecretSource),
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("the environment variable {0} is not set")]
    #[diagnostic(help("export {0} before you run provision, or keep the password in a file"))]
    Unset(String),
    #[error("could not read the password file {}", path.display())]
    #[diagnostic(help("create it with mode 0600 and the password on its first line"))]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the password from {0} is empty or holds a control character")]
    #[diagnostic(help(
        "use a password of printable characters; one without any would leave the cluster open"
    ))]
    Unfit(String),
    #[error("could not keep a generated password in {}", path.display())]
    #[diagnostic(help("make the folder writable, or name another file with auth = {{ file = \"…\" }}"))]
    Unwritable { path: PathBuf, source: std::io::Error },
}

impl SecretSource {
    /// The value, for use on a connection or on a script's standard input.
    pub fn reveal(&self) -> Result<SecretString, Error> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads a secret's variable")]
            Self::Env(name) => std::env::var(name)
                .map_err(|_| Error::Unset(name.clone()))
                .and_then(|word| fit(&format!("the environment variable {name}"), &word)),
            Self::File(path) => first_line(path),
            Self::Generate(path) => {
                if !path.exists() {
                    generate(path)?;
                }
                first_line(path)
            }
        }
    }

    /// Whether [`reveal`](Self::reveal) would have to draw the value first, which a plan must not do.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Generate(path) if !path.exists())
    }
}

fn first_line(path: &Path) -> Result<SecretString, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    fit(&path.display().to_string(), text.lines().next().unwrap_or_default())
}

fn fit(from: &str, word: &str) -> Result<SecretString, Error> {
    if word.trim().is_empty() || word.chars().any(char::is_control) {
        return Err(Error::Unfit(from.to_owned()));
    }
    Ok(word.to_owned().into())
}

/// Draws 256 bits from the kernel and keeps them, for the user alone. A file that another run made meanwhile stays.
fn generate(path: &Path) -> Result<(), Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits).map_err(|error| unwritable(error.into()))?;
    let line = format!("{}\n", hex::encode(bits));
    atomic_file::create(path, line.as_bytes(), Mode::Private).map_err(unwritable)
}
