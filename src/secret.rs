//! Secrets as a type: where one comes from may be planned, logged and saved; its value may not.

use std::{
    fs::{File, Metadata},
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
pub use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::atomic_file::{self, Mode};

/// Where a secret is kept. The value itself is never in an inventory, a plan or an event.
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

/// A secret of the user who runs provision: it opens a way to a host, and provision never keeps it.
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
    #[error("the password file {} is open to other accounts (its mode is {mode:04o})", path.display())]
    #[diagnostic(help("take their rights away: chmod 600 {}", path.display()))]
    Loose { path: PathBuf, mode: u32 },
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
                    match generate(path) {
                        // Another run has drawn it meanwhile.
                        Err(Error::Unwritable { source, .. })
                            if source.kind() == ErrorKind::AlreadyExists => {}
                        other => other?,
                    }
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
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    if let Some(mode) = mode_for_others(&file.metadata().map_err(unreadable)?) {
        return Err(Error::Loose { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    fit(&path.display().to_string(), text.lines().next().unwrap_or_default())
}

/// The mode of a file of ours that other accounts may read or change. As ssh(1) decides of private keys, a
/// file of another owner is that owner's to protect.
pub(crate) fn mode_for_others(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode() & 0o7777;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    (metadata.is_file() && is_ours && mode & 0o077 != 0).then_some(mode)
}

fn fit(from: &str, word: &str) -> Result<SecretString, Error> {
    if word.trim().is_empty() || word.chars().any(char::is_control) {
        return Err(Error::Unfit(from.to_owned()));
    }
    Ok(word.to_owned().into())
}

/// Draws 256 bits from the kernel and keeps them, for the user alone. A file that another run made meanwhile
/// stays.
fn generate(path: &Path) -> Result<(), Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits).map_err(|error| unwritable(error.into()))?;
    let line = format!("{}\n", hex::encode(bits));
    atomic_file::create(path, line.as_bytes(), Mode::Private).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;

    fn reveal(source: &SecretSource) -> Result<String, String> {
        source.reveal().map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_generated_secret_is_drawn_once_and_kept_for_the_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.auth");
        let source = SecretSource::Generate(path.clone());
        assert!(source.is_missing());
        let first = reveal(&source).unwrap();
        assert!(first.len() == 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
        assert!(!source.is_missing());
        assert_eq!(reveal(&source).unwrap(), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = SecretSource::Generate(home.path().join("y.auth"));
        assert_ne!(reveal(&other).unwrap(), first);
    }

    #[test]
    fn a_generated_secret_never_replaces_one_that_is_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.auth");
        atomic_file::write(&path, b"chosen\n", Mode::Private).unwrap();
        assert!(matches!(generate(&path), Err(Error::Unwritable { .. })));
        assert_eq!(reveal(&SecretSource::Generate(path)).unwrap(), "chosen");
    }

    #[test]
    fn a_password_file_that_others_may_read_is_refused_with_the_command_that_closes_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("password");
        for (mode, passes) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            atomic_file::write(&path, b"word\n", Mode::Exact(mode)).unwrap();
            let revealed = SecretSource::File(path.clone()).reveal();
            assert_eq!(revealed.is_ok(), passes, "{mode:o}");
            if let Err(error) = revealed {
                assert!(error.to_string().contains(&format!("its mode is {mode:04o}")), "{error}");
                let help = miette::Diagnostic::help(&error).unwrap().to_string();
                assert!(help.ends_with(&format!("chmod 600 {}", path.display())), "{help}");
            }
        }
    }

    #[test]
    fn a_pipe_is_no_file_that_others_could_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        let writer = std::thread::spawn({
            let path = path.clone();
            move || std::fs::File::options().write(true).open(path).unwrap().write_all(b"word\n").unwrap()
        });
        assert_eq!(reveal(&SecretSource::File(path)).unwrap(), "word");
        writer.join().unwrap();
    }

    #[test]
    fn the_first_line_of_a_file_is_the_secret() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("password");
        let source = SecretSource::File(path.clone());
        assert!(reveal(&source).unwrap_err().contains("could not read the password file"));
        assert!(!source.is_missing(), "only a generated one may be missing");
        for (text, expected) in [("one\ntwo\n", Some("one")), (" a b \r\nx", Some(" a b ")), ("x", Some("x"))]
        {
            atomic_file::write(&path, text.as_bytes(), Mode::Private).unwrap();
            assert_eq!(reveal(&source).ok().as_deref(), expected, "{text:?}");
        }
        for text in ["", "\n", "   \n", "\ntwo", "a\tb", "a\0b", "a\u{1b}[31m"] {
            atomic_file::write(&path, text.as_bytes(), Mode::Private).unwrap();
            assert!(reveal(&source).unwrap_err().contains("empty or holds a control character"), "{text:?}");
        }
    }

    #[test]
    fn an_unset_variable_is_named_and_its_fix_too() {
        let error = SecretSource::Env("PROVISION_NO_SUCH_VARIABLE".to_owned()).reveal().unwrap_err();
        assert!(error.to_string().contains("PROVISION_NO_SUCH_VARIABLE"));
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.contains("export PROVISION_NO_SUCH_VARIABLE"), "{help}");
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_value() {
        let secret = fit("a file", "hunter2").unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
        let error = fit("a file", "hunter2\t").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
