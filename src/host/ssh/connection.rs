//! One SSH connection: TCP or a channel of a jump host, key exchange, host key, authentication.

use std::{
    borrow::Cow,
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use russh::{
    ChannelOpenFailure, ChannelStream, Preferred, cipher,
    client::{self, Config, Handle, Msg},
    kex, mac,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    auth,
    host_key::{self, HostKeyVerifier, KeyExchangeOutcome},
    identities, tcp,
};
use crate::host::{
    Key, Stream,
    connect_error::{ConnectError, Phase},
    connector::Connector,
    ssh_config::SshConfig,
};

/// How long a key exchange may take.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// A peer that says nothing for this long is asked whether it is there, and given up after three questions.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Session channels at once: sshd allows 10 (`MaxSessions`).
const SESSIONS: usize = 8;

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) handle: Handle<HostKeyVerifier>,
    pub(super) sessions: Arc<Semaphore>,
    /// The jump host's connection, which carries this one.
    _via: Option<Arc<Connection>>,
}

/// Connections to jump hosts, by the way there and what opens it: all hosts behind one share it.
pub(super) type JumpHosts = tokio::sync::Mutex<HashMap<JumpChain, Arc<tokio::sync::Mutex<Option<JumpHost>>>>>;

#[derive(PartialEq, Eq, Hash)]
pub(super) struct JumpChain {
    via: Vec<String>,
    identity: Vec<PathBuf>,
    legacy: bool,
}

/// What became of a jump host.
pub(super) enum JumpHost {
    Open(Arc<Connection>),
    ConnectError(ConnectError, Instant),
}

/// How long a jump host that cannot be reached is left alone: those behind it shall not all knock, one after the other.
const REMEMBERED: Duration = Duration::from_secs(20);

impl Connection {
    /// Connects; what may pass is tried again.
    pub(super) async fn open(config: &SshConfig, connector: &Connector) -> Result<Self, ConnectError> {
        retry_transient(async || Self::attempt(config, connector).await).await
    }

    async fn attempt(config: &SshConfig, connector: &Connector) -> Result<Self, ConnectError> {
        let offers = identities::prepare(config, connector).await?;
        // The jump host comes before our own turn: it needs one, too.
        let jump_host = jump_host(config, connector).await?;
        let _slot = connector.acquire_slot(&config.host, config.port).await;
        let mut handle = key_exchange(config, connector, jump_host.as_deref(), None).await?;
        auth::log_in(&mut handle, config, offers, connector).await?;
        Ok(Self { handle, sessions: Arc::new(Semaphore::new(SESSIONS)), _via: jump_host })
    }

    /// The key a server shows when it is asked for one of this kind; nothing is believed, and nobody logs in.
    pub(super) async fn look(
        config: &SshConfig,
        connector: &Connector,
        kind: &str,
    ) -> Result<Option<Key>, ConnectError> {
        let attempt = async || {
            let seen = Arc::new(Mutex::new(KeyExchangeOutcome::default()));
            let jump_host = jump_host(config, connector).await?;
            let _slot = connector.acquire_slot(&config.host, config.port).await;
            let look = Some((kind, Arc::clone(&seen)));
            let shaken = key_exchange(config, connector, jump_host.as_deref(), look).await;
            match (seen.lock().unwrap_or_else(PoisonError::into_inner).key.take(), shaken) {
                (Some(key), _) => Ok(Some(key)),
                (None, Err(failed)) => Err(failed),
                (None, Ok(_)) => Ok(None),
            }
        };
        retry_transient(attempt).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// A stream to an address as the server sees it. A refusal by the target is `ConnectionRefused`; one by the server,
    /// whose administrator forbids forwarding, is `PermissionDenied`.
    pub(super) async fn direct(&self, host: &str, port: u16) -> io::Result<ChannelStream<Msg>> {
        match self.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0).await {
            Ok(channel) => Ok(channel.into_stream()),
            Err(russh::Error::ChannelOpenFailure(why)) => Err(io::Error::new(
                match why {
                    ChannelOpenFailure::ConnectFailed => io::ErrorKind::ConnectionRefused,
                    ChannelOpenFailure::AdministrativelyProhibited
                    | ChannelOpenFailure::UnknownChannelType => io::ErrorKind::PermissionDenied,
                    _ => io::ErrorKind::Other,
                },
                format!("the server opened no way there: {why:?}"),
            )),
            Err(error) => Err(io::Error::new(io::ErrorKind::NotConnected, error)),
        }
    }
}

/// Tries again what may pass. What was waited out is not waited for once more.
async fn retry_transient<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let waits = ExponentialBuilder::new().with_min_delay(Duration::from_millis(150)).with_max_times(4);
    let (mut waits, began) = (waits.with_jitter().build(), Instant::now());
    loop {
        match attempt().await {
            Err(failed) if failed.transient && began.elapsed() < HANDSHAKE => match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failed),
            },
            other => return other,
        }
    }
}

