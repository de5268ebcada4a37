//! Authentication: keys from files and from an agent, certificates, and a password where the inventory has one.

use std::{path::Path, sync::Arc};

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive},
    keys::{
        self, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
    },
};
use tokio::net::UnixStream;

use super::gate::Gate;
use crate::{
    host::{
        connector::{Connector, Once},
        settings::Settings,
        unreachable::{Failed, Phase},
    },
    secret::{ExposeSecret, SecretString},
};

/// sshd hangs up after six attempts (`MaxAuthTries`); one is left for a password.
const MOST_KEYS: usize = 5;

/// Private keys that were read in this run, by file. `Err` says why one cannot be used.
pub(super) type Keys = Once<std::path::PathBuf, Result<Option<Arc<PrivateKey>>, String>>;

/// What one server will be offered.
pub(super) struct Offers {
    keys: Vec<Offer>,
    agent: Option<AgentClient<UnixStream>>,
}

struct Offer {
    /// For people: where it is from.
    name: String,
    kind: Kind,
}

enum Kind {
    File(Arc<PrivateKey>),
    FileCertificate(Arc<PrivateKey>, Certificate),
    Agent(PublicKey),
    AgentCertificate(Certificate),
}

fn failed(reason: impl Into<String>) -> Failed {
    Failed::new(Phase::Authentication, reason)
}

/// Gathers the keys, before the server's clock ticks: a passphrase may have to be asked for.
pub(super) async fn prepare(settings: &Settings, connector: &Connector) -> Result<Offers, Failed> {
    let (mut agent, identities) = agent(settings).await;
    let held: Vec<&PublicKey> = identities
        .iter()
        .filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, .. } => Some(key),
            AgentIdentity::Certificate { .. } => None,
        })
        .collect();
    let (mut plain, mut locked, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for file in settings.identity.iter().filter(|file| file.exists()) {
        let public = keys::load_public_key(with(file, ".pub")).ok();
        named.extend(public.clone());
        if public.is_some_and(|public| held.iter().any(|key| key.key_data() == public.key_data())) {
            continue; // The agent has it, and no passphrase is needed.
        }
        match read(file, None) {
            Ok(key) => plain.extend(offers(file, key)),
            Err(keys::Error::KeyIsEncrypted) => locked.push(file),
            Err(error) if settings.identities_only => {
                return Err(failed(format!("the private key {} cannot be used: {error}", file.display())));
            }
            Err(_) => {}
        }
    }
    missing(settings)?;
    let wanted = |key: &PublicKey| {
        !settings.identities_only || named.iter().any(|named| named.key_data() == key.key_data())
    };
    let mut all = plain;
    all.extend(identities.into_iter().filter_map(|identity| match identity {
        AgentIdentity::PublicKey { key, comment } if wanted(&key) => {
            Some(Offer { name: format!("agent's {comment}"), kind: Kind::Agent(key) })
        }
        AgentIdentity::Certificate { certificate, comment } if !settings.identities_only => Some(Offer {
            name: format!("agent's certificate {comment}"),
            kind: Kind::AgentCertificate(certificate),
        }),
        _ => None,
    }));
    // A passphrase is asked for where nothing else may do, or where the inventory names the key.
    if all.is_empty() || settings.identities_only {
        for file in locked {
            all.extend(
                unlock(file, settings, connector).await?.into_iter().flat_map(|key| offers(file, key)),
            );
        }
    }
    all.truncate(MOST_KEYS);
    if all.iter().all(|offer| matches!(offer.kind, Kind::File(_) | Kind::FileCertificate(..))) {
        agent = None;
    }
    Ok(Offers { keys: all, agent })
}

/// A key the inventory names must be there.
fn missing(settings: &Settings) -> Result<(), Failed> {
    match settings.ssh.identity.iter().find(|file| !file.exists()) {
        None => Ok(()),
        Some(file) => Err(failed(format!("there is no private key {}", file.display()))
            .fix("create it with ssh-keygen, or name another one with `identity` under [ssh]")),
    }
}

