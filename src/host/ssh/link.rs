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
    gate::{self, Gate, Seen},
    offers, tcp,
};
use crate::host::{
    Key, Stream,
    connector::Connector,
    settings::Settings,
    unreachable::{Failed, Phase},
};

/// How long a key exchange may take.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// A peer that says nothing for this long is asked whether it is there, and given up after three questions.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Session channels at once: sshd allows 10 (`MaxSessions`).
const SESSIONS: usize = 8;

/// An authenticated connection.
pub(super) struct Link {
    pub(super) handle: Handle<Gate>,
    pub(super) sessions: Arc<Semaphore>,
    /// The jump host's connection, which carries this one.
    _via: Option<Arc<Link>>,
}

/// Connections to jump hosts, by the way there and what opens it: all hosts behind one share it.
pub(super) type Bastions = tokio::sync::Mutex<HashMap<Way, Arc<tokio::sync::Mutex<Option<Bastion>>>>>;

#[derive(PartialEq, Eq, Hash)]
pub(super) struct Way {
    via: Vec<String>,
    identity: Vec<PathBuf>,
    legacy: bool,
}

/// What became of a jump host.
pub(super) enum Bastion {
    Open(Arc<Link>),
    Failed(Failed, Instant),
}

/// How long a jump host that cannot be reached is left alone: those behind it shall not all knock, one after the other.
const REMEMBERED: Duration = Duration::from_secs(20);

impl Link {
    /// Connects; what may pass is tried again.
    pub(super) async fn open(settings: &Settings, connector: &Connector) -> Result<Self, Failed> {
        patiently(async || Self::attempt(settings, connector).await).await
    }

    async fn attempt(settings: &Settings, connector: &Connector) -> Result<Self, Failed> {
        let offers = offers::prepare(settings, connector).await?;
        // The jump host comes before our own turn: it needs one, too.
        let bastion = bastion(settings, connector).await?;
        let _turn = connector.turn(&settings.host, settings.port).await;
        let mut handle = shake_hands(settings, connector, bastion.as_deref(), None).await?;
        auth::log_in(&mut handle, settings, offers, connector).await?;
        Ok(Self { handle, sessions: Arc::new(Semaphore::new(SESSIONS)), _via: bastion })
    }

    /// The key a server shows when it is asked for one of this kind; nothing is believed, and nobody logs in.
    pub(super) async fn look(
        settings: &Settings,
        connector: &Connector,
        kind: &str,
    ) -> Result<Option<Key>, Failed> {
        let attempt = async || {
            let seen = Arc::new(Mutex::new(Seen::default()));
            let bastion = bastion(settings, connector).await?;
            let _turn = connector.turn(&settings.host, settings.port).await;
            let look = Some((kind, Arc::clone(&seen)));
            let shaken = shake_hands(settings, connector, bastion.as_deref(), look).await;
            match (seen.lock().unwrap_or_else(PoisonError::into_inner).key.take(), shaken) {
                (Some(key), _) => Ok(Some(key)),
                (None, Err(failed)) => Err(failed),
                (None, Ok(_)) => Ok(None),
            }
        };
        patiently(attempt).await
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
async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Failed> {
    let waits = ExponentialBuilder::new().with_min_delay(Duration::from_millis(150)).with_max_times(4);
    let (mut waits, began) = (waits.with_jitter().build(), Instant::now());
    loop {
        match attempt().await {
            Err(failed) if failed.passing && began.elapsed() < HANDSHAKE => match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failed),
            },
            other => return other,
        }
    }
}

/// Up to the end of the key exchange.
async fn shake_hands(
    settings: &Settings,
    connector: &Connector,
    bastion: Option<&Link>,
    look: Option<(&str, Arc<Mutex<Seen>>)>,
) -> Result<Handle<Gate>, Failed> {
    let files = gate::files(&connector.shared.pins, &settings.known_hosts);
    let known = connector.known_hosts(files).await.map_err(|reason| Failed::new(Phase::HostKey, reason))?;
    let (name, port) = settings.known_as();
    let kinds = match &look {
        Some((kind, _)) => vec![(*kind).to_owned()],
        None => known.key_types(name, port),
    };
    let with_authority = look.is_none() && known.has_authority(name, port);
    let config = Arc::new(config(&kinds, look.is_some(), with_authority, settings.ssh.legacy));
    let only_looks = look.is_some();
    let seen = look.map_or_else(Arc::default, |(_, seen)| seen);
    let gate = Gate {
        host: name.to_owned(),
        port,
        revoked: settings.revoked.clone(),
        known,
        connector: connector.clone(),
        only_looks,
        seen: Arc::clone(&seen),
    };
    let stream = stream(settings, bastion).await?;
    let shaken = timeout(HANDSHAKE, client::connect_stream(config, stream, gate)).await;
    if let Some(refused) = seen.lock().unwrap_or_else(PoisonError::into_inner).refused.take() {
        return Err(refused);
    }
    match shaken {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) => Err(explain(error)),
        Err(_) => Err(Failed::new(Phase::Banner, "no answer within 20s").passing()),
    }
}

