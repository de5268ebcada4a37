//! A host over SSH. Only this room (`ssh.rs` and `ssh/`) knows russh.

mod auth;
mod connection;
mod exec;
mod host_key;
mod identities;
mod put;
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
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, join},
    sync::Mutex,
    time::timeout,
};

use self::{
    connection::Connection,
    exec::{End, Exec},
};
use super::{
    Connector, Error, KnownHosts, Result, ScannedKey, Stream, Upload,
    connect_error::{ConnectError, Phase},
    connector::Once,
    quote,
    shell::{self, Shell},
    ssh_config::SshConfig,
};
use crate::{
    hashed_copy::{CopyError, HashedCopy},
    inventory::Host,
};

/// What all hosts of a run share of this room.
#[derive(Default)]
pub(super) struct Common {
    keys: identities::Keys,
    jump_hosts: connection::JumpHosts,
    /// The keys of jump hosts, by the way there.
    jumps: Once<String, Vec<ScannedKey>>,
}

/// The way to one host: one connection, whatever runs over it. A connection that was lost is made again.
pub(super) struct Ssh {
    /// The host's name in the inventory.
    name: String,
    config: SshConfig,
    connector: Connector,
    connection: Mutex<Arc<Connection>>,
    /// sudo wants a terminal here.
    terminal: AtomicBool,
    /// sshd does not forward here: streams go through a command.
    relays: AtomicBool,
    /// The host can unpack what is sent gzipped.
    gzip: Arc<AtomicBool>,
}

/// The longest silence while a file is fetched.
const SILENCE: Duration = Duration::from_mins(1);

/// How long a relay waits for its turn: less than dialling may take, so that the reason is told.
const CROWDED: Duration = Duration::from_secs(4);

/// On a terminal a shell would prompt: it gets its scripts through a pipe there.
const SHELL: &str = "if [ -t 0 ]; then cat | sh -s; else exec sh -s; fi";

/// Kinds of host keys servers have.
const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

impl Ssh {
    pub(super) async fn connect(host: &Host, address: &str, connector: &Connector) -> Result<Self> {
        let name = host.name.clone();
        let config = SshConfig::of(address, &host.ssh).await.map_err(|reason| {
            let failed = ConnectError::new(Phase::Config, reason);
            unreachable(&name, address, &failed, &format!("ssh -v {address}"))
        })?;
        if host.ssh.legacy {
            connector.shared.prompt.notice(&name, "legacy = true allows algorithms that rest on SHA-1");
        }
        let connection = Connection::open(&config, connector).await;
        let reproduce = || config.reproduce(&connector.shared.pins);
        let connection = connection.map_err(|failed| unreachable(&name, address, &failed, &reproduce()))?;
        Ok(Self {
            name,
            config,
            connector: connector.clone(),
            connection: Mutex::new(Arc::new(connection)),
            terminal: AtomicBool::new(false),
            relays: AtomicBool::new(false),
            gzip: Arc::default(),
        })
    }

    /// The keys a host and the jump hosts before it show to whoever asks, and why there are not all of them.
    pub(super) async fn host_keys(
        host: &Host,
        address: &str,
        connector: &Connector,
    ) -> (Vec<ScannedKey>, Option<Error>) {
        let config = match SshConfig::of(address, &host.ssh).await {
            Ok(config) => config,
            Err(reason) => {
                let failed = ConnectError::new(Phase::Config, reason);
                let error = unreachable(&host.name, address, &failed, &format!("ssh -v {address}"));
                return (Vec::new(), Some(error));
            }
        };
        let mut shown = Vec::new();
        for (index, jump) in config.via.iter().enumerate() {
            let way = config.via.iter().take(index + 1).map(String::as_str).collect::<Vec<_>>().join(",");
            let cell = connector.shared.common.jumps.cell(way);
            let before = config.via.get(..index).unwrap_or_default();
            let look = || async {
                // Why it shows none is told by the attempt on the host behind it.
                match SshConfig::of_jump(jump, before, &host.ssh).await {
                    Ok(config) => look(&config, connector, true).await.0,
                    Err(_) => Vec::new(),
                }
            };
            shown.extend(cell.get_or_init(look).await.iter().cloned());
        }
        let (own, failed) = look(&config, connector, false).await;
        let none =
            own.is_empty().then(|| ConnectError::new(Phase::HostKey, "it shows no key of a known kind"));
        shown.extend(own);
        let failed = failed.or(none);
        let reproduce = config.reproduce(&connector.shared.pins);
        (shown, failed.map(|failed| unreachable(&host.name, address, &failed, &reproduce)))
    }

