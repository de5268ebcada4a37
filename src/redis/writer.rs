//! The capability to change the servers of a fleet.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::{
    command::Command,
    error::Error,
    reader::{NodeReader, NodeReplies},
    reply::Reply,
};
use crate::{
    host::LockedHost,
    inventory::{Fleet, NodeRef},
    secret,
};

/// May change every node of a fleet. Only the lock of a host gives one: it is made from [`LockedHost`]s
/// alone, and cannot outlive them.
pub struct NodeWriter<'a> {
    reader: NodeReader<'a>,
    sent: AtomicUsize,
}

impl<'a> NodeWriter<'a> {
    /// A writer over these locked hosts. Fails where the password cannot be read.
    pub fn new(
        fleet: &Fleet,
        hosts: impl IntoIterator<Item = &'a LockedHost>,
    ) -> Result<Self, secret::Error> {
        let reader = NodeReader::new(fleet, hosts.into_iter().map(LockedHost::probe))?;
        Ok(Self { reader, sent: AtomicUsize::new(0) })
    }

    /// The read-only side of the same nodes, over the same connections.
    pub fn reader(&self) -> &NodeReader<'a> {
        &self.reader
    }

    /// How many commands were sent to change a node so far: a run reports it, and tests count it.
    pub fn changes_sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends commands to one node, in one round trip; a reply for each.
    pub async fn write(&self, node: NodeRef, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        self.sent.fetch_add(commands.len(), Ordering::Relaxed);
        self.reader.pipeline(node, commands).await
    }

    /// Sends commands to several nodes at the same time, each its own.
    pub async fn write_each(&self, commands: Vec<(NodeRef, Vec<Command>)>) -> Vec<NodeReplies> {
        let one = |(node, commands): (NodeRef, Vec<Command>)| async move {
            let replies = self.write(node, &commands).await;
            (node, replies)
        };
        join_all(commands.into_iter().map(one)).await
    }
}
