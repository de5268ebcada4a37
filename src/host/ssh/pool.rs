//! The connections of one run, and what they share: private keys that were read, jump hosts, keys that were
//! scanned.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::{sync::Mutex, time::Instant};

use super::{
    connection::Connection,
    identities::{self, Keys},
};
use crate::host::{
    connect_error::{ConnectError, Phase},
    connector::Connector,
    known_hosts::ScannedKey,
    once_map::OnceMap,
    ssh_config::SshConfig,
};

/// How long transient failures are retried; what has taken this long once is not waited for again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// The wait before the first retry; it doubles from one to the next.
const FIRST_RETRY_INTERVAL: Duration = Duration::from_millis(150);

/// How many times a transient failure is retried.
const MAX_RETRIES: usize = 4;

/// How long a jump host that could not be reached is not tried again: avoids a retry storm through a dead
/// jump host.
const JUMP_HOST_RETRY_INTERVAL: Duration = Duration::from_secs(20);

/// Opens the connections of one run. A clone shares everything.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    keys: Keys,
    /// All hosts behind a jump host share its connection.
    jump_hosts: Mutex<HashMap<JumpChain, Slot>>,
    /// Keys of jump hosts, by the chain that leads there.
    scanned: OnceMap<String, Vec<ScannedKey>>,
}

/// The place of one jump host's connection, locked while it is opened.
type Slot = Arc<Mutex<Option<JumpHost>>>;

/// The way to a jump host, and what opens it.
#[derive(PartialEq, Eq, Hash)]
struct JumpChain {
    via: Vec<String>,
    identity: Vec<PathBuf>,
    legacy: bool,
}

/// The result of the last attempt on a jump host.
enum JumpHost {
    Open(Arc<Connection>),
    Failed(ConnectError, Instant),
}

impl JumpHost {
    /// What an earlier attempt settles: a live connection, or a failure that is too young to be retried.
    fn settled(&self, now: Instant) -> Option<Result<Arc<Connection>, ConnectError>> {
        match self {
            Self::Open(connection) => (!connection.is_closed()).then(|| Ok(Arc::clone(connection))),
            Self::Failed(failed, when) => {
                (now.duration_since(*when) < JUMP_HOST_RETRY_INTERVAL).then(|| Err(failed.clone()))
            }
        }
    }
}

impl Pool {
    /// A pool without connections.
    pub fn new(connector: Connector) -> Self {
        let (keys, jump_hosts) = (Keys::default(), Mutex::default());
        Self { shared: Arc::new(Shared { connector, keys, jump_hosts, scanned: OnceMap::default() }) }
    }

    pub(in crate::host) fn connector(&self) -> &Connector {
        &self.shared.connector
    }

    pub(super) fn scanned(&self) -> &OnceMap<String, Vec<ScannedKey>> {
        &self.shared.scanned
    }

    /// Opens a connection through its chain of jump hosts, and retries what is transient.
    pub(super) async fn open(&self, config: &SshConfig) -> Result<Connection, ConnectError> {
        retry_transient(async || {
            let identities = identities::prepare(config, self.connector(), &self.shared.keys).await?;
            // Before the slot for this server is acquired: the jump host needs one, too.
            let jump_host = self.jump_host(config).await?;
            Connection::open(config, self.connector(), identities, jump_host).await
        })
        .await
    }

    /// The connection to the last jump host of a chain; `None` where there is none.
    pub(super) async fn jump_host(
        &self,
        config: &SshConfig,
    ) -> Result<Option<Arc<Connection>>, ConnectError> {
        let Some((last, before)) = config.via.split_last() else { return Ok(None) };
        let chain = JumpChain {
            via: config.via.clone(),
            identity: config.ssh.identity.clone(),
            legacy: config.ssh.legacy,
        };
        let slot = Arc::clone(self.shared.jump_hosts.lock().await.entry(chain).or_default());
        let mut slot = slot.lock().await;
        if let Some(settled) = slot.as_ref().and_then(|host| host.settled(Instant::now())) {
            return settled.map(Some);
        }
        let opened = self.open_jump_host(config, last, before).await;
        *slot = Some(match &opened {
            Ok(connection) => JumpHost::Open(Arc::clone(connection)),
            Err(failed) => JumpHost::Failed(failed.clone(), Instant::now()),
        });
        opened.map(Some)
    }

    async fn open_jump_host(
        &self,
        config: &SshConfig,
        jump: &str,
        before: &[String],
    ) -> Result<Arc<Connection>, ConnectError> {
        let opened = async {
            let config = SshConfig::resolve_jump(jump, before, &config.ssh).await;
            let config = config.map_err(|reason| ConnectError::new(Phase::Config, reason))?;
            Box::pin(self.open(&config)).await.map(Arc::new)
        };
        opened.await.map_err(|mut failed| {
            failed.reason = format!("jump host {jump}: {}", failed.reason);
            // It was retried already, for all hosts that wait here.
            failed.transient = false;
            failed
        })
    }
}

impl From<Connector> for Pool {
    fn from(connector: Connector) -> Self {
        Self::new(connector)
    }
}

/// Retries transient failures.
pub(super) async fn retry_transient<T>(
    attempt: impl AsyncFnMut() -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let waits = ExponentialBuilder::new().with_min_delay(FIRST_RETRY_INTERVAL).with_max_times(MAX_RETRIES);
    retry(waits.with_jitter().build(), RETRY_TIMEOUT, attempt).await
}

async fn retry<T>(
    mut waits: impl Iterator<Item = Duration>,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let began = Instant::now();
    loop {
        match attempt().await {
            Err(failed) if failed.transient && began.elapsed() < limit => match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failed),
            },
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAITS: [Duration; 4] = [Duration::ZERO; 4];

    fn busy() -> ConnectError {
        ConnectError::new(Phase::Banner, "busy").transient()
    }

    #[tokio::test]
    async fn transient_failures_are_retried_and_others_are_not() {
        for (failed, attempts) in [(busy(), 5), (ConnectError::new(Phase::HostKey, "no"), 1)] {
            let mut made = 0;
            let result = retry(NO_WAITS.into_iter(), RETRY_TIMEOUT, async || {
                made += 1;
                Err::<(), _>(failed.clone())
            });
            assert_eq!(result.await.unwrap_err().reason, failed.reason);
            assert_eq!(made, attempts);
        }
    }

    #[tokio::test]
    async fn a_retry_that_succeeds_is_the_result() {
        let mut made = 0;
        let result = retry(NO_WAITS.into_iter(), RETRY_TIMEOUT, async || {
            made += 1;
            if made < 3 { Err(busy()) } else { Ok(made) }
        });
        assert_eq!(result.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_failure_that_took_the_whole_time_is_not_retried() {
        let mut made = 0;
        let result = retry(NO_WAITS.into_iter(), Duration::from_millis(5), async || {
            made += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err::<(), _>(busy())
        });
        assert!(result.await.is_err());
        assert_eq!(made, 1);
    }

    #[test]
    fn a_dead_jump_host_is_not_tried_again_for_a_while() {
        let now = Instant::now();
        let failed = JumpHost::Failed(busy(), now);
        assert!(matches!(failed.settled(now), Some(Err(_))));
        assert!(failed.settled(now + JUMP_HOST_RETRY_INTERVAL).is_none());
    }
}
