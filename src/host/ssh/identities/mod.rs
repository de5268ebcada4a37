//! Which identities a server is offered: keys from files and from an agent, with their certificates, in the
//! order of ssh(1).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use russh::keys::{
    self, Certificate, PrivateKey, PublicKey,
    agent::{AgentIdentity, client::AgentClient},
    ssh_key::public::KeyData,
};
use tokio::{net::UnixStream, time::timeout};

use super::auth::password;
use crate::{
    host::{
        connect_error::{ConnectError, Phase},
        connector::Connector,
        once_map::OnceMap,
        ssh_config::{self, SshConfig},
    },
    secret::{self, ExposeSecret, SecretString},
};

/// How long an agent may take to list its keys.
const AGENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Encrypted private keys that were opened in this run, by file; `None` where the user gave no passphrase.
/// `Err` says why a key cannot be used.
pub(super) type Keys = OnceMap<PathBuf, Result<Option<Arc<PrivateKey>>, String>>;

/// What one server is offered.
pub(super) struct Identities {
    pub(super) keys: Vec<Identity>,
    pub(super) agent: Option<AgentClient<UnixStream>>,
    /// What should have been offered and cannot be, for the error text.
    pub(super) skipped: Vec<String>,
    /// The password of the inventory, where there is no key: with one it may not be needed.
    pub(super) password: Option<SecretString>,
}

pub(super) struct Identity {
    /// Where it is from, for the error text.
    pub(super) name: String,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    File(Arc<PrivateKey>),
    FileCertificate(Arc<PrivateKey>, Certificate),
    Agent(PublicKey),
    AgentCertificate(Certificate),
}

fn failed(reason: impl Into<String>) -> ConnectError {
    ConnectError::new(Phase::Authentication, reason)
}

/// Gathers the keys and the password, before the server is connected to, which limits the time for a login:
/// the user may have to type some of it. `unlocked` keeps the encrypted ones that were opened in this run.
pub(super) async fn prepare(
    config: &SshConfig,
    connector: &Connector,
    unlocked: &Keys,
) -> Result<Identities, ConnectError> {
    check_named_keys(config)?;
    let (agent, held, mut skipped) = list_agent(config).await;
    let (mut keys, mut plain, mut locked, mut named) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for file in &config.identity {
        let public = public(file);
        named.extend(public.iter().map(|key| key.key_data().clone()));
        if public.iter().any(|key| held.iter().any(|identity| key_data(identity) == key.key_data())) {
            // The agent holds it, and no passphrase is needed. Its certificate may be beside the file all the
            // same.
            let certificates = public.iter().flat_map(|key| certificates(file, key.key_data(), config));
            keys.extend(
                certificates
                    .map(|(name, certificate)| Identity { name, kind: Kind::AgentCertificate(certificate) }),
            );
            continue;
        }
        let metadata = std::fs::metadata(file);
        if let Some(mode) = metadata.ok().as_ref().and_then(secret::mode_for_others) {
            let reason = format!("{} is open to other accounts (its mode is {mode:04o})", file.display());
            if config.identities_only {
                let fix = format!("take their rights away: chmod 600 {}", file.display());
                return Err(failed(format!("the private key {reason}")).hint(fix));
            }
            skipped.push(format!("not {reason}"));
            continue;
        }
        match read(file, None) {
            Ok(key) => plain.extend(with_certificates(file, key, config)),
            Err(keys::Error::KeyIsEncrypted) => locked.push(file),
            Err(error) if config.identities_only && file.exists() => {
                return Err(failed(format!("the private key {} cannot be used: {error}", file.display())));
            }
            Err(_) => {}
        }
    }
    keys.extend(agent_identities(held, &named, config.identities_only));
    keys.extend(plain);
    // A passphrase is asked for where there is no other key, or where the inventory names this one.
    if keys.is_empty() || config.identities_only {
        for file in locked {
            match unlock(file, config, connector, unlocked).await? {
                Some(key) => keys.extend(with_certificates(file, key, config)),
                None => skipped.push(format!("not {}, which is encrypted", file.display())),
            }
        }
    }
    let password = if keys.is_empty() { password::get(config, connector).await? } else { None };
    Ok(Identities { keys, agent, skipped, password })
}

/// A key that the inventory names must exist, in its file or in the agent.
fn check_named_keys(config: &SshConfig) -> Result<(), ConnectError> {
    match config.ssh.identity.iter().find(|file| !file.exists() && public(file).is_none()) {
        None => Ok(()),
        Some(file) => Err(failed(format!("there is no private key {}", file.display()))
            .hint("create it with ssh-keygen, or name another one with `identity` under [ssh]")),
    }
}

/// The public half: from the file beside a private key, from a file that holds nothing else, or from the
/// private key, where that part is not encrypted.
fn public(file: &Path) -> Option<PublicKey> {
    let within = || PrivateKey::read_openssh_file(file).map(|key| key.public_key().clone()).ok();
    keys::load_public_key(with_suffix(file, ".pub"))
        .or_else(|_| keys::load_public_key(file))
        .ok()
        .or_else(within)
}

