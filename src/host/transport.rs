//! The kinds of transports to a host. They differ; the scripts that go through them do not.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::time::Instant;

use super::{
    connect_error::{ConnectError, Phase},
    error::{Error, Result},
    local::Local,
    shell::Shell,
    ssh::{Pool, Ssh},
    stream::Stream,
    upload::Upload,
};
use crate::{
    inventory::{Address, Host},
    units::HostName,
};

/// How long a server may take to accept a connection.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a lost link is retried: longer than it takes to notice the loss.
pub(super) const RECONNECT_TIMEOUT: Duration = Duration::from_mins(2);

/// The wait between two attempts on a lost link.
pub(super) const RECONNECT_INTERVAL: Duration = Duration::from_millis(500);

/// How a host is reached.
pub(super) enum Transport {
    Local(Local),
    Ssh(Box<Ssh>),
}

impl Transport {
    /// Connects to a host, and starts the shell that its scripts go through.
    pub(super) async fn connect(host: &Host, pool: &Pool) -> Result<(Self, Shell)> {
        match &host.address {
            Address::Local => Ok((Self::Local(Local), Local::shell(&host.name)?)),
            Address::Remote(address) => {
                let ssh = Ssh::connect(host, address, pool).await?;
                let shell = ssh.shell().await?;
                Ok((Self::Ssh(Box::new(ssh)), shell))
            }
        }
    }

    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::Ssh(_))
    }

    /// Opens a byte stream to a server on the host.
    pub(super) async fn dial(&self, host: &HostName, address: SocketAddr) -> Result<Box<dyn Stream>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 5s");
        let dialling = async {
            match self {
                Self::Local(local) => local.dial(address).await,
                Self::Ssh(ssh) => ssh.dial(address).await,
            }
        };
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, dialling).await.map_err(late);
        dialled.and_then(|stream| stream).map_err(|source| Error::Dial {
            host: host.clone(),
            address,
            source,
        })
    }

    /// Copies a file of the host to a local path, created atomically. Returns its SHA-256 in hex.
    pub(super) async fn get(&self, host: &HostName, remote: &str, local: &Path) -> Result<String> {
        match self {
            Self::Local(transport) => {
                transport.get(remote, local).await.map_err(|reason| not_copied(host, remote, reason))
            }
            Self::Ssh(ssh) => {
                let got = retry_lost_link(async || ssh.get(remote, local).await).await;
                got.map_err(|failed| copy_failed(host, remote, ssh, failed))
            }
        }
    }

    /// Puts a file on the host, created atomically.
    pub(super) async fn put(&self, host: &HostName, upload: &Upload, remote: &str, mode: u32) -> Result<()> {
        match self {
            Self::Local(transport) => {
                transport.put(upload, remote, mode).await.map_err(|reason| not_copied(host, remote, reason))
            }
            Self::Ssh(ssh) => {
                let put = retry_lost_link(async || ssh.put(upload, remote, mode).await).await;
                put.map_err(|failed| copy_failed(host, remote, ssh, failed))
            }
        }
    }
}

fn not_copied(host: &HostName, remote: &str, reason: String) -> Error {
    Error::Copy { host: host.clone(), what: remote.to_owned(), reason }
}

/// What the copying command printed is about the file; all other errors are about the connection.
fn copy_failed(host: &HostName, remote: &str, ssh: &Ssh, failed: ConnectError) -> Error {
    match failed.phase {
        Phase::Channel if !failed.transient => not_copied(host, remote, failed.reason),
        _ => ssh.unreachable(&failed),
    }
}

/// Repeats a copy that failed because a link was lost: it leaves the whole file or none. The timeout counts
/// from the first failure, however long the copy had run before.
async fn retry_lost_link<T>(
    mut copy: impl AsyncFnMut() -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let mut lost = None;
    loop {
        match copy().await {
            Err(failed)
                if failed.transient
                    && lost.get_or_insert_with(Instant::now).elapsed() < RECONNECT_TIMEOUT =>
            {
                tokio::time::sleep(RECONNECT_INTERVAL).await;
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_is_repeated_where_the_link_was_lost_and_only_there() {
        let lost = || ConnectError::new(Phase::Channel, "the connection was lost").transient();
        let mut made = 0;
        let copied = retry_lost_link(async || {
            made += 1;
            if made == 1 { Err(lost()) } else { Ok(()) }
        });
        assert!(copied.await.is_ok());
        assert_eq!(made, 2);
        let mut made = 0;
        let refused = retry_lost_link(async || {
            made += 1;
            Err::<(), _>(ConnectError::new(Phase::Channel, "No space left on device"))
        });
        assert_eq!(refused.await.unwrap_err().reason, "No space left on device");
        assert_eq!(made, 1);
    }

    #[tokio::test]
    async fn a_refused_dial_names_the_host_and_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let Err(error) = Transport::Local(Local).dial(&"n1".into(), address).await else {
            panic!("it is closed")
        };
        assert_eq!(error.to_string(), format!("n1: could not connect to {address}"));
    }
}
