//! Starting commands on one host, as root: over one connection, which is opened again where it was lost.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Mutex;

use super::{connection::Connection, exec::Exec, pool::Pool, sudo::Sudo};
use crate::host::{
    connect_error::{ConnectError, Phase},
    shell::{quote, sentinel},
    ssh_config::SshConfig,
};

/// Starts commands on one host.
pub(super) struct Launcher {
    pub(super) config: SshConfig,
    pub(super) pool: Pool,
    connection: Mutex<Arc<Connection>>,
    /// Whether sudo requires a terminal here.
    terminal: AtomicBool,
}

impl Launcher {
    /// Opens the connection.
    pub(super) async fn connect(config: &SshConfig, pool: &Pool) -> Result<Self, ConnectError> {
        let connection = Mutex::new(Arc::new(pool.open(config).await?));
        let (config, pool) = (config.clone(), pool.clone());
        Ok(Self { config, pool, connection, terminal: AtomicBool::new(false) })
    }

    /// The connection; a new one where the old one is lost. A host that was reachable may be back in a
    /// moment: it boots, or a cable is out.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, ConnectError> {
        let mut connection = self.connection.lock().await;
        if connection.is_closed() {
            let opened = self.pool.open(&self.config).await;
            *connection = Arc::new(opened.map_err(|failed| match failed.phase {
                Phase::Tcp | Phase::Banner => failed.transient(),
                _ => failed,
            })?);
        }
        Ok(Arc::clone(&connection))
    }

    /// Starts a script with arguments, as root where the account may. The script must be one line without
    /// single quotes: any login shell has to pass it on. Returns what it printed before sudo let it run.
    pub(super) async fn start(&self, script: &str, args: &[&str]) -> Result<(Exec, Vec<u8>), ConnectError> {
        let connection = self.connection().await?;
        let args: String = args.iter().map(|arg| format!(" {}", quote(arg))).collect();
        if self.config.user == "root" {
            let command = format!("exec sh -c 'LC_ALL=C; export LC_ALL; {script}' sh{args}");
            return Ok((Exec::start(&connection, &command, false).await?, Vec::new()));
        }
        let sudo = Sudo { config: &self.config, connector: self.pool.connector() };
        let terminal = self.terminal.load(Ordering::Relaxed);
        match sudo.start(&connection, script, &args, terminal).await {
            Err(failed) if !terminal && failed.reason.contains("must have a tty") => {
                self.terminal.store(true, Ordering::Relaxed);
                sudo.start(&connection, script, &args, true).await
            }
            other => other,
        }
    }

    /// The same, past all that a login prints.
    pub(super) async fn start_clean(
        &self,
        script: &str,
        args: &[&str],
    ) -> Result<(Exec, Vec<u8>), ConnectError> {
        if self.config.user != "root" {
            return self.start(script, args).await;
        }
        let nonce = sentinel().map_err(|error| ConnectError::new(Phase::Shell, error.to_string()))?;
        let (mut exec, _) = self.start(&format!("echo {nonce}!; {script}"), args).await?;
        let before = exec.skip_to(&format!("{nonce}!")).await?;
        Ok((exec, before))
    }
}
