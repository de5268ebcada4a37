//! One host while a run lasts: its transport, its shell, the lock that shell holds, its facts. A lost link is
//! replaced, and the lock taken again.

use std::{sync::OnceLock, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::{
    error::{Error, Result},
    facts::{self, Facts},
    shell::{Retake, Shell},
    ssh::{Pool, Ssh},
    transport::{RECONNECT_INTERVAL, RECONNECT_TIMEOUT, Transport},
};
use crate::{inventory::Host, units::HostName};

/// How long a shell may take to answer for the first time.
const GREETING_TIMEOUT: Duration = Duration::from_secs(30);

/// One host, and the shell that all its scripts go through.
pub(super) struct HostShell {
    /// The host's name in the inventory.
    pub(super) name: HostName,
    pub(super) transport: Transport,
    shell: Mutex<Shell>,
    /// The cluster that is locked here, and the holder: what a new shell must lock again.
    held: OnceLock<(String, String)>,
    facts: OnceLock<Facts>,
}

impl HostShell {
    /// Connects to a host and starts its shell. Its first answer is the facts: what answers with something
    /// else is no shell.
    pub(super) async fn connect(host: &Host, pool: &Pool) -> Result<Self> {
        let (transport, shell) = Transport::connect(host, pool).await?;
        let (name, shell) = (host.name.clone(), Mutex::new(shell));
        let started = Self { name, transport, shell, held: OnceLock::new(), facts: OnceLock::new() };
        started.greet().await?;
        Ok(started)
    }

    pub(super) fn is_remote(&self) -> bool {
        self.transport.is_remote()
    }

    /// The facts of the first answer, where they were understood.
    pub(super) fn facts(&self) -> Option<&Facts> {
        self.facts.get()
    }

    /// Asks for the facts. Where they are not understood, `Probe::facts` asks again and reports why.
    async fn greet(&self) -> Result<()> {
        let answer = self.script("facts", &facts::script(), GREETING_TIMEOUT, &mut |_| {}).await;
        match (answer, &self.transport) {
            (Ok(lines), _) => {
                if let Ok(facts) = Facts::parse(&lines) {
                    let _ = self.facts.set(facts);
                }
                Ok(())
            }
            (Err(Error::Script { .. }), _) => Ok(()),
            (Err(Error::ShellLost { said, .. }), Transport::Ssh(ssh)) => Err(ssh.no_shell(&said)),
            (Err(Error::Silent { .. }), Transport::Ssh(ssh)) => {
                let output = self.shell.lock().await.captured_output();
                Err(ssh.no_shell(&format!("no shell within {}s; {output}", GREETING_TIMEOUT.as_secs())))
            }
            (Err(other), _) => Err(other),
        }
    }

    /// Takes the lock of a cluster; `on_wait` gets the name of a run that holds it, while that one is waited
    /// for.
    pub(super) async fn lock(
        &self,
        cluster: &str,
        holder: &str,
        on_wait: &(dyn Fn(&str) + Sync),
    ) -> Result<()> {
        let mut shell = self.shell.lock().await;
        self.take_lock(&mut shell, cluster, holder, on_wait, Retake::No).await?;
        let _ = self.held.set((cluster.to_owned(), holder.to_owned()));
        Ok(())
    }

    /// Ends the shell, and with it the lock.
    pub(super) async fn release(&self) {
        self.shell.lock().await.close().await;
    }

    async fn take_lock(
        &self,
        shell: &mut Shell,
        cluster: &str,
        holder: &str,
        on_wait: &(dyn Fn(&str) + Sync),
        retake: Retake,
    ) -> Result<()> {
        match shell.lock(&self.name, cluster, holder, on_wait, retake).await? {
            None => Ok(()),
            Some(holder) => {
                Err(Error::Locked { host: self.name.clone(), cluster: cluster.to_owned(), holder })
            }
        }
    }

    /// Starts a new shell where the old one has ended, and takes the lock again.
    async fn reconnect(&self, shell: &mut Shell) -> Result<()> {
        let Transport::Ssh(ssh) = &self.transport else { return Ok(()) };
        if !shell.has_ended() {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            match self.replace(shell, ssh).await {
                Err(Error::Unreachable { transient: true, .. } | Error::ShellLost { .. })
                    if began.elapsed() < RECONNECT_TIMEOUT =>
                {
                    tokio::time::sleep(RECONNECT_INTERVAL).await;
                }
                other => return other,
            }
        }
    }

    async fn replace(&self, shell: &mut Shell, ssh: &Ssh) -> Result<()> {
        let mut new = ssh.shell().await?;
        if let Some((cluster, holder)) = self.held.get() {
            self.take_lock(&mut new, cluster, holder, &|_| {}, Retake::Yes).await?;
        }
        *shell = new;
        Ok(())
    }

    /// Runs a script that has the same effect run twice as run once, so that a lost link costs one attempt.
    pub(super) async fn repeatable(&self, what: &str, script: &str, idle: Duration) -> Result<Vec<String>> {
        match self.script(what, script, idle, &mut |_| {}).await {
            Err(Error::ShellLost { .. }) if self.is_remote() => {
                self.script(what, script, idle, &mut |_| {}).await
            }
            other => other,
        }
    }

    /// Runs a script to its end; `idle` bounds the time between two lines of its output.
    pub(super) async fn script(
        &self,
        what: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Vec<String>> {
        let mut shell = self.shell.lock().await;
        self.reconnect(&mut shell).await?;
        let (status, output) = shell.run(&self.name, what, script, idle, on_line).await?;
        if status == 0 {
            return Ok(output);
        }
        Err(Error::Script { host: self.name.clone(), what: what.to_owned(), status, output })
    }
}
