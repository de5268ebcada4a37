//! The verification of the host key, during the key exchange.

mod refusal;
mod revoked;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use self::revoked::Shown;
use super::algorithms::key_kind;
use crate::host::{
    connect_error::{ConnectError, Phase},
    connector::Connector,
    known_hosts::{Decision, Key, KnownHosts, pin},
};
use russh::{
    client::Handler,
    keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate, ssh_key::certificate::CertType},
};

/// What the verifier found; read when the exchange is over, also where it failed.
#[derive(Debug, Default)]
pub(super) struct KeyExchangeOutcome {
    pub(super) key: Option<Key>,
    pub(super) refused: Option<ConnectError>,
}

/// Verifies the key of one server.
pub(super) struct HostKeyVerifier {
    pub(super) host: String,
    pub(super) port: u16,
    /// A file of keys no host may have.
    pub(super) revoked: Option<PathBuf>,
    pub(super) known: Arc<KnownHosts>,
    pub(super) connector: Connector,
    /// Only notes the key, and trusts nothing: for `trust`.
    pub(super) scan_only: bool,
    pub(super) outcome: Arc<Mutex<KeyExchangeOutcome>>,
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
        let verdict = match (self.not_revoked(&key, certificate).await, certificate) {
            (Err(refused), _) => Err(refused),
            (Ok(()), None) => self.key(&key),
            (Ok(()), Some(certificate)) => self.certificate(certificate, &key),
        };
        let good = verdict.is_ok();
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).refused = verdict.err();
        Ok(good)
    }
}

impl HostKeyVerifier {
    fn key(&self, offered: &PublicKey) -> Result<(), ConnectError> {
        let key = encode_key(offered)?;
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).key = Some(key.clone());
        if self.scan_only {
            return Err(ConnectError::new(Phase::HostKey, "it was only scanned"));
        }
        match self.known.decide(&self.host, self.port, &key) {
            Decision::Trusted => Ok(()),
            Decision::Unknown if self.connector.accepts_new() => self.accept(&key),
            Decision::Unknown => Err(refusal::unknown(&key)),
            Decision::Changed { file, line, kind } => {
                Err(refusal::changed(&self.host, &key, &file, line, &kind))
            }
            Decision::Revoked { file, line } => Err(refusal::revoked(&key, &file, line)),
        }
    }

    /// Accepts an unknown key. Pins this run has written count: a host is unknown only once.
    fn accept(&self, key: &Key) -> Result<(), ConnectError> {
        let pins = self.connector.pins();
        let failed = |error: std::io::Error| {
            ConnectError::new(
                Phase::HostKey,
                format!("it could not be pinned in {}: {error}", pins.display()),
            )
        };
        let pinned = KnownHosts::load(&[pins.to_owned()]).map_err(failed)?;
        match pinned.decide(&self.host, self.port, key) {
            Decision::Trusted => return Ok(()),
            Decision::Changed { file, line, kind } => {
                return Err(refusal::changed(&self.host, key, &file, line, &kind));
            }
            Decision::Revoked { file, line } => return Err(refusal::revoked(key, &file, line)),
            Decision::Unknown => {}
        }
        pin(pins, &self.host, self.port, key).map_err(failed)?;
        let text = format!("{} {} is pinned in {} from now on", key.kind, key.fingerprint(), pins.display());
        self.connector.notice(&self.host, &text);
        Ok(())
    }

    async fn not_revoked(
        &self,
        offered: &PublicKey,
        certificate: Option<&Certificate>,
    ) -> Result<(), ConnectError> {
        match &self.revoked {
            Some(file) => revoked::check(file, &shown(offered, certificate)?).await,
            None => Ok(()),
        }
    }

    /// As in ssh(1): where a certificate is not valid, the key in it may still be on file; a revoked one is
    /// refused.
    fn certificate(&self, certificate: &Certificate, key: &PublicKey) -> Result<(), ConnectError> {
        let plain = encode_key(key)?;
        let on_file = self.known.decide(&self.host, self.port, &plain);
        if let Decision::Revoked { file, line } = on_file {
            return Err(refusal::revoked(&plain, &file, line));
        }
        match self.certified(certificate) {
            Err(Uncertified::Otherwise(_)) if on_file == Decision::Trusted => Ok(()),
            Err(Uncertified::Revoked(failed) | Uncertified::Otherwise(failed)) => Err(failed),
            Ok(()) => Ok(()),
        }
    }

    /// A certificate is valid where an authority on file signed it for this host and this moment, without
    /// critical options.
    fn certified(&self, certificate: &Certificate) -> Result<(), Uncertified> {
        let refuse = |reason: String| {
            Uncertified::Otherwise(ConnectError::new(Phase::HostKey, format!("its certificate {reason}")))
        };
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        let key = encode_key(&authority).map_err(Uncertified::Otherwise)?;
        match self.known.authority(&self.host, self.port, &key) {
            Decision::Trusted => {}
            Decision::Revoked { file, line } => {
                return Err(Uncertified::Revoked(refusal::revoked(&key, &file, line)));
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

/// Why a certificate is not valid.
enum Uncertified {
    /// Its authority is revoked.
    Revoked(ConnectError),
    Otherwise(ConnectError),
}

fn shown(offered: &PublicKey, certificate: Option<&Certificate>) -> Result<Shown, ConnectError> {
    let mut keys = vec![encode_key(offered)?];
    let mut lines = vec![keys[0].to_string()];
    if let Some(certificate) = certificate {
        keys.push(encode_key(&PublicKey::new(certificate.signature_key().clone(), ""))?);
        let line = certificate.to_openssh();
        lines.push(line.map_err(|error| ConnectError::new(Phase::HostKey, error.to_string()))?);
    }
    Ok(Shown { keys, lines })
}

fn encode_key(key: &PublicKey) -> Result<Key, ConnectError> {
    let blob = key.to_bytes().map_err(|error| ConnectError::new(Phase::HostKey, error.to_string()))?;
    Ok(Key { kind: key_kind(&key.algorithm()), blob })
}

#[cfg(test)]
mod tests;
