//! The host key, judged while the keys are exchanged.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use russh::{
    client::Handler,
    keys::{
        Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate,
        ssh_key::certificate::CertType,
    },
};
use tokio::time::timeout;

use crate::host::{
    Decision, Key, KnownHosts,
    connect_error::{ConnectError, Phase},
    connector::Connector,
    pin,
};

/// How long the user's own tool may take to look a key up.
const ASK: Duration = Duration::from_secs(10);

/// What the gate saw; read when the exchange is over, whichever way it ended.
#[derive(Debug, Default)]
pub(super) struct KeyExchangeOutcome {
    pub(super) key: Option<Key>,
    pub(super) refused: Option<ConnectError>,
}

/// Judges the key of one server.
pub(super) struct HostKeyVerifier {
    pub(super) host: String,
    pub(super) port: u16,
    /// A file of keys no host may have.
    pub(super) revoked: Option<PathBuf>,
    pub(super) known: Arc<KnownHosts>,
    pub(super) connector: Connector,
    /// Only looks at the key, and believes nothing: for `trust`.
    pub(super) scan_only: bool,
    pub(super) seen: Arc<Mutex<KeyExchangeOutcome>>,
}

impl Handler for HostKeyVerifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let (key, certificate) = match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => (key.clone(), None),
            PublicKeyOrCertificate::Certificate(certificate) => {
                (PublicKey::new(certificate.public_key().clone(), ""), Some(certificate))
            }
        };
        let verdict = match (self.not_revoked(&key).await, certificate) {
            (Err(refused), _) => Err(refused),
            (Ok(()), None) => self.key(&key),
            (Ok(()), Some(certificate)) => self.certificate(certificate, &key),
        };
        let good = verdict.is_ok();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).refused = verdict.err();
        Ok(good)
    }
}

impl HostKeyVerifier {
    fn key(&self, offered: &PublicKey) -> Result<(), ConnectError> {
        let key = encode_key(offered)?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).key = Some(key.clone());
        if self.scan_only {
            return Err(ConnectError::new(Phase::HostKey, "it was only looked at"));
        }
        match self.known.decide(&self.host, self.port, &key) {
            Decision::Trusted => Ok(()),
            Decision::Unknown if self.connector.shared.accept_new => self.accept(&key),
            Decision::Unknown => Err(unknown(&key)),
            Decision::Changed { file, line, kind } => Err(changed(&self.host, &key, &file, line, &kind)),
            Decision::Revoked { file, line } => Err(revoked(&key, &file, line)),
        }
    }

    /// Believes a host that nobody knows. What this very run has pinned before counts: a host that is new is new once.
    fn accept(&self, key: &Key) -> Result<(), ConnectError> {
        let pins = &self.connector.shared.pins;
        let failed = |error: std::io::Error| {
            ConnectError::new(
                Phase::HostKey,
                format!("it could not be pinned in {}: {error}", pins.display()),
            )
        };
        let pinned = KnownHosts::load(std::slice::from_ref(pins)).map_err(failed)?;
        match pinned.decide(&self.host, self.port, key) {
            Decision::Trusted => return Ok(()),
            Decision::Changed { file, line, kind } => {
                return Err(changed(&self.host, key, &file, line, &kind));
            }
            Decision::Revoked { file, line } => return Err(revoked(key, &file, line)),
            Decision::Unknown => {}
        }
        pin(pins, &self.host, self.port, key).map_err(failed)?;
        let text = format!("{} {} is pinned in {} from now on", key.kind, key.fingerprint(), pins.display());
        self.connector.shared.prompt.notice(&self.host, &text);
        Ok(())
    }

    /// Such a file is a list of keys, or a revocation list that ssh-keygen(1) reads (`-Q`). What cannot be read is refused.
    async fn not_revoked(&self, offered: &PublicKey) -> Result<(), ConnectError> {
        let Some(file) = &self.revoked else { return Ok(()) };
        let refuse = |reason: String| {
            ConnectError::new(Phase::HostKey, format!("RevokedHostKeys {}: {reason}", file.display()))
        };
        let key = encode_key(offered)?;
        let bytes = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
        let is_revoked = if bytes.starts_with(REVOCATION_LIST) {
            in_revocation_list(file, &key).await.map_err(refuse)?
        } else {
            String::from_utf8_lossy(&bytes).lines().any(|line| line.contains(&key.to_string()))
        };
        if is_revoked { Err(refuse(format!("it has {} {}", key.kind, key.fingerprint()))) } else { Ok(()) }
    }

    /// As in ssh(1): a certificate that does not count leaves the key in it, which may be on file; one that is revoked leaves
    /// nothing.
    fn certificate(&self, certificate: &Certificate, key: &PublicKey) -> Result<(), ConnectError> {
        let plain = encode_key(key)?;
        let on_file = self.known.decide(&self.host, self.port, &plain);
        if let Decision::Revoked { file, line } = on_file {
            return Err(revoked(&plain, &file, line));
        }
        match self.certified(certificate) {
            Err(Uncertified::Otherwise(_)) if on_file == Decision::Trusted => Ok(()),
            Err(Uncertified::Revoked(failed) | Uncertified::Otherwise(failed)) => Err(failed),
            Ok(()) => Ok(()),
        }
    }

    /// A certificate counts where an authority on file signed it for this host and this moment, and asks for nothing we do
    /// not know.
    fn certified(&self, certificate: &Certificate) -> Result<(), Uncertified> {
        let refuse = |reason: String| {
            Uncertified::Otherwise(ConnectError::new(Phase::HostKey, format!("its certificate {reason}")))
        };
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        let key = encode_key(&authority).map_err(Uncertified::Otherwise)?;
        match self.known.authority(&self.host, self.port, &key) {
            Decision::Trusted => {}
            Decision::Revoked { file, line } => {
                return Err(Uncertified::Revoked(revoked(&key, &file, line)));
            }
            _ => {
                return Err(refuse(format!(
                    "is signed by {}, which is no authority on file",
                    key.fingerprint()
                )));
            }
        }
        if certificate.cert_type() != CertType::Host {
            return Err(refuse("is one for users".to_owned()));
        }
        let principals = certificate.valid_principals();
        if !principals.is_empty() && !principals.iter().any(|name| name.eq_ignore_ascii_case(&self.host)) {
            return Err(refuse(format!("is for {}", principals.join(", "))));
        }
        if !certificate.critical_options().is_empty() {
            return Err(refuse("has critical options, and a host's must have none".to_owned()));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let fingerprint = authority.fingerprint(HashAlg::Sha256);
        certificate.validate_at(now, [&fingerprint]).map_err(|error| refuse(format!("is not valid: {error}")))
    }
}

