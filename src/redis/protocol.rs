//! Talking to servers: one multiplexed connection a node, over the host's own connection. The only file that knows
//! the redis crate.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use ::redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, Value, aio::MultiplexedConnection};
use futures_util::future::join_all;
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};

use crate::{
    host::{self, Probe},
    inventory::{Fleet, Node},
    secret::{ExposeSecret, SecretString},
};

/// How long a reply may take. The crate's own default, 500 ms, is too short for a host under load.
const REPLY: Duration = Duration::from_secs(10);
/// How long connecting and authenticating may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How many nodes are talked to at once: enough to hide latency, few enough for file descriptors and SSH windows.
const AT_ONCE: usize = 64;

/// Why a node could not be talked to.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("{node}: could not connect")]
    #[diagnostic(help(
        "see whether the process runs and what its log says; `provision apply` starts it again"
    ))]
    Dial { node: SocketAddr, source: host::Error },
    #[error("{node}: there is no connection to its host {host}")]
    #[diagnostic(help("make the host reachable, then run the same command again"))]
    NoHost { node: SocketAddr, host: String },
    #[error("{node}: did not accept the connection: {reason}")]
    #[diagnostic(help("the password of the inventory must be the one the node was started with"))]
    Refused { node: SocketAddr, reason: String },
    #[error("{node}: no reply within {}s while {doing}", after.as_secs())]
    #[diagnostic(help(
        "the process may hang or its machine be overloaded: look at its log, then run the command again"
    ))]
    Silent { node: SocketAddr, doing: String, after: Duration },
    #[error("{node}: the connection broke while {doing}: {reason}")]
    #[diagnostic(help(
        "see whether the process still runs and what its log says, then run the same command again"
    ))]
    Broken { node: SocketAddr, doing: String, reason: String },
    #[error("{node}: `{command}` was answered with: {reply}")]
    #[diagnostic(help(
        "the engine refused what every supported version accepts: look at the node's log and its ACL"
    ))]
    Rejected { node: SocketAddr, command: String, reply: String },
}

impl Error {
    /// Whether nobody answered the call in time, as opposed to a refusal, or to a server that is connected and hangs.
    pub fn is_late(&self) -> bool {
        match self {
            Self::Silent { after, .. } => *after == CONNECT,
            Self::Dial { source: host::Error::Dial { source, .. }, .. } => {
                source.kind() == std::io::ErrorKind::TimedOut
            }
            _ => false,
        }
    }
}

/// A command and its arguments.
pub type Command = Vec<String>;

/// A command from its words.
pub(crate) fn words(text: &str) -> Command {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(String),
    List(Vec<Reply>),
    /// An error reply: `CODE details`, as the server wrote it.
    Error(String),
}

impl Reply {
    /// The text of a string reply, empty for all others.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a `CONFIG GET` of one directive; `None` where the engine does not know it.
    pub fn config_value(&self) -> Option<&str> {
        self.list().get(1).map(Self::text)
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(n) => Self::Int(n),
            Value::BulkString(bytes) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => Self::Text(text),
            Value::Okay => Self::Text("OK".to_owned()),
            Value::Array(items) | Value::Set(items) => {
                Self::List(items.into_iter().map(Into::into).collect())
            }
            Value::Map(pairs) => {
                Self::List(pairs.into_iter().flat_map(|(key, value)| [key.into(), value.into()]).collect())
            }
            Value::ServerError(error) => Self::Error(
                format!("{} {}", error.code(), error.details().unwrap_or_default()).trim().to_owned(),
            ),
            // The other kinds are of RESP3, which is never asked for.
            _ => Self::Nil,
        }
    }
}

/// Connections to all nodes of a fleet, opened when first needed and again after a failure.
pub struct Servers {
    all: Vec<Server>,
    slots: Semaphore,
    writes: AtomicUsize,
}

struct Server {
    node: Node,
    probe: Option<Probe>,
    secret: Option<SecretString>,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Servers {
    /// `probes` by the host's name; the nodes of a host without one are down.
    #[expect(clippy::needless_pass_by_value, reason = "the connections move in here")]
    pub fn new(fleet: &Fleet, probes: HashMap<String, Probe>, secret: Option<SecretString>) -> Self {
        let server = |node: &Node| Server {
            node: node.clone(),
            probe: probes.get(&node.host).cloned(),
            secret: secret.clone(),
            connection: Mutex::new(None),
        };
        Self {
            all: fleet.nodes().map(server).collect(),
            slots: Semaphore::new(AT_ONCE),
            writes: AtomicUsize::new(0),
        }
    }

    /// The nodes, in the order of the inventory.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.all.iter().map(|server| &server.node)
    }

    /// A host's read-only side.
    pub fn probe(&self, host: &str) -> Option<&Probe> {
        self.all.iter().find(|server| server.node.host == host)?.probe.as_ref()
    }

