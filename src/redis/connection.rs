//! One multiplexed connection to one node, over its host's own connection. The only file that knows the redis
//! crate.

use std::time::Duration;

use ::redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, Value, aio::MultiplexedConnection};
use tokio::{sync::Mutex, time::timeout};

use super::{command::Command, error::Error, reply::Reply};
use crate::{
    host::Probe,
    inventory::{Node, NodeRef},
    secret::{ExposeSecret, SecretString},
};

/// How long a reply may take. The crate's own default, 500 ms, is too short for a host under load.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting and authenticating may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A node, and the connection to it once it was needed.
pub(super) struct Connection<'a> {
    pub(super) node: Node,
    /// `None` where the node's host could not be reached.
    pub(super) probe: Option<&'a Probe>,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(node: &Node, probe: Option<&'a Probe>) -> Self {
        Self { node: node.clone(), probe, open: Mutex::new(None) }
    }

    /// Sends commands in one round trip, and again where a kept connection turns out to be broken.
    pub(super) async fn pipeline(
        &self,
        commands: &[Command],
        secret: Option<&SecretString>,
    ) -> Result<Vec<Reply>, Error> {
        let mut kept = self.open.lock().await;
        let reused = kept.is_some();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect(secret).await?,
        };
        let mut result = send(&mut connection, commands).await;
        if reused && result.as_ref().is_err_and(|error| !error.is_timeout()) {
            // The server was restarted since the last pipeline.
            connection = self.connect(secret).await?;
            result = send(&mut connection, commands).await;
        }
        match result {
            Ok(values) => {
                *kept = Some(connection);
                Ok(values.into_iter().map(Into::into).collect())
            }
            Err(error) => Err(self.failed(&error, commands)),
        }
    }

    async fn connect(&self, secret: Option<&SecretString>) -> Result<MultiplexedConnection, Error> {
        let node = self.node.key;
        let probe = self.probe.ok_or_else(|| Error::NoHost { node, host: self.node.host().clone() })?;
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(REPLY_TIMEOUT));
        let connected = timeout(CONNECT_TIMEOUT, async {
            let stream =
                probe.dial(self.node.listen.client).await.map_err(|source| Error::Dial { node, source })?;
            let refused = |error| Error::Refused { node, reason: describe(&error) };
            let (mut connection, driver) =
                MultiplexedConnection::new_with_config(&info, stream, config).await.map_err(refused)?;
            tokio::spawn(driver);
            authenticate(node, &mut connection, secret).await?;
            Ok(connection)
        });
        connected.await.map_err(|_| Error::ConnectTimeout { node, after: CONNECT_TIMEOUT })?
    }

    fn failed(&self, error: &RedisError, commands: &[Command]) -> Error {
        let node = self.node.key;
        let first =
            commands.first().map(|command| command.iter().take(2).cloned().collect::<Vec<_>>().join(" "));
        let doing = format!("running {}", first.unwrap_or_default());
        if error.is_timeout() {
            return Error::Silent { node, doing, after: REPLY_TIMEOUT };
        }
        Error::Broken { node, doing, reason: describe(error) }
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
    // Not `query_async`: it turns the first error reply into the failure of all, and each reply is needed
    // here.
    connection.send_packed_commands(&pipeline, 0, commands.len()).await
}

/// Not left to the crate: it drops the reply, which alone distinguishes a wrong password from a node without
/// one.
async fn authenticate(
    node: NodeRef,
    connection: &mut MultiplexedConnection,
    secret: Option<&SecretString>,
) -> Result<(), Error> {
    let Some(secret) = secret else { return Ok(()) };
    let mut auth = ::redis::cmd("AUTH");
    auth.arg(secret.expose_secret());
    let value = connection.send_packed_command(&auth).await;
    let value = value.map_err(|error| Error::Refused { node, reason: describe(&error) })?;
    match Reply::from(value).error() {
        Some(reason) => Err(Error::Refused { node, reason: reason.to_owned() }),
        None => Ok(()),
    }
}

fn describe(error: &RedisError) -> String {
    let text = error.to_string();
    if text.is_empty() { "the connection was closed".to_owned() } else { text }
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