/// Up to the end of the key exchange.
async fn key_exchange(
    config: &SshConfig,
    connector: &Connector,
    jump_host: Option<&Connection>,
    look: Option<(&str, Arc<Mutex<KeyExchangeOutcome>>)>,
) -> Result<Handle<HostKeyVerifier>, ConnectError> {
    let files = host_key::files(&connector.shared.pins, &config.known_hosts);
    let known =
        connector.known_hosts(files).await.map_err(|reason| ConnectError::new(Phase::HostKey, reason))?;
    let (name, port) = config.known_as();
    let kinds = match &look {
        Some((kind, _)) => vec![(*kind).to_owned()],
        None => known.key_types(name, port),
    };
    let with_authority = look.is_none() && known.has_authority(name, port);
    let client = Arc::new(client_config(&kinds, look.is_some(), with_authority, config.ssh.legacy));
    let scan_only = look.is_some();
    let seen = look.map_or_else(Arc::default, |(_, seen)| seen);
    let verifier = HostKeyVerifier {
        host: name.to_owned(),
        port,
        revoked: config.revoked.clone(),
        known,
        connector: connector.clone(),
        scan_only,
        seen: Arc::clone(&seen),
    };
    let stream = stream(config, jump_host).await?;
    let shaken = timeout(HANDSHAKE, client::connect_stream(client, stream, verifier)).await;
    if let Some(refused) = seen.lock().unwrap_or_else(PoisonError::into_inner).refused.take() {
        return Err(refused);
    }
    match shaken {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) => Err(explain(error)),
        Err(_) => Err(ConnectError::new(Phase::Banner, "no answer within 20s").transient()),
    }
}

/// The bytes a connection travels on.
async fn stream(config: &SshConfig, jump_host: Option<&Connection>) -> Result<Box<dyn Stream>, ConnectError> {
    let Some(jump_host) = jump_host else {
        return Ok(Box::new(tcp::connect(&config.host, config.port).await?));
    };
    let opened = timeout(HANDSHAKE, jump_host.direct(&config.host, config.port)).await;
    let through = || format!("through {}", config.via.join(" and "));
    match opened {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let fix = "set AllowTcpForwarding yes in the jump host's sshd_config";
            Err(ConnectError::new(Phase::Tcp, format!("{}: it does not allow forwarding", through()))
                .hint(fix))
        }
        Ok(Err(error)) => Err(ConnectError::new(Phase::Tcp, format!("{}: {error}", through()))),
        Err(_) => Err(ConnectError::new(Phase::Tcp, format!("{}: no answer within 20s", through()))),
    }
}

/// The connection to the last of the jump hosts on the way; `None` where there is none.
async fn jump_host(
    config: &SshConfig,
    connector: &Connector,
) -> Result<Option<Arc<Connection>>, ConnectError> {
    let Some((last, before)) = config.via.split_last() else { return Ok(None) };
    let jump_hosts = &connector.shared.common.jump_hosts;
    let (via, identity) = (config.via.clone(), config.ssh.identity.clone());
    let way = JumpChain { via, identity, legacy: config.ssh.legacy };
    let slot = Arc::clone(jump_hosts.lock().await.entry(way).or_default());
    let mut slot = slot.lock().await;
    match &*slot {
        Some(JumpHost::Open(connection)) if !connection.is_closed() => {
            return Ok(Some(Arc::clone(connection)));
        }
        Some(JumpHost::ConnectError(failed, when)) if when.elapsed() < REMEMBERED => {
            return Err(failed.clone());
        }
        _ => {}
    }
    let opened = async {
        let jump = SshConfig::of_jump(last, before, &config.ssh).await;
        let jump = jump.map_err(|reason| ConnectError::new(Phase::Config, reason))?;
        Box::pin(Connection::open(&jump, connector)).await.map(Arc::new)
    };
    match opened.await {
        Ok(connection) => {
            *slot = Some(JumpHost::Open(Arc::clone(&connection)));
            Ok(Some(connection))
        }
        Err(mut failed) => {
            failed.reason = format!("jump host {last}: {}", failed.reason);
            // It has been tried often enough for now, for all who wait here.
            failed.transient = false;
            *slot = Some(JumpHost::ConnectError(failed.clone(), Instant::now()));
            Err(failed)
        }
    }
}

fn client_config(kinds: &[String], looks: bool, with_authority: bool, legacy: bool) -> Config {
    let mut preferred = Preferred::DEFAULT;
    let keys = host_key::preferred(kinds, legacy);
    let wanted = |key: &russh::keys::Algorithm| !looks || kinds.contains(&host_key::kind(key));
    preferred.key = Cow::Owned(keys.into_iter().filter(wanted).collect());
    if with_authority {
        preferred.host_key_certificates = Cow::Owned(host_key::preferred(&[], legacy));
    }
    // Faster than what comes first by default, where the processor knows AES.
    preferred.cipher = Cow::Borrowed(&[
        cipher::AES_256_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ]);
    // Hosts in FIPS mode have neither curve25519 nor groups.
    let nist = [kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521];
    let old: &[kex::Name] = if legacy { &[kex::DH_GEX_SHA1, kex::DH_G14_SHA1] } else { &[] };
    preferred.kex = preferred.kex.iter().chain(&nist).chain(old).copied().collect();
    if legacy {
        preferred.mac = preferred.mac.iter().copied().chain([mac::HMAC_SHA1]).collect();
    }
    Config {
        preferred,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        nodelay: true,
        ..Config::default()
    }
}

/// What stopped a key exchange.
fn explain(error: russh::Error) -> ConnectError {
    use russh::Error as E;
    match error {
        E::NoCommonAlgo { kind, ours, theirs } => {
            let (ours, theirs) = (ours.join(" "), theirs.join(" "));
            let reason = format!("no common {kind:?} algorithm; offered: {ours}; accepted: {theirs}");
            ConnectError::new(Phase::KeyExchange, reason)
        }
        E::Version => ConnectError::new(Phase::Banner, "it greets with something else than SSH-2.0"),
        E::Disconnect | E::HUP => {
            ConnectError::new(Phase::Banner, "it closed the connection before the keys were exchanged")
                .transient()
        }
        E::IO(error) => ConnectError::new(Phase::Banner, error.to_string()).transient(),
        other => ConnectError::new(Phase::KeyExchange, other.to_string()),
    }
}
