//! The read-only capability at the servers of a fleet.

use std::collections::HashMap;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::{
    command::{Command, Query},
    connection::Connection,
    error::Error,
    reply::Reply,
};
use crate::{
    host::Probe,
    inventory::{Fleet, Node, NodeRef},
    secret::{self, SecretSource, SecretString},
    units::HostName,
};

/// How many nodes are asked at the same time: enough to hide latency, few enough for file descriptors and SSH
/// windows.
const MAX_CONCURRENT: usize = 64;

/// A node, and what it answered to each command.
pub(crate) type NodeReplies = (NodeRef, Result<Vec<Reply>, Error>);

/// May ask every node of a fleet, and change none: it sends [`Query`]s only. Connections are opened when
/// first needed, and again after a failure.
pub struct NodeReader<'a> {
    connections: Vec<Connection<'a>>,
    secret: Option<SecretString>,
    turns: Semaphore,
}

impl<'a> NodeReader<'a> {
    /// A reader over these hosts; the nodes of a host without a probe do not answer. A password that has not
    /// been generated yet is not generated here. Fails where the password cannot be read.
    pub fn new(fleet: &Fleet, probes: impl IntoIterator<Item = &'a Probe>) -> Result<Self, secret::Error> {
        let probes: HashMap<&HostName, &Probe> =
            probes.into_iter().map(|probe| (probe.name(), probe)).collect();
        let auth = fleet.auth.as_ref().filter(|auth| !auth.is_missing());
        let connection = |node: &Node| Connection::new(node, probes.get(node.host()).copied());
        Ok(Self {
            connections: fleet.nodes().map(connection).collect(),
            secret: auth.map(SecretSource::reveal).transpose()?,
            turns: Semaphore::new(MAX_CONCURRENT),
        })
    }

    /// The nodes, in the order of the inventory.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.connections.iter().map(|connection| &connection.node)
    }

    /// The read-only capability at a host; `None` where it could not be reached.
    pub fn probe(&self, host: &HostName) -> Option<&'a Probe> {
        self.connections.iter().find(|connection| connection.node.host() == host)?.probe
    }

    /// Asks one node, in one round trip; a reply for each query.
    pub async fn read(&self, node: NodeRef, queries: &[Query]) -> Result<Vec<Reply>, Error> {
        let commands: Vec<Command> = queries.iter().map(Query::command).collect();
        self.pipeline(node, &commands).await
    }

    /// Asks several nodes at the same time, each its own queries.
    pub async fn read_each(&self, queries: Vec<(NodeRef, Vec<Query>)>) -> Vec<NodeReplies> {
        let one = |(node, queries): (NodeRef, Vec<Query>)| async move {
            let replies = self.read(node, &queries).await;
            (node, replies)
        };
        join_all(queries.into_iter().map(one)).await
    }

    /// One round trip of any commands: for the writers of this room only.
    pub(super) async fn pipeline(&self, node: NodeRef, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        let Some(connection) = self.connections.iter().find(|connection| connection.node.key == node) else {
            return Err(Error::NoHost { node, host: "(not in the inventory)".into() });
        };
        let _turn = self.turns.acquire().await;
        connection.pipeline(commands, self.secret.as_ref()).await
    }
}