/// The certificates of a key, with their names: beside it, and in the files the configuration names.
fn certificates(file: &Path, key: &KeyData, config: &SshConfig) -> Vec<(String, Certificate)> {
    let files = [with_suffix(file, "-cert.pub")].into_iter().chain(config.certificates.iter().cloned());
    let read = files.filter_map(|file| {
        let certificate = keys::load_openssh_certificate(&file).ok()?;
        (certificate.public_key() == key).then(|| (file.display().to_string(), certificate))
    });
    read.collect()
}

/// The agent, what it holds, and a remark where it does not answer.
async fn list_agent(
    config: &SshConfig,
) -> (Option<AgentClient<UnixStream>>, Vec<AgentIdentity>, Vec<String>) {
    let listing = async {
        let mut agent = match &config.agent {
            ssh_config::Agent::None => return None,
            ssh_config::Agent::Socket(socket) => AgentClient::connect_uds(socket).await.ok()?,
            ssh_config::Agent::Environment => AgentClient::connect_env().await.ok()?,
        };
        let identities = agent.request_identities().await.ok()?;
        Some((agent, identities))
    };
    match timeout(AGENT_TIMEOUT, listing).await {
        Ok(Some((agent, identities))) => (Some(agent), identities, Vec::new()),
        Ok(None) => (None, Vec::new(), Vec::new()),
        Err(_) => (None, Vec::new(), vec!["no key of the agent, which does not answer".to_owned()]),
    }
}

/// The public key of something an agent holds.
fn key_data(identity: &AgentIdentity) -> &KeyData {
    match identity {
        AgentIdentity::PublicKey { key, .. } => key.key_data(),
        AgentIdentity::Certificate { certificate, .. } => certificate.public_key(),
    }
}

/// What an agent holds: named keys first, and a certificate before its key.
fn agent_identities(
    mut identities: Vec<AgentIdentity>,
    named: &[KeyData],
    only_named: bool,
) -> Vec<Identity> {
    let rank = |identity: &AgentIdentity| {
        let place = named.iter().position(|key| key == key_data(identity)).unwrap_or(named.len());
        (place, matches!(identity, AgentIdentity::PublicKey { .. }))
    };
    identities.retain(|identity| !only_named || rank(identity).0 < named.len());
    identities.sort_by_key(rank);
    let identity = |held| match held {
        AgentIdentity::PublicKey { key, comment } => {
            Identity { name: format!("agent's {comment}"), kind: Kind::Agent(key) }
        }
        AgentIdentity::Certificate { certificate, comment } => Identity {
            name: format!("agent's certificate {comment}"),
            kind: Kind::AgentCertificate(certificate),
        },
    };
    identities.into_iter().map(identity).collect()
}

fn read(file: &Path, passphrase: Option<&SecretString>) -> Result<PrivateKey, keys::Error> {
    keys::load_secret_key(file, passphrase.map(ExposeSecret::expose_secret))
}

/// A key, and before it its certificates.
fn with_certificates(file: &Path, key: impl Into<Arc<PrivateKey>>, config: &SshConfig) -> Vec<Identity> {
    let key = key.into();
    let certificates = certificates(file, key.public_key().key_data(), config).into_iter();
    let certified = certificates.map(|(name, certificate)| Identity {
        name,
        kind: Kind::FileCertificate(Arc::clone(&key), certificate),
    });
    let name = file.display().to_string();
    certified.chain([Identity { name, kind: Kind::File(Arc::clone(&key)) }]).collect()
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens an encrypted key, once for all hosts. Deriving the key from the passphrase takes long by design: it
/// has a thread of its own. `None` where there is no terminal to ask on.
async fn unlock(
    file: &Path,
    config: &SshConfig,
    connector: &Connector,
    unlocked: &Keys,
) -> Result<Option<Arc<PrivateKey>>, ConnectError> {
    let open = || async {
        let question = format!("passphrase of {}", file.display());
        let passphrase = connector.secret(config.ssh.passphrase.as_ref(), &question).await;
        let Some(passphrase) = passphrase.map_err(|error| error.to_string())? else { return Ok(None) };
        let path = file.to_owned();
        let opened = tokio::task::spawn_blocking(move || read(&path, Some(&passphrase))).await;
        match opened {
            Ok(Ok(key)) => Ok(Some(Arc::new(key))),
            _ => Err(format!("the passphrase does not open {}", file.display())),
        }
    };
    let cell = unlocked.cell(file.to_owned());
    cell.get_or_init(open).await.clone().map_err(|reason| {
        failed(reason)
            .hint("set `passphrase` under [ssh], add the key to your agent with ssh-add, or type it again")
    })
}

#[cfg(test)]
mod tests;