async fn agent(settings: &Settings) -> (Option<AgentClient<UnixStream>>, Vec<AgentIdentity>) {
    let connected = match &settings.agent {
        Some(socket) => AgentClient::connect_uds(socket).await,
        None => AgentClient::connect_env().await,
    };
    let Ok(mut agent) = connected else { return (None, Vec::new()) };
    let identities = agent.request_identities().await.unwrap_or_default();
    (Some(agent), identities)
}

fn read(file: &Path, passphrase: Option<&SecretString>) -> Result<PrivateKey, keys::Error> {
    keys::load_secret_key(file, passphrase.map(ExposeSecret::expose_secret))
}

/// A key, and before it the certificate that stands beside it.
fn offers(file: &Path, key: impl Into<Arc<PrivateKey>>) -> Vec<Offer> {
    let (key, name) = (key.into(), file.display().to_string());
    let certificate = keys::load_openssh_certificate(with(file, "-cert.pub")).ok();
    let certified = certificate.map(|certificate| Offer {
        name: format!("{name}-cert.pub"),
        kind: Kind::FileCertificate(Arc::clone(&key), certificate),
    });
    certified.into_iter().chain([Offer { name, kind: Kind::File(key) }]).collect()
}

fn with(file: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens an encrypted key, once for all hosts. Deriving the key from the passphrase takes long by design: it has a thread
/// of its own. `None` where nobody knows the passphrase.
async fn unlock(
    file: &Path,
    settings: &Settings,
    connector: &Connector,
) -> Result<Option<Arc<PrivateKey>>, Failed> {
    let open = || async {
        let question = format!("passphrase of {}", file.display());
        let passphrase = connector.secret(settings.ssh.passphrase.as_ref(), &question).await;
        let Some(passphrase) = passphrase.map_err(|error| error.to_string())? else { return Ok(None) };
        let path = file.to_owned();
        let opened = tokio::task::spawn_blocking(move || read(&path, Some(&passphrase))).await;
        match opened {
            Ok(Ok(key)) => Ok(Some(Arc::new(key))),
            _ => Err(format!("the passphrase does not open {}", file.display())),
        }
    };
    let cell = connector.shared.common.keys.cell(file.to_owned());
    cell.get_or_init(open).await.clone().map_err(|reason| {
        failed(reason)
            .fix("set `passphrase` under [ssh], add the key to your agent with ssh-add, or type it again")
    })
}

/// Logs in.
pub(super) async fn authenticate(
    handle: &mut Handle<Gate>,
    settings: &Settings,
    offers: Offers,
    connector: &Connector,
) -> Result<(), Failed> {
    let mut tried = Vec::new();
    let mut accepted = all();
    let Offers { keys, mut agent } = offers;
    for offer in keys {
        tried.push(offer.name.clone());
        match key(handle, settings, offer.kind, agent.as_mut()).await? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => accepted = remaining_methods,
        }
        alive(handle, &tried)?;
        if !accepted.contains(&MethodKind::PublicKey) {
            break;
        }
    }
    if settings.ssh.password.is_some() {
        tried.push("the password".to_owned());
        if password(handle, settings, connector, &mut accepted).await? {
            return Ok(());
        }
    }
    let tried = if tried.is_empty() {
        "nothing: there is no key and no password".to_owned()
    } else {
        tried.join(", ")
    };
    let accepted: Vec<&str> = accepted.iter().map(Into::into).collect();
    Err(failed(format!("{} offered {tried}; it accepts {}", settings.user, accepted.join(", "))))
}

/// What a server may accept that has not said what it accepts.
fn all() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive][..])
}

/// A server that has had enough hangs up instead of answering.
fn alive(handle: &Handle<Gate>, tried: &[String]) -> Result<(), Failed> {
    if handle.is_closed() {
        let reason = format!("it hung up after it was offered {}", tried.join(", "));
        return Err(failed(reason).fix("name the one right key with `identity` under [ssh]"));
    }
    Ok(())
}