/// The bytes a connection travels on.
async fn stream(settings: &Settings, bastion: Option<&Link>) -> Result<Box<dyn Stream>, Failed> {
    let Some(bastion) = bastion else {
        return Ok(Box::new(tcp::connect(&settings.host, settings.port).await?));
    };
    let opened = timeout(HANDSHAKE, bastion.direct(&settings.host, settings.port)).await;
    let through = || format!("through {}", settings.via.join(" and "));
    match opened {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let fix = "set AllowTcpForwarding yes in the jump host's sshd_config";
            Err(Failed::new(Phase::Tcp, format!("{}: it does not allow forwarding", through())).fix(fix))
        }
        Ok(Err(error)) => Err(Failed::new(Phase::Tcp, format!("{}: {error}", through()))),
        Err(_) => Err(Failed::new(Phase::Tcp, format!("{}: no answer within 20s", through()))),
    }
}

/// The connection to the last of the jump hosts on the way; `None` where there is none.
async fn bastion(settings: &Settings, connector: &Connector) -> Result<Option<Arc<Link>>, Failed> {
    let Some((last, before)) = settings.via.split_last() else { return Ok(None) };
    let bastions = &connector.shared.common.bastions;
    let (via, identity) = (settings.via.clone(), settings.ssh.identity.clone());
    let way = Way { via, identity, legacy: settings.ssh.legacy };
    let slot = Arc::clone(bastions.lock().await.entry(way).or_default());
    let mut slot = slot.lock().await;
    match &*slot {
        Some(Bastion::Open(link)) if !link.is_closed() => return Ok(Some(Arc::clone(link))),
        Some(Bastion::Failed(failed, when)) if when.elapsed() < REMEMBERED => return Err(failed.clone()),
        _ => {}
    }
    let opened = async {
        let jump = Settings::of_jump(last, before, &settings.ssh).await;
        let jump = jump.map_err(|reason| Failed::new(Phase::Settings, reason))?;
        Box::pin(Link::open(&jump, connector)).await.map(Arc::new)
    };
    match opened.await {
        Ok(link) => {
            *slot = Some(Bastion::Open(Arc::clone(&link)));
            Ok(Some(link))
        }
        Err(mut failed) => {
            failed.reason = format!("jump host {last}: {}", failed.reason);
            // It has been tried often enough for now, for all who wait here.
            failed.passing = false;
            *slot = Some(Bastion::Failed(failed.clone(), Instant::now()));
            Err(failed)
        }
    }
}

fn config(kinds: &[String], looks: bool, with_authority: bool, legacy: bool) -> Config {
    let mut preferred = Preferred::DEFAULT;
    let keys = gate::preferred(kinds, legacy);
    let wanted = |key: &russh::keys::Algorithm| !looks || kinds.contains(&gate::kind(key));
    preferred.key = Cow::Owned(keys.into_iter().filter(wanted).collect());
    if with_authority {
        preferred.host_key_certificates = Cow::Owned(gate::preferred(&[], legacy));
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
fn explain(error: russh::Error) -> Failed {
    use russh::Error as E;
    match error {
        E::NoCommonAlgo { kind, ours, theirs } => {
            let (ours, theirs) = (ours.join(" "), theirs.join(" "));
            let reason = format!("no common {kind:?} algorithm; offered: {ours}; accepted: {theirs}");
            Failed::new(Phase::KeyExchange, reason)
        }
        E::Version => Failed::new(Phase::Banner, "it greets with something else than SSH-2.0"),
        E::Disconnect | E::HUP => {
            Failed::new(Phase::Banner, "it closed the connection before the keys were exchanged").passing()
        }
        E::IO(error) => Failed::new(Phase::Banner, error.to_string()).passing(),
        other => Failed::new(Phase::KeyExchange, other.to_string()),
    }
}
