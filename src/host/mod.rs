//! A host, as two capabilities: [`Probe`] may ask, [`LockedHost`] may act. Planning code only ever holds a `Probe`.
//!
//! All questions and changes are `sh` scripts that go through one long-lived shell per host, so that a run costs
//! one connection and one exec whatever it asks. The transports differ; the scripts do not.

mod connect_error;
mod connector;
mod detached_job;
mod error;
mod facts;
mod known_hosts;
mod local;
mod put;
mod shell;
mod ssh;
mod ssh_config;
mod upload;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Mutex,
    time::Instant,
};

use connect_error::ConnectError;
pub use connect_error::Phase;
pub use connector::{Connector, NoPrompt, Prompt, ScannedKey};
pub use error::Error;
pub use facts::{Facts, InitSystem};
pub use known_hosts::{Decision, Key, KnownHosts, pin};
use local::Local;
use shell::{Retake, Shell};
pub use shell::{buffer_output, minify, quote};
use ssh::Ssh;
pub use upload::Upload;

use crate::inventory::{Address, Host};

/// A byte stream to a server process on a host.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The read-only capability: ask questions, read files, open connections to servers. It cannot change a host.
#[derive(Clone)]
pub struct Probe {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    transport: Transport,
    shell: Mutex<Shell>,
    /// The cluster that is locked here, and by whom: what a new shell must take again.
    held: OnceLock<(String, String)>,
    facts: OnceLock<Facts>,
}

/// The kinds of ways to a host.
enum Transport {
    Local(Local),
    Ssh(Box<Ssh>),
}

/// How long a server may take to accept a connection.
const DIAL: Duration = Duration::from_secs(5);

/// How long a shell may take to say its first words.
const HELLO: Duration = Duration::from_secs(30);

/// How long a question may stay unanswered.
const QUESTION: Duration = Duration::from_secs(90);

impl Probe {
    /// Connects to a host and starts the shell that all later scripts go through. Facts are its first words: what answers
    /// with something else is no shell.
    pub async fn connect(host: &Host, connector: &Connector) -> Result<Self> {
        let (transport, shell) = match &host.address {
            Address::Local => (Transport::Local(Local), Local::shell(&host.name)?),
            Address::Remote(address) => {
                let ssh = Ssh::connect(host, address, connector).await?;
                let shell = ssh.shell().await?;
                (Transport::Ssh(Box::new(ssh)), shell)
            }
        };
        let (name, shell) = (host.name.clone(), Mutex::new(shell));
        let (held, facts) = (OnceLock::new(), OnceLock::new());
        let inner = Inner { name, transport, shell, held, facts };
        inner.greet().await?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The host's name in the inventory.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether it is another machine than this one.
    pub fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }

    /// Runs a script that only reads; `what` names it in errors. Returns the lines it printed.
    pub async fn ask(&self, what: &str, script: &str) -> Result<Vec<String>> {
        self.inner.repeatable(what, script, QUESTION).await
    }

    /// The facts that decide what is desired here: who we are, init system, distribution, libc.
    pub async fn facts(&self) -> Result<Facts> {
        if let Some(facts) = self.inner.facts.get() {
            return Ok(facts.clone());
        }
        let lines = self.ask("facts", &facts::script()).await?;
        Facts::parse(&lines).map_err(|answer| Error::Garbled { host: self.name().to_owned(), answer })
    }

    /// Opens a byte stream to a server on the host, through the host's own connection.
    pub async fn dial(&self, address: SocketAddr) -> Result<Box<dyn Stream>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 5s");
        let dialling = async {
            match &self.inner.transport {
                Transport::Local(local) => local.dial(address).await,
                Transport::Ssh(ssh) => ssh.dial(address).await,
            }
        };
        let dialled = tokio::time::timeout(DIAL, dialling).await.map_err(late);
        dialled.and_then(|stream| stream).map_err(|source| Error::Dial {
            host: self.name().to_owned(),
            address,
            source,
        })
    }

    /// Copies a file of the host to a local path, created atomically. Returns its SHA-256 in hex.
    pub async fn get(&self, remote: &str, local: &Path) -> Result<String> {
        match &self.inner.transport {
            Transport::Local(transport) => {
                transport.get(remote, local).await.map_err(|reason| self.inner.not_copied(remote, reason))
            }
            Transport::Ssh(ssh) => {
                let got = retry_lost_link(async || ssh.get(remote, local).await).await;
                got.map_err(|failed| self.inner.copy_failed(remote, ssh, failed))
            }
        }
    }

    /// Runs the user's own command and returns its exit status; each line it prints goes to `on_line`. It may change the
    /// host, and takes no lock: that is the user's business. The probe is used up by it, so that nothing that is planned
    /// can go this way.
    pub async fn command(
        self,
        command: &str,
        silence: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<i32> {
        match self.inner.script("the command", command, silence, on_line).await {
            Ok(_) => Ok(0),
            Err(Error::Script { status, .. }) => Ok(status),
            Err(error) => Err(error),
        }
    }

    /// Takes the cluster's lock on this host, and with it the right to change it. The lock is held by this host's
    /// shell: it is gone when the shell ends, however it ends, and a script of a killed run keeps it until it is done.
    /// A run that holds it is waited for a while, and `waits` hears who that is.
    pub async fn lock(
        self,
        cluster: &str,
        holder: &str,
        waits: &(dyn Fn(&str) + Sync),
    ) -> Result<LockedHost> {
        let mut shell = self.inner.shell.lock().await;
        self.inner.take_lock(&mut shell, cluster, holder, waits, Retake::No).await?;
        drop(shell);
        let _ = self.inner.held.set((cluster.to_owned(), holder.to_owned()));
        Ok(LockedHost { probe: self })
    }
}