    /// How many commands that change a server were sent so far: tests count them.
    pub fn changes_sent(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// Runs a pipeline of commands that only read: one round trip.
    pub async fn read(&self, node: SocketAddr, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        self.pipeline(node, commands).await
    }

    /// Runs a pipeline of commands that change the server: one round trip.
    pub async fn write(&self, node: SocketAddr, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        self.writes.fetch_add(commands.len(), Ordering::Relaxed);
        self.pipeline(node, commands).await
    }

    /// Several pipelines of reads, one a node, at the same time.
    pub async fn read_each(
        &self,
        pipelines: Vec<(SocketAddr, Vec<Command>)>,
    ) -> Vec<(SocketAddr, Result<Vec<Reply>, Error>)> {
        let one = |(node, commands): (SocketAddr, Vec<Command>)| async move {
            let replies = self.read(node, &commands).await;
            (node, replies)
        };
        join_all(pipelines.into_iter().map(one)).await
    }

    /// Several pipelines of changes, one a node, at the same time.
    pub async fn write_each(
        &self,
        pipelines: Vec<(SocketAddr, Vec<Command>)>,
    ) -> Vec<(SocketAddr, Result<Vec<Reply>, Error>)> {
        self.writes.fetch_add(pipelines.iter().map(|(_, commands)| commands.len()).sum(), Ordering::Relaxed);
        self.read_each(pipelines).await
    }

    async fn pipeline(&self, node: SocketAddr, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        let Some(server) = self.all.iter().find(|server| server.node.address == node) else {
            return Err(Error::NoHost { node, host: "(not in the inventory)".to_owned() });
        };
        let _slot = self.slots.acquire().await;
        let mut kept = server.connection.lock().await;
        let reused = kept.is_some();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => server.connect().await?,
        };
        let mut result = send(&mut connection, commands).await;
        if reused && result.as_ref().is_err_and(|error| !error.is_timeout()) {
            // The server was restarted since we last talked to it.
            connection = server.connect().await?;
            result = send(&mut connection, commands).await;
        }
        match result {
            Ok(values) => {
                *kept = Some(connection);
                Ok(values.into_iter().map(Into::into).collect())
            }
            Err(error) => Err(server.failed(&error, commands)),
        }
    }
}

async fn send(
    connection: &mut MultiplexedConnection,
    commands: &[Command],
) -> Result<Vec<Value>, RedisError> {
    let mut pipeline = ::redis::Pipeline::with_capacity(commands.len());
    for command in commands {
        let mut packed = ::redis::Cmd::new();
        for word in command {
            packed.arg(word);
        }
        pipeline.add_command(packed);
    }
    // Not `query_async`: it turns the first error reply into the failure of all, and each reply is wanted here.
    connection.send_packed_commands(&pipeline, 0, commands.len()).await
}

impl Server {
    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let node = self.node.address;
        let probe =
            self.probe.as_ref().ok_or_else(|| Error::NoHost { node, host: self.node.host.clone() })?;
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(REPLY));
        let connected = timeout(CONNECT, async {
            let stream = probe.dial(node).await.map_err(|source| Error::Dial { node, source })?;
            let refused = |error| Error::Refused { node, reason: describe(&error) };
            let (mut connection, driver) =
                MultiplexedConnection::new_with_config(&info, stream, config).await.map_err(refused)?;
            tokio::spawn(driver);
            self.authenticate(&mut connection).await?;
            Ok(connection)
        });
        let silent = || Error::Silent { node, doing: "connecting".to_owned(), after: CONNECT };
        connected.await.map_err(|_| silent())?
    }

    /// Not left to the crate: it drops the reply, and only that tells a wrong password from a node that has none.
    async fn authenticate(&self, connection: &mut MultiplexedConnection) -> Result<(), Error> {
        let Some(secret) = &self.secret else { return Ok(()) };
        let node = self.node.address;
        let mut auth = ::redis::cmd("AUTH");
        auth.arg(secret.expose_secret());
        let value = connection.send_packed_command(&auth).await;
        let value = value.map_err(|error| Error::Refused { node, reason: describe(&error) })?;
        match Reply::from(value).error() {
            Some(reason) => Err(Error::Refused { node, reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    fn failed(&self, error: &RedisError, commands: &[Command]) -> Error {
        let node = self.node.address;
        let first =
            commands.first().map(|command| command.iter().take(2).cloned().collect::<Vec<_>>().join(" "));
        let doing = format!("running {}", first.unwrap_or_default());
        if error.is_timeout() {
            return Error::Silent { node, doing, after: REPLY };
        }
        Error::Broken { node, doing, reason: describe(error) }
    }
}

fn describe(error: &RedisError) -> String {
    let text = error.to_string();
    if text.is_empty() { "the connection was closed".to_owned() } else { text }
}
