//! Scanning host keys, as `ssh-keyscan` does: for `provision trust`.

use std::sync::Arc;

use super::{
    connection::Connection,
    pool::{Pool, retry_transient},
};
use crate::{
    host::{
        connect_error::{ConnectError, Phase},
        error::Error,
        known_hosts::{Key, KnownHosts, ScannedKey},
        ssh_config::SshConfig,
    },
    inventory::{Address, Host},
};

/// Kinds of host keys servers have.
const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

impl Pool {
    /// The keys a host shows, after those of the jump hosts before it, and why some are missing. The scan
    /// trusts nothing and does not log in to the host. Empty for this machine.
    pub async fn host_keys(&self, host: &Host) -> (Vec<ScannedKey>, Option<Error>) {
        let Address::Remote(address) = &host.address else { return (Vec::new(), None) };
        let config = match SshConfig::resolve(address, &host.ssh).await {
            Ok(config) => config,
            Err(reason) => {
                let failed = ConnectError::new(Phase::Config, reason);
                let error = Error::unreachable(&host.name, address, &failed, &format!("ssh -v {address}"));
                return (Vec::new(), Some(error));
            }
        };
        let mut keys = self.jump_host_keys(&config).await;
        let (own, failed) = self.scan(&config, false).await;
        let none =
            own.is_empty().then(|| ConnectError::new(Phase::HostKey, "it shows no key of a known kind"));
        keys.extend(own);
        let failed = failed.or(none);
        let reproduce = config.reproduce(self.connector().pins());
        (keys, failed.map(|failed| Error::unreachable(&host.name, address, &failed, &reproduce)))
    }

    /// The keys of all jump hosts on the way, the nearest first; each is scanned once a run.
    async fn jump_host_keys(&self, config: &SshConfig) -> Vec<ScannedKey> {
        let mut keys = Vec::new();
        for (index, jump) in config.via.iter().enumerate() {
            let chain = config.via.iter().take(index + 1).map(String::as_str).collect::<Vec<_>>().join(",");
            let before = config.via.get(..index).unwrap_or_default();
            let scan = || async {
                // Why a jump host shows no key is reported by the attempt on the host behind it.
                match SshConfig::resolve_jump(jump, before, &config.ssh).await {
                    Ok(config) => self.scan(&config, true).await.0,
                    Err(_) => Vec::new(),
                }
            };
            keys.extend(self.scanned().cell(chain).get_or_init(scan).await.iter().cloned());
        }
        keys
    }

    /// The keys of one server, of all kinds, and why some are missing. A server lacks keys of some kinds, and
    /// says so in the key exchange; where no key exchange succeeds, the reason is the same for all kinds.
    async fn scan(&self, config: &SshConfig, jump: bool) -> (Vec<ScannedKey>, Option<ConnectError>) {
        let (name, port) = config.known_as();
        let known = KnownHosts::load(&config.known_hosts).unwrap_or_default();
        let (mut keys, mut last) = (Vec::new(), None);
        for kind in KINDS {
            match self.scan_kind(config, kind).await {
                Ok(Some(key)) => {
                    let user_verdict = known.decide(name, port, &key);
                    keys.push(ScannedKey { address: name.to_owned(), port, key, user_verdict, jump });
                }
                Ok(None) => {}
                Err(failed) if failed.phase == Phase::KeyExchange => last = Some(failed),
                Err(failed) => return (keys, Some(failed)),
            }
        }
        let failed = last.filter(|_| keys.is_empty());
        (keys, failed)
    }

    async fn scan_kind(&self, config: &SshConfig, kind: &str) -> Result<Option<Key>, ConnectError> {
        retry_transient(async || {
            let jump_host: Option<Arc<Connection>> = self.jump_host(config).await?;
            Connection::scan(config, self.connector(), jump_host.as_deref(), kind).await
        })
        .await
    }
}
