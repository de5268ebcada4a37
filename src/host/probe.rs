//! The read-only capability.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    connector::Connector,
    error::{Error, Result},
    facts::{self, Facts},
    host_shell::HostShell,
    prompt::NoPrompt,
    ssh::Pool,
    stream::Stream,
};
use crate::{
    inventory::{Address, Host, Ssh},
    units::HostName,
};

/// How long a question may stay unanswered.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(90);

/// The read-only capability: ask questions, read files, open connections to servers. It cannot change a host.
pub struct Probe {
    pub(super) host: Arc<HostShell>,
}

impl Probe {
    /// Connects to a host and starts the shell that all later scripts go through. The facts are its first
    /// answer: what answers with something else is no shell.
    pub async fn connect(host: &Host, pool: &Pool) -> Result<Self> {
        Ok(Self { host: Arc::new(HostShell::connect(host, pool).await?) })
    }

    /// Connects to this machine, which needs no place in an inventory.
    pub async fn of_this_machine() -> Result<Self> {
        let (name, ssh) = ("this machine".into(), Ssh::default());
        let host = Host { name, address: Address::Local, ssh, zone: None, nodes: Vec::new() };
        Self::connect(&host, &Pool::new(Connector::new(PathBuf::new(), false, Box::new(NoPrompt)))).await
    }

    /// The host's name in the inventory.
    pub fn name(&self) -> &HostName {
        &self.host.name
    }

    /// Whether it is another machine than this one.
    pub fn is_remote(&self) -> bool {
        self.host.is_remote()
    }

    /// Runs a script that only reads; `what` names it in errors. Returns the lines it printed.
    pub async fn ask(&self, what: &str, script: &str) -> Result<Vec<String>> {
        self.host.repeatable(what, script, QUESTION_TIMEOUT).await
    }

    /// The facts that decide what is desired here: account, init system, distribution, libc.
    pub async fn facts(&self) -> Result<Facts> {
        if let Some(facts) = self.host.facts() {
            return Ok(facts.clone());
        }
        let lines = self.ask("facts", &facts::script()).await?;
        Facts::parse(&lines).map_err(|answer| Error::Garbled { host: self.name().clone(), answer })
    }

    /// Opens a byte stream to a server on the host, through the host's own connection.
    pub async fn dial(&self, address: SocketAddr) -> Result<Box<dyn Stream>> {
        self.host.transport.dial(self.name(), address).await
    }

    /// Copies a file of the host to a local path, created atomically. Returns its SHA-256 in hex.
    pub async fn get(&self, remote: &str, local: &Path) -> Result<String> {
        self.host.transport.get(self.name(), remote, local).await
    }

    /// Runs the user's own command (`provision exec`) and returns its exit status; each line it prints goes
    /// to `on_line`. It may change the host, and takes no lock: the user answers for it. This is the one
    /// exception to what a probe is, and it consumes the probe, so that no plan can be made with it
    /// afterwards.
    pub async fn command(
        self,
        command: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<i32> {
        match self.host.script("the command", command, idle, on_line).await {
            Ok(_) => Ok(0),
            Err(Error::Script { status, .. }) => Ok(status),
            Err(error) => Err(error),
        }
    }
}
