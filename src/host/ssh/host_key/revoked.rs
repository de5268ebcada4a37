//! Keys that `RevokedHostKeys` revokes: a list of keys, or a revocation list that ssh-keygen(1) reads (`-Q`).

use std::{io::Write, path::Path, process::Stdio, time::Duration};

use tokio::time::timeout;

use crate::host::{
    connect_error::{ConnectError, Phase},
    known_hosts::Key,
};

/// How long `ssh-keygen -Q` may take.
const KEYGEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Refuses a key that a file revokes, and all keys where the file cannot be read.
pub(super) async fn check(file: &Path, key: &Key) -> Result<(), ConnectError> {
    let refuse = |reason: String| {
        ConnectError::new(Phase::HostKey, format!("RevokedHostKeys {}: {reason}", file.display()))
    };
    let bytes = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
    let is_revoked = if bytes.starts_with(REVOCATION_LIST) {
        in_revocation_list(file, key).await.map_err(refuse)?
    } else {
        String::from_utf8_lossy(&bytes).lines().any(|line| line.contains(&key.to_string()))
    };
    if is_revoked { Err(refuse(format!("it has {} {}", key.kind, key.fingerprint()))) } else { Ok(()) }
}

/// How OpenSSH's own kind of revocation list begins (PROTOCOL.krl).
const REVOCATION_LIST: &[u8] = b"SSHKRL\n\0";

async fn in_revocation_list(file: &Path, key: &Key) -> Result<bool, String> {
    let written = tempfile::NamedTempFile::new().and_then(|mut written| {
        writeln!(written, "{key}")?;
        Ok(written)
    });
    let written = written.map_err(|error| error.to_string())?;
    #[expect(clippy::disallowed_methods, reason = "it does not connect: it searches a file for a key")]
    let mut command = tokio::process::Command::new("ssh-keygen");
    command.arg("-Q").arg("-f").arg(file).arg(written.path()).stdin(Stdio::null()).kill_on_drop(true);
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
