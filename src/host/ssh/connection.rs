//! One SSH connection: TCP or a channel of a jump host, key exchange, host key, authentication.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{
    ChannelOpenFailure, ChannelStream,
    client::{self, Handle, Msg},
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    algorithms::{self, HostKeys},
    auth,
    host_key::{HostKeyVerifier, KeyExchangeOutcome},
    identities::Identities,
    tcp,
};
use crate::host::{
    connect_error::{ConnectError, Phase},
    connector::Connector,
    known_hosts::{Key, KnownHosts},
    ssh_config::SshConfig,
    stream::Stream,
};

/// How long a key exchange may take, and a jump host to open a channel to the next server.
const KEY_EXCHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Session channels at once: sshd allows 10 (`MaxSessions`).
const MAX_SESSIONS: usize = 8;

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) handle: Handle<HostKeyVerifier>,
    pub(super) sessions: Arc<Semaphore>,
    /// The jump host's connection, which carries this one.
    _jump_host: Option<Arc<Connection>>,
}

impl Connection {
    /// Connects and logs in, in one attempt. `jump_host` is the connection that carries this one.
    pub(super) async fn open(
        config: &SshConfig,
        connector: &Connector,
        identities: Identities,
        jump_host: Option<Arc<Self>>,
    ) -> Result<Self, ConnectError> {
        let _slot = connector.acquire_slot(&config.host, config.port).await;
        let known = known_hosts(config, connector).await?;
        let (name, port) = config.known_as();
        let (kinds, certificates) = (known.key_types(name, port), known.has_authority(name, port));
        let offered = HostKeys::Known { kinds: &kinds, certificates };
        let (verifier, outcome) = verifier(config, connector, known, false);
        let mut handle = key_exchange(config, jump_host.as_deref(), &offered, verifier, &outcome).await?;
        auth::log_in(&mut handle, config, identities, connector).await?;
        Ok(Self { handle, sessions: Arc::new(Semaphore::new(MAX_SESSIONS)), _jump_host: jump_host })
    }

    /// The key a server shows when it is asked for one of this kind. Nothing is trusted, and there is no
    /// login.
    pub(super) async fn scan(
        config: &SshConfig,
        connector: &Connector,
        jump_host: Option<&Self>,
        kind: &str,
    ) -> Result<Option<Key>, ConnectError> {
        let _slot = connector.acquire_slot(&config.host, config.port).await;
        let known = known_hosts(config, connector).await?;
        let (verifier, outcome) = verifier(config, connector, known, true);
        let exchanged = key_exchange(config, jump_host, &HostKeys::Only(kind), verifier, &outcome).await;
        match (outcome.lock().unwrap_or_else(PoisonError::into_inner).key.take(), exchanged) {
            (Some(key), _) => Ok(Some(key)),
            (None, Err(failed)) => Err(failed),
            (None, Ok(_)) => Ok(None),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// A stream to an address as the server sees it. A refusal by the target is `ConnectionRefused`; one by
    /// the server, whose administrator forbids forwarding, is `PermissionDenied`.
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
                format!("the server did not open a channel to it: {why:?}"),
            )),
            Err(error) => Err(io::Error::new(io::ErrorKind::NotConnected, error)),
        }
    }
}

/// The keys on file for a server: the pins beside the inventory, then the user's and the machine's files.
async fn known_hosts(config: &SshConfig, connector: &Connector) -> Result<Arc<KnownHosts>, ConnectError> {
    let files = files(connector.pins(), &config.known_hosts);
    connector.known_hosts(files).await.map_err(|reason| ConnectError::new(Phase::HostKey, reason))
}

fn files(pins: &Path, others: &[PathBuf]) -> Vec<PathBuf> {
    std::iter::once(pins.to_owned()).chain(others.iter().cloned()).collect()
}

fn verifier(
    config: &SshConfig,
    connector: &Connector,
    known: Arc<KnownHosts>,
    scan_only: bool,
) -> (HostKeyVerifier, Arc<Mutex<KeyExchangeOutcome>>) {
    let (name, port) = config.known_as();
    let outcome = Arc::default();
    let verifier = HostKeyVerifier {
        host: name.to_owned(),
        port,
        revoked: config.revoked.clone(),
        known,
        connector: connector.clone(),
        scan_only,
        outcome: Arc::clone(&outcome),
    };
    (verifier, outcome)
}

/// Connects, up to the end of the key exchange.
async fn key_exchange(
    config: &SshConfig,
    jump_host: Option<&Connection>,
    host_keys: &HostKeys<'_>,
    verifier: HostKeyVerifier,
    outcome: &Mutex<KeyExchangeOutcome>,
) -> Result<Handle<HostKeyVerifier>, ConnectError> {
    let client = Arc::new(algorithms::client_config(host_keys, config.ssh.legacy));
    let stream = stream(config, jump_host).await?;
    let exchanged = timeout(KEY_EXCHANGE_TIMEOUT, client::connect_stream(client, stream, verifier)).await;
    if let Some(refused) = outcome.lock().unwrap_or_else(PoisonError::into_inner).refused.take() {
        return Err(refused);
    }
    match exchanged {
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
    let opened = timeout(KEY_EXCHANGE_TIMEOUT, jump_host.direct(&config.host, config.port)).await;
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

/// What stopped a key exchange.
fn explain(error: russh::Error) -> ConnectError {
    use russh::Error as E;
    match error {
        E::NoCommonAlgo { kind, ours, theirs } => {
            let (ours, theirs) = (ours.join(" "), theirs.join(" "));
            let reason = format!("no common {kind:?} algorithm; offered: {ours}; accepted: {theirs}");
            ConnectError::new(Phase::KeyExchange, reason)
        }
        E::Version => ConnectError::new(Phase::Banner, "its greeting is not that of SSH-2.0"),
        E::Disconnect | E::HUP => {
            ConnectError::new(Phase::Banner, "it closed the connection before the keys were exchanged")
                .transient()
        }
        E::IO(error) => ConnectError::new(Phase::Banner, error.to_string()).transient(),
        other => ConnectError::new(Phase::KeyExchange, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stopped_a_key_exchange_has_a_phase_and_may_be_transient() {
        let phase = |error| {
            let failed = explain(error);
            (failed.phase, failed.transient)
        };
        assert_eq!(phase(russh::Error::Version), (Phase::Banner, false));
        assert_eq!(phase(russh::Error::HUP), (Phase::Banner, true));
        assert_eq!(phase(russh::Error::Disconnect), (Phase::Banner, true));
        assert_eq!(phase(russh::Error::IO(io::Error::other("reset"))), (Phase::Banner, true));
        assert_eq!(phase(russh::Error::WrongServerSig), (Phase::KeyExchange, false));
    }

    #[test]
    fn pins_are_read_before_the_users_files() {
        let others = ["/home/me/known_hosts".into(), "/etc/known_hosts".into()];
        let expected = [Path::new("/pins"), Path::new("/home/me/known_hosts"), Path::new("/etc/known_hosts")];
        assert_eq!(files(Path::new("/pins"), &others), expected);
    }
}
