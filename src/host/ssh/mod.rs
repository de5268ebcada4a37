//! A host over SSH. Only this folder knows russh.

mod algorithms;
mod auth;
mod connection;
mod exec;
mod get;
mod host_key;
mod identities;
mod keyscan;
mod launcher;
mod pool;
mod put;
mod relay;
mod sudo;
mod tcp;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::io::AsyncReadExt;

use self::launcher::Launcher;
pub use self::pool::Pool;
use super::{
    connect_error::{ConnectError, Phase},
    error::{Error, Result},
    shell::{Shell, sentinel},
    ssh_config::SshConfig,
    stream::Stream,
    upload::Upload,
};
use crate::{inventory::Host, units::HostName};

/// One host: one connection, whatever runs over it. A connection that was lost is opened again.
pub(super) struct Ssh {
    /// The host's name in the inventory.
    name: HostName,
    launcher: Launcher,
    /// Whether sshd does not forward here, so that streams go through a command.
    relays: AtomicBool,
    /// Whether the host can unpack uploads that are gzipped.
    gzip: Arc<AtomicBool>,
}

/// On a terminal a shell would prompt: it gets its scripts through a pipe there.
const SHELL: &str = "if [ -t 0 ]; then cat | sh -s; else exec sh -s; fi";

impl Ssh {
    pub(super) async fn connect(host: &Host, address: &str, pool: &Pool) -> Result<Self> {
        let name = host.name.clone();
        let config = SshConfig::resolve(address, &host.ssh).await.map_err(|reason| {
            let failed = ConnectError::new(Phase::Config, reason);
            Error::unreachable(&name, address, &failed, &format!("ssh -v {address}"))
        })?;
        if host.ssh.legacy {
            pool.connector().notice(&name, "legacy = true allows algorithms that rest on SHA-1");
        }
        let launcher = Launcher::connect(&config, pool).await.map_err(|failed| {
            Error::unreachable(&name, address, &failed, &config.reproduce(pool.connector().pins()))
        })?;
        Ok(Self { name, launcher, relays: AtomicBool::new(false), gzip: Arc::default() })
    }

    /// The shell all scripts of a run go through.
    pub(super) async fn shell(&self) -> Result<Shell> {
        let opened = self.open_shell().await;
        opened.map_err(|failed| self.unreachable(&failed))
    }

    async fn open_shell(&self) -> Result<Shell, ConnectError> {
        let sentinel = sentinel().map_err(|error| ConnectError::new(Phase::Shell, error.to_string()))?;
        let script = format!("echo; echo \"{sentinel} hello $(command -v gzip)\"; {SHELL}");
        let (exec, before) = self.launcher.start(&script, &[]).await?;
        let (errors, gzip) = (exec.errors.clone(), Arc::clone(&self.gzip));
        let greeted = move |path: &str| gzip.store(!path.trim().is_empty(), Ordering::Relaxed);
        let (stdout, stdin) = exec.into_streams(b"exit\n");
        let stdout = io::Cursor::new(before).chain(stdout);
        Ok(Shell::with_login_banner(stdin, stdout, sentinel, greeted, move || errors.text()))
    }

    pub(super) async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        if !self.relays.load(Ordering::Relaxed) {
            let connection = self.launcher.connection().await;
            let connection = connection.map_err(|failed| io::Error::other(failed.reason))?;
            match connection.direct(&address.ip().to_string(), address.port()).await {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.relays.store(true, Ordering::Relaxed);
                }
                other => return Ok(Box::new(other?)),
            }
        }
        relay::open(&self.launcher, address).await
    }

    pub(super) async fn get(&self, remote: &str, local: &Path) -> Result<String, ConnectError> {
        let (exec, before) = self.launcher.start_clean(get::SCRIPT, &[remote]).await?;
        get::receive(exec, before, local).await
    }

    pub(super) async fn put(&self, upload: &Upload, remote: &str, mode: u32) -> Result<(), ConnectError> {
        let _slot = self.launcher.pool.connector().acquire_upload_slot().await;
        let gzipped = if self.gzip.load(Ordering::Relaxed) { upload.gzipped().await } else { None };
        let mode = format!("{mode:o}");
        let how = if gzipped.is_some() { "gzip" } else { "" };
        let bytes = gzipped.unwrap_or(upload.bytes());
        let length = bytes.len().to_string();
        let args = [remote, &mode, upload.sha256(), &length, how];
        let (mut exec, _) = self.launcher.start(&super::put::script(), &args).await?;
        put::send(&mut exec, bytes).await
    }

    /// The error where something else answers than a shell, with what it printed.
    pub(super) fn no_shell(&self, output: &str) -> Error {
        let output = if output.is_empty() { "it ended without any output" } else { output };
        self.unreachable(&ConnectError::new(Phase::Shell, output))
    }

    pub(super) fn unreachable(&self, failed: &ConnectError) -> Error {
        let config = &self.launcher.config;
        let reproduce = config.reproduce(self.launcher.pool.connector().pins());
        Error::unreachable(&self.name, &config.host, failed, &reproduce)
    }
}