async fn key(
    handle: &mut Handle<Gate>,
    settings: &Settings,
    kind: Kind,
    agent: Option<&mut AgentClient<UnixStream>>,
) -> Result<AuthResult, Failed> {
    let user = settings.user.as_str();
    let lost = |error: russh::Error| failed(error.to_string());
    let refused = |error: russh::AgentAuthError| failed(format!("the agent does not sign: {error}"));
    let none = AuthResult::Failure { remaining_methods: all(), partial_success: false };
    match (kind, agent) {
        (Kind::File(key), _) => {
            let mut result = none;
            for hash in hashes(handle, key.algorithm().is_rsa(), settings.ssh.legacy).await {
                let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
                result = handle.authenticate_publickey(user, key).await.map_err(lost)?;
                if result.success() {
                    break;
                }
            }
            Ok(result)
        }
        (Kind::FileCertificate(key, certificate), _) => {
            handle.authenticate_openssh_cert(user, key, certificate).await.map_err(lost)
        }
        (Kind::Agent(key), Some(agent)) => {
            let mut result = none;
            for hash in hashes(handle, key.algorithm().is_rsa(), settings.ssh.legacy).await {
                result = handle
                    .authenticate_publickey_with(user, key.clone(), hash, agent)
                    .await
                    .map_err(refused)?;
                if result.success() {
                    break;
                }
            }
            Ok(result)
        }
        (Kind::AgentCertificate(certificate), Some(agent)) => {
            let rsa = certificate.algorithm().is_rsa();
            let hash = hashes(handle, rsa, settings.ssh.legacy).await.first().copied().flatten();
            handle.authenticate_certificate_with(user, certificate, hash, agent).await.map_err(refused)
        }
        (Kind::Agent(_) | Kind::AgentCertificate(_), None) => Ok(none),
    }
}

/// The hashes to sign with. What a server says it supports is a hint: some say so and refuse.
async fn hashes(handle: &Handle<Gate>, rsa: bool, legacy: bool) -> Vec<Option<HashAlg>> {
    if !rsa {
        return vec![None];
    }
    let hint = handle.best_supported_rsa_hash().await.ok().flatten().flatten();
    let mut all: Vec<Option<HashAlg>> = hint.into_iter().map(Some).collect();
    for hash in [HashAlg::Sha512, HashAlg::Sha256] {
        if !all.contains(&Some(hash)) {
            all.push(Some(hash));
        }
    }
    if legacy {
        all.push(None);
    }
    all
}

/// The password, by whichever of the two methods the server has; a keyboard's questions that hide their answer want it too.
async fn password(
    handle: &mut Handle<Gate>,
    settings: &Settings,
    connector: &Connector,
    accepted: &mut MethodSet,
) -> Result<bool, Failed> {
    let question = format!("password of {}", settings.user);
    let password = connector.secret(settings.ssh.password.as_ref(), &question).await;
    let Some(password) = password.map_err(|error| failed(error.to_string()))? else {
        return Err(failed("its password was asked for, and nobody is there to give it")
            .fix("keep it in a file or a variable: [ssh] password = { file = \"…\" }"));
    };
    let lost = |error: russh::Error| failed(error.to_string());
    if accepted.contains(&MethodKind::Password) {
        match handle.authenticate_password(&settings.user, password.expose_secret()).await.map_err(lost)? {
            AuthResult::Success => return Ok(true),
            AuthResult::Failure { remaining_methods, .. } => *accepted = remaining_methods,
        }
    }
    if !accepted.contains(&MethodKind::KeyboardInteractive) {
        return Ok(false);
    }
    let mut answer =
        handle.authenticate_keyboard_interactive_start(&settings.user, None).await.map_err(lost)?;
    // Two rounds: the question, and an empty one after it.
    for _ in 0..3 {
        answer = match answer {
            Interactive::Success => return Ok(true),
            Interactive::Failure { .. } => return Ok(false),
            Interactive::InfoRequest { prompts, .. } => {
                let hidden = prompts.iter().map(|prompt| !prompt.echo);
                let given = |hidden| if hidden { password.expose_secret().to_owned() } else { String::new() };
                let answers = hidden.map(given).collect();
                handle.authenticate_keyboard_interactive_respond(answers).await.map_err(lost)?
            }
        };
    }
    Ok(false)
}
