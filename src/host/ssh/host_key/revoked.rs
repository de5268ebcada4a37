//! Keys and certificates that `RevokedHostKeys` revokes: a list of keys, or a revocation list that
//! ssh-keygen(1) reads (`-Q`).

use std::{io::Write, path::Path, process::Stdio, time::Duration};

use tokio::time::timeout;

use crate::host::{
    connect_error::{ConnectError, Phase},
    environment,
    known_hosts::Key,
};

/// How long `ssh-keygen -Q` may take.
const KEYGEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a host shows, as far as a file may revoke it.
pub(super) struct Shown {
    /// The key, and behind it the authority that has certified it.
    pub(super) keys: Vec<Key>,
    /// What `ssh-keygen -Q` is asked about: the key and its certificate, a line each as in a `.pub` file. It
    /// looks for the serial number, the name and the authority of a certificate in that certificate only.
    pub(super) lines: Vec<String>,
}

/// Refuses what a file revokes, and everything where the file cannot be read.
pub(super) async fn check(file: &Path, shown: &Shown) -> Result<(), ConnectError> {
    let refuse = |reason: String| {
        ConnectError::new(Phase::HostKey, format!("RevokedHostKeys {}: {reason}", file.display()))
    };
    let bytes = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
    let named = |key: &Key| format!("it has {} {}", key.kind, key.fingerprint());
    if !bytes.starts_with(REVOCATION_LIST) {
        let text = String::from_utf8_lossy(&bytes);
        let is_listed = |key: &&Key| text.lines().any(|line| line.contains(&key.to_string()));
        return shown.keys.iter().find(is_listed).map_or(Ok(()), |key| Err(refuse(named(key))));
    }
    for (line, what) in shown.lines.iter().zip(["", "the certificate of "]) {
        if in_revocation_list(file, line).await.map_err(refuse)? {
            let key = shown.keys.first().map_or_else(String::new, named);
            return Err(refuse(key.replacen("it has ", &format!("it has {what}"), 1)));
        }
    }
    Ok(())
}

/// How OpenSSH's own kind of revocation list begins (PROTOCOL.krl).
const REVOCATION_LIST: &[u8] = b"SSHKRL\n\0";

async fn in_revocation_list(file: &Path, line: &str) -> Result<bool, String> {
    let written = tempfile::NamedTempFile::new().and_then(|mut written| {
        writeln!(written, "{line}")?;
        Ok(written)
    });
    let written = written.map_err(|error| error.to_string())?;
    #[expect(clippy::disallowed_methods, reason = "it does not connect: it searches a file for a key")]
    let mut command = tokio::process::Command::new("ssh-keygen");
    environment::clear(&mut command)
        .arg("-Q")
        .arg("-f")
        .arg(file)
        .arg(written.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(KEYGEN_TIMEOUT, command.output())
        .await
        .map_err(|_| "`ssh-keygen -Q` gave no answer within 10s")?;
    let output = output.map_err(|error| format!("`ssh-keygen -Q`: {error}"))?;
    let answer = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    match (output.status.success(), answer.contains("REVOKED")) {
        (true, _) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => Err(answer),
    }
}