    /// The shell all scripts of a run go through.
    pub(super) async fn shell(&self) -> Result<Shell> {
        let opened = self.open_shell().await;
        opened.map_err(|failed| self.unreachable(&failed))
    }

    async fn open_shell(&self) -> Result<Shell, ConnectError> {
        let sentinel =
            shell::sentinel().map_err(|error| ConnectError::new(Phase::Shell, error.to_string()))?;
        let script = format!("echo; echo \"{sentinel} hello $(command -v gzip)\"; {SHELL}");
        let (exec, before) = self.start(&script, &[]).await?;
        let (errors, gzip) = (exec.errors.clone(), Arc::clone(&self.gzip));
        let greeted = move |said: &str| gzip.store(!said.trim().is_empty(), Ordering::Relaxed);
        let (stdout, stdin) = exec.into_streams();
        let stdout = io::Cursor::new(before).chain(stdout);
        Ok(Shell::with_login_banner(stdin, stdout, sentinel, greeted, move || errors.text()))
    }

    /// Starts a script with arguments, as root where the account may. The script must be one line without single quotes: any
    /// login shell has to pass it on. Returns what it printed while sudo was dealt with.
    async fn start(&self, script: &str, args: &[&str]) -> Result<(Exec, Vec<u8>), ConnectError> {
        let connection = self.connection().await?;
        let args: String = args.iter().map(|arg| format!(" {}", quote(arg))).collect();
        if self.config.user == "root" {
            let command = format!("exec sh -c 'LC_ALL=C; export LC_ALL; {script}' sh{args}");
            return Ok((Exec::start(&connection, &command, false).await?, Vec::new()));
        }
        let sudo = sudo::Sudo { config: &self.config, connector: &self.connector };
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
    async fn start_clean(&self, script: &str, args: &[&str]) -> Result<(Exec, Vec<u8>), ConnectError> {
        if self.config.user != "root" {
            return self.start(script, args).await;
        }
        let nonce = shell::sentinel().map_err(|error| ConnectError::new(Phase::Shell, error.to_string()))?;
        let (mut exec, _) = self.start(&format!("echo {nonce}!; {script}"), args).await?;
        let before = exec.skip_to(&format!("{nonce}!")).await?;
        Ok((exec, before))
    }

    /// The connection; a new one where the old one is gone. A host that was there may be there again in a moment: it
    /// boots, or a cable is out.
    async fn connection(&self) -> Result<Arc<Connection>, ConnectError> {
        let mut connection = self.connection.lock().await;
        if connection.is_closed() {
            let opened = Connection::open(&self.config, &self.connector).await;
            *connection = Arc::new(opened.map_err(|failed| match failed.phase {
                Phase::Tcp | Phase::Banner => failed.transient(),
                _ => failed,
            })?);
        }
        Ok(Arc::clone(&connection))
    }

    pub(super) async fn dial(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        if !self.relays.load(Ordering::Relaxed) {
            let connection = self.connection().await.map_err(|failed| io::Error::other(failed.reason))?;
            match connection.direct(&address.ip().to_string(), address.port()).await {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.relays.store(true, Ordering::Relaxed);
                }
                other => return Ok(Box::new(other?)),
            }
        }
        self.relay(address).await
    }