/// How OpenSSH's own kind of revocation list begins (PROTOCOL.krl).
const REVOCATION_LIST: &[u8] = b"SSHKRL\n\0";

async fn in_revocation_list(file: &Path, key: &Key) -> Result<bool, String> {
    let written = tempfile::NamedTempFile::new().and_then(|mut written| {
        writeln!(written, "{key}")?;
        Ok(written)
    });
    let written = written.map_err(|error| error.to_string())?;
    #[expect(clippy::disallowed_methods, reason = "it connects to nobody: it looks a key up in a file")]
    let mut asked = tokio::process::Command::new("ssh-keygen");
    asked.arg("-Q").arg("-f").arg(file).arg(written.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(ASK, asked.output()).await.map_err(|_| "`ssh-keygen -Q` gave no answer within 10s")?;
    let output = output.map_err(|error| format!("`ssh-keygen -Q`: {error}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    match (output.status.success(), said.contains("REVOKED")) {
        (true, _) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => Err(said),
    }
}

/// Why a certificate does not count.
enum Uncertified {
    /// Its authority is in somebody else's hands.
    Revoked(ConnectError),
    Otherwise(ConnectError),
}

fn encode_key(key: &PublicKey) -> Result<Key, ConnectError> {
    let blob = key.to_bytes().map_err(|error| ConnectError::new(Phase::HostKey, error.to_string()))?;
    Ok(Key { kind: kind(&key.algorithm()), blob })
}

/// The kind of a key on file: an RSA key is `ssh-rsa` there, whichever hash it signs with.
pub(super) fn kind(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.to_string(),
    }
}

fn unknown(key: &Key) -> ConnectError {
    let reason = format!("nobody knows it yet; it shows {} {}", key.kind, key.fingerprint());
    ConnectError::new(Phase::HostKey, reason).hint(
        "compare that with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the host's prompt, then pin it with \
         `provision trust INVENTORY`, or believe new hosts with --accept-new",
    )
}

fn changed(host: &str, key: &Key, file: &std::path::Path, line: usize, kind: &str) -> ConnectError {
    let file = file.display();
    let reason = format!(
        "it shows {} {}, and {file} line {line} has another {kind} key for {host}",
        key.kind,
        key.fingerprint()
    );
    ConnectError::new(Phase::HostKey, reason).hint(format!(
        "somebody may be in between. If the host was reinstalled, compare the fingerprint on its prompt, remove line {line} \
         of {file}, and run `provision trust INVENTORY`"
    ))
}

fn revoked(key: &Key, file: &std::path::Path, line: usize) -> ConnectError {
    let file = file.display();
    let reason = format!("{} {} is revoked by {file} line {line}", key.kind, key.fingerprint());
    ConnectError::new(Phase::HostKey, reason)
        .hint("give the host a new key; a revoked one is in somebody else's hands")
}

/// The algorithms to ask for: those of keys on file first, so that a server with several shows the one that is known.
pub(super) fn preferred(kinds: &[String], legacy: bool) -> Vec<Algorithm> {
    let curve = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash };
    let mut all = vec![
        Algorithm::Ed25519,
        curve(EcdsaCurve::NistP256),
        curve(EcdsaCurve::NistP384),
        curve(EcdsaCurve::NistP521),
        rsa(Some(HashAlg::Sha512)),
        rsa(Some(HashAlg::Sha256)),
    ];
    if legacy {
        all.push(rsa(None));
    }
    let rank = |algorithm: &Algorithm| {
        let kind = kind(algorithm);
        kinds.iter().position(|known| *known == kind).unwrap_or(kinds.len())
    };
    all.sort_by_key(rank);
    all
}

/// The files a server is looked up in: the pins beside the inventory, then the user's and the machine's.
pub(super) fn files(pins: &std::path::Path, others: &[PathBuf]) -> Vec<PathBuf> {
    std::iter::once(pins.to_owned()).chain(others.iter().cloned()).collect()
}
