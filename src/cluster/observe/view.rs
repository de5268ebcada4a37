//! A node's own view of itself and its peers.

use std::collections::BTreeMap;

use crate::{
    cluster::tunable::Tuning,
    redis::{ClusterInfo, Info, NodeRow},
    units::NodeId,
};

/// A node's own view of itself and its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub id: NodeId,
    /// `CLUSTER NODES`, its own line included.
    pub rows: Vec<NodeRow>,
    /// `CLUSTER INFO`.
    pub cluster: ClusterInfo,
    pub info: Info,
    /// The running values of the directives formation changes for a while.
    pub tuning: Tuning,
    /// The running value of every directive but the secret ones; empty where it was not asked for.
    pub config: BTreeMap<String, String>,
    /// Milliseconds; 15000, the engine's default, where it could not be read.
    pub node_timeout_ms: u64,
    /// The node's own clock at the moment of its answer, in milliseconds.
    pub now_ms: u64,
    /// Whether the engine has `CLUSTER ADDSLOTSRANGE`.
    pub slot_ranges: bool,
}

impl View {
    /// Its own line.
    pub fn myself(&self) -> Option<&NodeRow> {
        self.rows.iter().find(|row| row.is_myself())
    }

    /// Its peers, without those it is still in a handshake with.
    pub fn peers(&self) -> impl Iterator<Item = &NodeRow> {
        self.rows.iter().filter(|row| !row.is_myself() && !row.is_handshake())
    }

    /// Its line about a node, once it knows that node.
    pub fn row(&self, id: &str) -> Option<&NodeRow> {
        self.rows.iter().find(|row| &*row.id == id && !row.is_handshake())
    }

    pub fn is_replica(&self) -> bool {
        self.myself().is_some_and(NodeRow::is_replica)
    }

    /// Whether it is the replica of the node with this id.
    pub fn follows(&self, id: &str) -> bool {
        self.myself().is_some_and(|own| own.is_replica() && own.master.as_deref() == Some(id))
    }

    /// Whether it is a master with slots.
    pub fn owns_slots(&self) -> bool {
        self.myself().is_some_and(|own| own.is_master() && !own.slots.is_empty())
    }

    /// Whether it is a master with slots under the epoch nodes are born with. Such a master loses every slot
    /// conflict.
    pub(in crate::cluster) fn lacks_epoch(&self) -> bool {
        self.owns_slots() && self.myself().is_some_and(|own| own.epoch == 0)
    }

    /// The highest epoch it knows; 0 where its answer lacks it.
    pub(in crate::cluster) fn current_epoch(&self) -> u64 {
        self.cluster.current_epoch.unwrap_or(0)
    }

    /// Keys in all its databases.
    pub fn keys(&self) -> u64 {
        self.info.keyspace.keys
    }

    /// Of a replica: whether it had a link to a master since its process started. What another one has, it
    /// read from its own files, also where it took its offset from there.
    pub(in crate::cluster) fn has_synchronised(&self) -> bool {
        let replication = &self.info.replication;
        let down_for = replication.master_link_down_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        replication.link_is_up()
            || down_for.is_some_and(|seconds| self.info.server.uptime_seconds.is_some_and(|up| seconds <= up))
    }

    /// The replication offset: written as a master, applied as a replica.
    pub fn offset(&self) -> u64 {
        let replication = &self.info.replication;
        let offset =
            if self.is_replica() { replication.replica_offset } else { replication.master_repl_offset };
        offset.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::testing::{cluster, view_mut};

    /// Redis 5 and 6.0 count from 1970 where there was no link.
    #[test]
    fn a_link_that_is_down_for_longer_than_the_process_runs_never_was() {
        let mut observed = cluster("7001 master\n7002 replica 7001 link=down");
        let mut synchronised = |seconds| {
            let view = view_mut(&mut observed, "7002");
            view.info.replication.master_link_down_seconds = seconds;
            view.has_synchronised()
        };
        let all = [Some(0), Some(600), Some(601), Some(1_790_000_000), Some(-1), None].map(&mut synchronised);
        assert_eq!(all, [true, true, false, false, false, false]);
    }
}