    /// A stream through a command on the host, where sshd does not forward.
    async fn relay(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        // Those of relays that have just ended come free in a moment.
        let connection = self.connection().await.map_err(|failed| io::Error::other(failed.reason))?;
        if timeout(CROWDED, connection.sessions.acquire()).await.is_err() {
            let text = "sshd forwards nothing (AllowTcpForwarding no), and all eight commands that may do it instead are at work: \
                        allow forwarding there";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        let started = self.start_clean(RELAY, &[&ip, &port]).await;
        let (mut exec, before) = started.map_err(|failed| io::Error::other(failed.reason))?;
        let mut connected = vec![0; RELAYS.len()];
        let (read, errors) = (&mut io::Cursor::new(before).chain(&mut exec.stdout), &exec.errors);
        match read.read_exact(&mut connected).await {
            Ok(_) if connected == RELAYS => {}
            _ if errors.text().contains("no bash") => {
                let text =
                    "sshd forwards nothing (AllowTcpForwarding no), and there is no bash to do it instead";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
            _ => return Err(io::Error::new(io::ErrorKind::ConnectionRefused, errors.text())),
        }
        let (stdout, stdin) = exec.into_streams();
        Ok(Box::new(join(stdout, stdin)))
    }

    pub(super) async fn get(&self, remote: &str, local: &Path) -> Result<String, ConnectError> {
        let (mut exec, before) = self.start_clean("exec cat -- \"$1\"", &[remote]).await?;
        let here =
            |error: io::Error| ConnectError::new(Phase::Channel, format!("{}: {error}", local.display()));
        let mut copy = HashedCopy::begin(local).map_err(here)?;
        let mut stdout = io::Cursor::new(before).chain(&mut exec.stdout);
        copy.receive(&mut stdout, Some(SILENCE)).await.map_err(|error| match error {
            CopyError::Source(error) => ConnectError::new(Phase::Channel, error.to_string()).transient(),
            CopyError::Target(error) => here(error),
        })?;
        match exec.ended().await {
            End::Exit(0) => {}
            End::Lost => return Err(ConnectError::new(Phase::Channel, "the connection was lost").transient()),
            _ => return Err(ConnectError::new(Phase::Channel, exec.errors.text())),
        }
        copy.persist().map_err(here)
    }

    pub(super) async fn put(&self, upload: &Upload, remote: &str, mode: u32) -> Result<(), ConnectError> {
        let _slot = self.connector.shared.uploads.acquire().await;
        let gzipped = upload.gzipped().filter(|_| self.gzip.load(Ordering::Relaxed));
        let mode = format!("{mode:o}");
        let how = if gzipped.is_some() { "gzip" } else { "" };
        let bytes = gzipped.unwrap_or(upload.bytes());
        let length = bytes.len().to_string();
        let args = [remote, &mode, upload.sha256(), &length, how];
        let (mut exec, _) = self.start(super::put::SCRIPT, &args).await?;
        put::send(&mut exec, bytes).await
    }

    /// What it is where a shell has been asked for and something else is there.
    pub(super) fn no_shell(&self, said: &str) -> Error {
        let said = if said.is_empty() { "it ended without a word" } else { said };
        self.unreachable(&ConnectError::new(Phase::Shell, said))
    }

    pub(super) fn unreachable(&self, failed: &ConnectError) -> Error {
        let reproduce = self.config.reproduce(&self.connector.shared.pins);
        unreachable(&self.name, &self.config.host, failed, &reproduce)
    }
}

/// The keys of one server, of all kinds, and why there are not all of them. A server has no keys of some kinds, and says so
/// in the key exchange; where none comes about, it is the same for all kinds.
async fn look(
    config: &SshConfig,
    connector: &Connector,
    jump: bool,
) -> (Vec<ScannedKey>, Option<ConnectError>) {
    let (name, port) = config.known_as();
    let known = KnownHosts::load(&config.known_hosts).unwrap_or_default();
    let (mut shown, mut last) = (Vec::new(), None);
    for kind in KINDS {
        match Connection::look(config, connector, kind).await {
            Ok(Some(key)) => {
                let user_verdict = known.decide(name, port, &key);
                shown.push(ScannedKey { address: name.to_owned(), port, key, user_verdict, jump });
            }
            Ok(None) => {}
            Err(failed) if failed.phase == Phase::KeyExchange => last = Some(failed),
            Err(failed) => return (shown, Some(failed)),
        }
    }
    let failed = last.filter(|_| shown.is_empty());
    (shown, failed)
}

fn unreachable(host: &str, address: &str, failed: &ConnectError, reproduce: &str) -> Error {
    Error::Unreachable {
        host: host.to_owned(),
        address: address.into(),
        phase: failed.phase,
        reason: failed.reason.as_str().into(),
        help: failed.help(reproduce).into(),
        transient: failed.transient,
    }
}

/// What a relay says once it is through.
const RELAYS: &[u8] = b"@relays\n";

/// Ends when either side does: the server by closing, we by the end of its standard input. What is left of it then holds
/// nothing that keeps the channel open.
const RELAY: &str = "command -v bash >/dev/null || { echo no bash >&2; exit 127; }; \
                     exec bash -c \"exec 3<>/dev/tcp/\\$1/\\$2 || exit; echo @relays; cat <&3 & r=\\$!; \
                     { cat >&3 2>/dev/null; kill \\$r; } <&0 & w=\\$!; wait \\$r; kill \\$w\" bash \"$1\" \"$2\"";