/// The capability to change a host. Obtained by [`Probe::lock`] only.
#[derive(Clone)]
pub struct LockedHost {
    probe: Probe,
}

impl LockedHost {
    /// The read-only side of the same host.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    pub fn name(&self) -> &str {
        self.probe.name()
    }

    /// Gives the right to change the host back: when this returns, the lock is gone there.
    pub async fn release(self) {
        self.probe.inner.shell.lock().await.close().await;
    }

    /// Runs a script that changes the host; `what` names it in errors. Each line it prints goes to `on_line` as it
    /// comes. Fails when the script exits non-zero or prints nothing for `idle`.
    pub async fn run(
        &self,
        what: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Vec<String>> {
        self.probe.inner.script(what, script, idle, on_line).await
    }

    /// Runs a long script that must not die with the connection: it goes on by itself on the host while the link is
    /// away, and its output is followed from where it was lost. `key` is a word for the work: a second call with the same key
    /// and script joins what is running, or collects what has ended, also after provision itself was killed. On this machine
    /// there is no link to lose, and it is [`run`](Self::run).
    pub async fn run_detached(
        &self,
        what: &str,
        key: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Vec<String>> {
        if !self.probe.inner.is_remote() {
            return self.run(what, script, idle, on_line).await;
        }
        detached_job::follow(
            &self.probe.inner,
            &detached_job::DetachedJob { what, key, script, idle },
            on_line,
        )
        .await
    }

    /// Puts a file on the host: temporary file in the same folder, SHA-256, mode, rename. The folder must exist.
    pub async fn put(&self, upload: &Upload, remote: &str, mode: u32) -> Result<()> {
        let inner = &self.probe.inner;
        match &inner.transport {
            Transport::Local(transport) => {
                transport.put(upload, remote, mode).await.map_err(|reason| inner.not_copied(remote, reason))
            }
            Transport::Ssh(ssh) => {
                let put = retry_lost_link(async || ssh.put(upload, remote, mode).await).await;
                put.map_err(|failed| inner.copy_failed(remote, ssh, failed))
            }
        }
    }
}

/// How long a lost link is tried again: longer than it takes to notice that it is lost.
const LINK: Duration = Duration::from_mins(2);

/// Does again what failed because a link was lost: what it puts or gets is whole or not there. Time counts from the first
/// failure, however long the file was on its way before.
async fn retry_lost_link<T>(
    mut copy: impl AsyncFnMut() -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let mut lost = None;
    loop {
        match copy().await {
            Err(failed) if failed.transient && lost.get_or_insert_with(Instant::now).elapsed() < LINK => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            other => return other,
        }
    }
}

impl Inner {
    fn is_remote(&self) -> bool {
        matches!(self.transport, Transport::Ssh(_))
    }

    /// Asks for the facts. Where they are not understood they are asked for again by whoever needs them.
    async fn greet(&self) -> Result<()> {
        let answer = self.script("facts", &facts::script(), HELLO, &mut |_| {}).await;
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
                let said = self.shell.lock().await.captured_output();
                Err(ssh.no_shell(&format!("no shell within {}s; {said}", HELLO.as_secs())))
            }
            (Err(other), _) => Err(other),
        }
    }

    fn not_copied(&self, remote: &str, reason: String) -> Error {
        Error::Copy { host: self.name.clone(), what: remote.to_owned(), reason }
    }

    /// What the copying command said is about the file; all else is about the way there.
    fn copy_failed(&self, remote: &str, ssh: &Ssh, failed: ConnectError) -> Error {
        match failed.phase {
            Phase::Channel if !failed.transient => self.not_copied(remote, failed.reason),
            _ => ssh.unreachable(&failed),
        }
    }

    async fn take_lock(
        &self,
        shell: &mut Shell,
        cluster: &str,
        holder: &str,
        waits: &(dyn Fn(&str) + Sync),
        retake: Retake,
    ) -> Result<()> {
        match shell.lock(&self.name, cluster, holder, waits, retake).await? {
            None => Ok(()),
            Some(holder) => {
                Err(Error::Locked { host: self.name.clone(), cluster: cluster.to_owned(), holder })
            }
        }
    }

    /// Starts a new shell where the old one has ended, and takes again what that one had locked.
    async fn reconnect(&self, shell: &mut Shell) -> Result<()> {
        let Transport::Ssh(ssh) = &self.transport else { return Ok(()) };
        if !shell.has_ended() {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            match self.replace(shell, ssh).await {
                Err(Error::Unreachable { transient: true, .. } | Error::ShellLost { .. })
                    if began.elapsed() < LINK =>
                {
                    tokio::time::sleep(Duration::from_millis(500)).await;
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

    /// Runs a script that does no more when it is run twice than when it is run once, so that a lost link costs one attempt.
    async fn repeatable(&self, what: &str, script: &str, idle: Duration) -> Result<Vec<String>> {
        match self.script(what, script, idle, &mut |_| {}).await {
            Err(Error::ShellLost { .. }) if self.is_remote() => {
                self.script(what, script, idle, &mut |_| {}).await
            }
            other => other,
        }
    }

    async fn script(
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
