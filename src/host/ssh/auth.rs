//! Authentication: keys, certificates, and a password where the inventory has one.

use std::{sync::Arc, time::Duration};

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive},
    keys::{HashAlg, PrivateKeyWithHashAlg, agent::client::AgentClient},
};
use tokio::{net::UnixStream, time::timeout};

use super::{
    host_key::HostKeyVerifier,
    identities::{Identities, Kind},
};
use crate::{
    host::{
        connect_error::{ConnectError, Phase},
        connector::Connector,
        ssh_config::SshConfig,
    },
    secret::{ExposeSecret, SecretString},
};

/// sshd hangs up after six attempts (`MaxAuthTries`); one is left for a password.
const MOST_ATTEMPTS: usize = 5;
/// How long all keys, or the password, may take.
const ANSWER: Duration = Duration::from_secs(20);

fn failed(reason: impl Into<String>) -> ConnectError {
    ConnectError::new(Phase::Authentication, reason)
}

fn lost(error: impl std::fmt::Display) -> ConnectError {
    failed(format!("{error}"))
}

/// Logs in. Whoever types a password is not hurried.
pub(super) async fn log_in(
    handle: &mut Handle<HostKeyVerifier>,
    config: &SshConfig,
    offers: Identities,
    connector: &Connector,
) -> Result<(), ConnectError> {
    let late = |_| failed("no answer within 20s").transient();
    let mut login = Login { handle, config, tried: Vec::new(), accepted: all() };
    if timeout(ANSWER, login.keys(offers)).await.map_err(late)?? {
        return Ok(());
    }
    if login.takes_passwords()
        && let Some(password) = password(config, connector).await?
    {
        login.tried.push("the password".to_owned());
        if timeout(ANSWER, login.password(&password)).await.map_err(late)?? {
            return Ok(());
        }
    }
    Err(login.refused())
}

async fn password(config: &SshConfig, connector: &Connector) -> Result<Option<SecretString>, ConnectError> {
    let Some(credential) = &config.ssh.password else { return Ok(None) };
    let question = format!("password of {}", config.user);
    let password = connector.secret(Some(credential), &question).await.map_err(lost)?;
    let nobody = || {
        failed("its password was asked for, and nobody is there to give it")
            .hint("keep it in a file or a variable: [ssh] password = { file = \"…\" }")
    };
    password.ok_or_else(nobody).map(Some)
}

/// What a server may accept that has not said what it accepts.
fn all() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive][..])
}

/// One login, and what became of it so far.
struct Login<'a> {
    handle: &'a mut Handle<HostKeyVerifier>,
    config: &'a SshConfig,
    /// For people.
    tried: Vec<String>,
    accepted: MethodSet,
}

impl Login<'_> {
    async fn keys(&mut self, offers: Identities) -> Result<bool, ConnectError> {
        let Identities { keys, mut agent, skipped } = offers;
        self.tried.extend(skipped);
        let mut left = MOST_ATTEMPTS;
        for offer in keys {
            if left == 0 || !self.accepted.contains(&MethodKind::PublicKey) {
                break;
            }
            self.tried.push(offer.name);
            if self.key(offer.kind, agent.as_mut(), &mut left).await? {
                return Ok(true);
            }
            self.alive()?;
        }
        Ok(false)
    }

    /// Identities one key; `left` counts the attempts down.
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
                *left = left.saturating_sub(1);
                let result =
                    self.handle.authenticate_openssh_cert(user, key, certificate).await.map_err(lost)?;
                Ok(self.is_success(result))
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
                let hashes = self.hashes(certificate.algorithm().is_rsa(), left).await;
                let hash = hashes.first().copied().flatten();
                let result = self.handle.authenticate_certificate_with(user, certificate, hash, agent).await;
                Ok(self.is_signed(result))
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

    /// An agent that does not sign with one key may with another.
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

    /// The hashes to sign with. What a server says it supports is believed: each attempt counts there, refused ones too.
    async fn hashes(&self, rsa: bool, left: &mut usize) -> Vec<Option<HashAlg>> {
        let hint = if rsa { self.handle.best_supported_rsa_hash().await.ok().flatten() } else { None };
        let mut hashes = match (rsa, hint) {
            (false, _) => vec![None],
            (true, Some(Some(hash))) => vec![Some(hash)],
            (true, _) => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
        };
        if rsa && self.config.ssh.legacy {
            hashes.push(None);
        }
        hashes.truncate(*left);
        *left -= hashes.len();
        hashes
    }

    fn takes_passwords(&self) -> bool {
        [MethodKind::Password, MethodKind::KeyboardInteractive]
            .iter()
            .any(|method| self.accepted.contains(method))
    }

    /// The password, by whichever of the two methods the server has; a keyboard's questions that hide their answer want it
    /// too.
    async fn password(&mut self, password: &SecretString) -> Result<bool, ConnectError> {
        let user = self.config.user.as_str();
        if self.accepted.contains(&MethodKind::Password) {
            let result =
                self.handle.authenticate_password(user, password.expose_secret()).await.map_err(lost)?;
            if self.is_success(result) {
                return Ok(true);
            }
        }
        if !self.accepted.contains(&MethodKind::KeyboardInteractive) {
            return Ok(false);
        }
        let mut answer =
            self.handle.authenticate_keyboard_interactive_start(user, None).await.map_err(lost)?;
        // Two rounds: the question, and an empty one after it.
        for _ in 0..3 {
            answer = match answer {
                Interactive::Success => return Ok(true),
                Interactive::Failure { .. } => return Ok(false),
                Interactive::InfoRequest { prompts, .. } => {
                    let hidden = prompts.iter().map(|prompt| !prompt.echo);
                    let given =
                        |hidden| if hidden { password.expose_secret().to_owned() } else { String::new() };
                    let answers = hidden.map(given).collect();
                    self.handle.authenticate_keyboard_interactive_respond(answers).await.map_err(lost)?
                }
            };
        }
        Ok(false)
    }

    /// A server that has had enough hangs up instead of answering.
    fn alive(&self) -> Result<(), ConnectError> {
        if self.handle.is_closed() {
            let reason = format!("it hung up after it was offered {}", self.tried.join(", "));
            return Err(failed(reason).hint("name the one right key with `identity` under [ssh]"));
        }
        Ok(())
    }

    fn refused(&self) -> ConnectError {
        let tried = if self.tried.is_empty() {
            "nothing: there is no key and no password".to_owned()
        } else {
            self.tried.join(", ")
        };
        let accepted: Vec<&str> = self.accepted.iter().map(Into::into).collect();
        failed(format!("{} offered {tried}; it accepts {}", self.config.user, accepted.join(", ")))
    }
}
