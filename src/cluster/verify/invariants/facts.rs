//! Everything the checks may look at, and the ways to ask the same of all nodes.

use std::collections::BTreeMap;

use crate::{
    cluster::{
        observe::{Observed, View},
        topology::Topology,
        verify::{
            check::{Check, Tally},
            details::Details,
            host_checks::{HostFacts, NodeFacts},
            node_config::NodeConfig,
            redirect::Redirect,
            syncs::SyncCount,
            write_probe::WriteProbe,
        },
    },
    inventory::{Fleet, Host, Node, NodeRef},
    redis::{NodeRow, ProbeKey},
};

/// Everything the checks may look at.
pub(in crate::cluster::verify) struct Facts<'a> {
    pub(in crate::cluster::verify) fleet: &'a Fleet,
    pub(in crate::cluster::verify) topology: &'a Topology,
    pub(in crate::cluster::verify) observed: &'a Observed,
    pub(in crate::cluster::verify) details: &'a BTreeMap<NodeRef, Details>,
    pub(in crate::cluster::verify) syncs: &'a BTreeMap<NodeRef, SyncCount>,
    /// `None` where the user chose that nothing is written.
    pub(in crate::cluster::verify) probes: Option<&'a BTreeMap<NodeRef, WriteProbe>>,
    pub(in crate::cluster::verify) redirects: &'a BTreeMap<NodeRef, Redirect>,
    pub(in crate::cluster::verify) hosts: &'a HostFacts,
    pub(in crate::cluster::verify) configs: &'a BTreeMap<NodeRef, NodeConfig>,
}

/// A master that owns slots, and its replicas, as the nodes themselves say.
pub(super) struct LiveShard<'a> {
    pub(super) node: NodeRef,
    pub(super) master: &'a View,
    pub(super) replicas: Vec<NodeRef>,
}

impl LiveShard<'_> {
    /// The master, then the replicas.
    pub(super) fn members(&self) -> impl Iterator<Item = NodeRef> {
        std::iter::once(self.node).chain(self.replicas.iter().copied())
    }
}

/// A node that answered.
pub(super) type Live<'a> = (NodeRef, &'a View);

impl<'a> Facts<'a> {
    /// A tally in which the nodes that do not answer are missing.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.observed.silent().for_each(|why| tally.missed(why));
        tally
    }

    /// Asks the same of every node; one that does not answer leaves it unproven.
    pub(super) fn each<F: IntoIterator<Item = String>>(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(NodeRef, &View) -> F,
    ) -> Check {
        let mut tally = self.tally();
        self.observed.views().for_each(|(node, view)| tally.saw(wrong(node, view)));
        tally.check(fine)
    }

    /// As [`each`](Self::each), for what only the nodes' hosts know: what is wrong, or `Err` with what could
    /// not be looked at.
    pub(super) fn each_host(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(NodeRef, &NodeFacts) -> Result<Option<String>, String>,
    ) -> Check {
        let mut tally = Tally::default();
        for (node, facts) in self.hosts {
            match facts
                .as_ref()
                .map_err(|error| format!("{node}: {error}"))
                .and_then(|facts| wrong(*node, facts))
            {
                Ok(fault) => tally.saw(fault),
                Err(why) => tally.missed(why),
            }
        }
        tally.check(fine)
    }

    /// Asks the same of every replica, with the node it follows.
    pub(super) fn each_replica(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(Live<'_>, Live<'_>) -> Option<String>,
    ) -> Check {
        let mut tally = self.tally();
        let mut replicas = self.observed.views().filter(|(_, view)| view.is_replica()).peekable();
        if replicas.peek().is_none() && self.fleet.replicas == 0 {
            return Check::not_applicable(NO_REPLICAS);
        }
        for (replica, view) in replicas {
            match self.master_of(view) {
                Some(master) => tally.saw(wrong((replica, view), master)),
                None => tally.missed(format!("the master of {replica} does not answer")),
            }
        }
        tally.check(fine)
    }

    /// Asks the same of the probe of every shard: what is wrong, or `Err` with what could not be looked at.
    pub(super) fn each_probe<F: IntoIterator<Item = String>>(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(&LiveShard<'_>, &WriteProbe) -> Result<F, String>,
    ) -> Check {
        let Some(probes) = self.probes else { return Check::NotAsked(READ_ONLY.to_owned()) };
        let mut tally = self.tally();
        for shard in self.shards() {
            let Some(probe) = probes.get(&shard.node) else {
                tally.missed(format!("{} could not be tested yet", shard.node));
                continue;
            };
            match wrong(&shard, probe) {
                Ok(faults) => tally.saw(faults),
                Err(why) => tally.missed(why),
            }
        }
        tally.check(fine)
    }

    /// The keys of the probes that were written.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a ProbeKey> {
        self.probes.into_iter().flat_map(|probes| probes.values().map(|probe| &probe.key))
    }

    /// How many nodes the fleet has.
    pub(super) fn count(&self) -> usize {
        self.fleet.nodes().count()
    }

    /// The shards as the nodes themselves say.
    pub(super) fn shards(&self) -> Vec<LiveShard<'a>> {
        let shard = |(node, master): Live<'a>| LiveShard {
            node,
            master,
            replicas: self.observed.replicas_of(&master.id).map(|(replica, _)| replica).collect(),
        };
        self.observed.slot_owners().map(shard).collect()
    }

    /// The node a replica follows, where that answers.
    pub(super) fn master_of(&self, replica: &View) -> Option<Live<'a>> {
        let id = replica.myself()?.master.as_ref()?;
        self.observed.views().find(|(_, view)| view.id == *id)
    }

    /// The rows about other nodes that answer. What a node says of one that does not is told by that node's
    /// silence, and what it says of an unknown one by [`known_nodes`](super::identity::known_nodes).
    pub(super) fn live_peers<'v>(&self, view: &'v View) -> impl Iterator<Item = &'v NodeRow> {
        view.peers().filter(|row| self.observed.with_id(&row.id).is_some())
    }

    /// The node as the inventory has it.
    pub(super) fn node(&self, key: NodeRef) -> Option<&'a Node> {
        self.fleet.nodes().find(|node| node.key == key)
    }

    /// The host of a node.
    pub(super) fn host(&self, key: NodeRef) -> Option<&'a Host> {
        self.fleet.hosts.iter().find(|host| host.nodes.iter().any(|node| node.key == key))
    }

    /// Whether a node's configuration, from its file and the inventory, sets a directive to this value.
    pub(super) fn is_set(&self, node: NodeRef, directive: &str, value: &str) -> bool {
        self.configs.get(&node).and_then(|config| config.setting(directive)) == Some(value)
    }

    /// How messages call the node with this id: by its address where it has one in the inventory.
    pub(super) fn name(&self, id: &str) -> String {
        self.observed.with_id(id).map_or_else(|| format!("node {id}"), |node| node.to_string())
    }
}

pub(super) const NO_REPLICAS: &str = "the inventory wants no replicas";
pub(super) const READ_ONLY: &str = "nothing was written: --read-only";
