//! The host key, judged while the keys are exchanged.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use russh::{
    client::Handler,
    keys::{
        Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate, ssh_key::certificate::CertType,
    },
};

use crate::host::{
    Decision, Key, KnownHosts,
    connector::Connector,
    pin,
    unreachable::{Failed, Phase},
};

/// What the gate saw; read when the exchange is over, whichever way it ended.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) key: Option<Key>,
    pub(super) refused: Option<Failed>,
}

/// Judges the key of one server.
pub(super) struct Gate {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) known: Arc<KnownHosts>,
    pub(super) connector: Connector,
    /// Only looks at the key, and believes nothing: for `trust`.
    pub(super) only_looks: bool,
    pub(super) seen: Arc<Mutex<Seen>>,
}

impl Handler for Gate {
    type Error = russh::Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let verdict = match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.key(key),
            PublicKeyOrCertificate::Certificate(certificate) => self.certificate(certificate),
        };
        let good = verdict.is_ok();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).refused = verdict.err();
        Ok(good)
    }
}

impl Gate {
    fn key(&self, offered: &PublicKey) -> Result<(), Failed> {
        let key = wire(offered)?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).key = Some(key.clone());
        if self.only_looks {
            return Err(Failed::new(Phase::HostKey, "it was only looked at"));
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
    fn accept(&self, key: &Key) -> Result<(), Failed> {
        let pins = &self.connector.shared.pins;
        let failed = |error: std::io::Error| {
            Failed::new(Phase::HostKey, format!("it could not be pinned in {}: {error}", pins.display()))
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
        self.connector.shared.console.notice(&self.host, &text);
        Ok(())
    }

    /// A certificate counts where an authority on file signed it for this host and this moment, and asks for nothing we do
    /// not know.
    fn certificate(&self, certificate: &russh::keys::Certificate) -> Result<(), Failed> {
        let refuse = |reason: String| Failed::new(Phase::HostKey, format!("its certificate {reason}"));
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        let key = wire(&authority)?;
        match self.known.authority(&self.host, self.port, &key) {
            Decision::Trusted => {}
            Decision::Revoked { file, line } => return Err(revoked(&key, &file, line)),
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

fn wire(key: &PublicKey) -> Result<Key, Failed> {
    let blob = key.to_bytes().map_err(|error| Failed::new(Phase::HostKey, error.to_string()))?;
    Ok(Key { kind: kind(&key.algorithm()), blob })
}

/// The kind of a key on file: an RSA key is `ssh-rsa` there, whichever hash it signs with.
pub(super) fn kind(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.to_string(),
    }
}

fn unknown(key: &Key) -> Failed {
    let reason = format!("nobody knows it yet; it shows {} {}", key.kind, key.fingerprint());
    Failed::new(Phase::HostKey, reason).fix(
        "compare that with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the host's console, then pin it with \
         `provision trust INVENTORY`, or believe new hosts with --accept-new",
    )
}

fn changed(host: &str, key: &Key, file: &std::path::Path, line: usize, kind: &str) -> Failed {
    let file = file.display();
    let reason = format!(
        "it shows {} {}, and {file} line {line} has another {kind} key for {host}",
        key.kind,
        key.fingerprint()
    );
    Failed::new(Phase::HostKey, reason).fix(format!(
        "somebody may be in between. If the host was reinstalled, compare the fingerprint on its console, remove line {line} \
         of {file}, and run `provision trust INVENTORY`"
    ))
}

fn revoked(key: &Key, file: &std::path::Path, line: usize) -> Failed {
    let file = file.display();
    let reason = format!("{} {} is revoked by {file} line {line}", key.kind, key.fingerprint());
    Failed::new(Phase::HostKey, reason)
        .fix("give the host a new key; a revoked one is in somebody else's hands")
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
