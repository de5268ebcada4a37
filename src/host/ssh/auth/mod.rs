//! Authentication: keys, certificates, and a password where the inventory has one.

mod file_signer;
mod hashes;
pub(super) mod password;
mod refusal;

use std::{sync::Arc, time::Duration};

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle},
    keys::{HashAlg, PrivateKeyWithHashAlg, agent::client::AgentClient},
};
use tokio::{net::UnixStream, time::timeout};

use self::{
    file_signer::FileSigner,
    refusal::{failed, lost},
};
use super::{
    host_key::HostKeyVerifier,
    identities::{Identities, Kind},
};
use crate::host::{connect_error::ConnectError, connector::Connector, ssh_config::SshConfig};

/// sshd hangs up after six attempts (`MaxAuthTries`); one is left for a password.
const MAX_ATTEMPTS: usize = 5;

/// How long a server may take to answer all keys, or the password: PAM, LDAP and the look-up of our name by
/// two resolvers that do not answer come first, and an agent may wait for a touch. It is sshd's own default
/// (`LoginGraceTime`).
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_mins(2);

/// Logs in. The timeout does not run while the user types a password, which is asked for once the keys are
/// refused.
pub(super) async fn log_in(
    handle: &mut Handle<HostKeyVerifier>,
    config: &SshConfig,
    identities: Identities,
    connector: &Connector,
) -> Result<(), ConnectError> {
    let late = |_| failed(format!("no answer within {}s", AUTHENTICATION_TIMEOUT.as_secs())).transient();
    let mut login = Login { handle, config, tried: Vec::new(), accepted: all_methods() };
    let password = identities.password.clone();
    if timeout(AUTHENTICATION_TIMEOUT, login.keys(identities)).await.map_err(late)?? {
        return Ok(());
    }
    if password::is_accepted(&login.accepted)
        && let Some(password) = password::or_get(password, config, connector).await?
    {
        login.tried.push("the password".to_owned());
        let sent = password::send(login.handle, &config.user, &mut login.accepted, &password);
        if timeout(AUTHENTICATION_TIMEOUT, sent).await.map_err(late)?? {
            return Ok(());
        }
    }
    Err(refusal::refused(&config.user, &login.tried, &login.accepted))
}

/// The methods a server may accept before it has named the ones it accepts.
fn all_methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive][..])
}

/// One login, and what was tried so far.
struct Login<'a> {
    handle: &'a mut Handle<HostKeyVerifier>,
    config: &'a SshConfig,
    /// Names of what was offered, for the error text.
    tried: Vec<String>,
    accepted: MethodSet,
}

impl Login<'_> {
    async fn keys(&mut self, identities: Identities) -> Result<bool, ConnectError> {
        let Identities { keys, mut agent, skipped, .. } = identities;
        self.tried.extend(skipped);
        let mut left = MAX_ATTEMPTS;
        for identity in keys {
            if left == 0 || !self.accepted.contains(&MethodKind::PublicKey) {
                break;
            }
            self.tried.push(identity.name);
            if self.key(identity.kind, agent.as_mut(), &mut left).await? {
                return Ok(true);
            }
            self.check_alive()?;
        }
        Ok(false)
    }

    /// Offers one key; `left` counts the attempts down.
    async fn key(
        &mut self,
        kind: Kind,
        agent: Option<&mut AgentClient<UnixStream>>,
        left: &mut usize,
    ) -> Result<bool, ConnectError> {
        let user = self.config.user.as_str();
        match (kind, agent) {
            (Kind::File(key), _) => {
                for hash in self.hashes(key.algorithm().is_rsa(), left).await {
                    let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
                    let result = self.handle.authenticate_publickey(user, key).await.map_err(lost)?;
                    if self.is_success(result) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Kind::FileCertificate(key, certificate), _) => {
                for hash in self.hashes(certificate.algorithm().is_rsa(), left).await {
                    let (certificate, mut file) = (certificate.clone(), FileSigner(Arc::clone(&key)));
                    let signed =
                        self.handle.authenticate_certificate_with(user, certificate, hash, &mut file);
                    let result = signed.await;
                    if self.is_signed(result) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Kind::Agent(key), Some(agent)) => {
                for hash in self.hashes(key.algorithm().is_rsa(), left).await {
                    let signed = self.handle.authenticate_publickey_with(user, key.clone(), hash, agent);
                    let result = signed.await;
                    if self.is_signed(result) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Kind::AgentCertificate(certificate), Some(agent)) => {
                for hash in self.hashes(certificate.algorithm().is_rsa(), left).await {
                    let certificate = certificate.clone();
                    let signed = self.handle.authenticate_certificate_with(user, certificate, hash, agent);
                    let result = signed.await;
                    if self.is_signed(result) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Kind::Agent(_) | Kind::AgentCertificate(_), None) => Ok(false),
        }
    }

    fn is_success(&mut self, result: AuthResult) -> bool {
        match result {
            AuthResult::Success => true,
            AuthResult::Failure { remaining_methods, .. } => {
                self.accepted = remaining_methods;
                false
            }
        }
    }

    /// An agent that refuses to sign with one key may sign with another.
    fn is_signed(&mut self, result: Result<AuthResult, russh::AgentAuthError>) -> bool {
        match result {
            Ok(result) => self.is_success(result),
            Err(error) => {
                let name = self.tried.pop().unwrap_or_default();
                self.tried.push(format!("{name} (it does not sign: {error})"));
                false
            }
        }
    }

    /// The hashes to sign with, one attempt each.
    async fn hashes(&self, rsa: bool, left: &mut usize) -> Vec<Option<HashAlg>> {
        if !rsa {
            return hashes::take(vec![None], left);
        }
        let supported = self.handle.best_supported_rsa_hash().await.ok().flatten().flatten();
        hashes::take(hashes::of_rsa(supported, self.config.ssh.legacy), left)
    }

    /// A server that has counted too many attempts hangs up instead of answering.
    fn check_alive(&self) -> Result<(), ConnectError> {
        if self.handle.is_closed() {
            let reason = format!("it hung up after it was offered {}", self.tried.join(", "));
            return Err(failed(reason).hint("name the one right key with `identity` under [ssh]"));
        }
        Ok(())
    }
}
