//! Everything the checks may look at, and the ways to ask the same of all nodes.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::{
    cluster::{
        observe::{Observed, View},
        topology::Topology,
        verify::{
            details::Details,
            evidence::Check,
            host_checks::{HostFacts, NodeFacts, Scope},
            write_probe::WriteProbe,
        },
    },
    inventory::Fleet,
};

/// Everything the checks may look at.
pub(in crate::cluster::verify) struct Facts<'a> {
    pub(in crate::cluster::verify) fleet: &'a Fleet,
    pub(in crate::cluster::verify) topology: &'a Topology,
    pub(in crate::cluster::verify) observed: &'a Observed,
    pub(in crate::cluster::verify) details: BTreeMap<SocketAddr, Details>,
    pub(in crate::cluster::verify) probes: BTreeMap<SocketAddr, WriteProbe>,
    pub(in crate::cluster::verify) hosts: HostFacts,
    pub(in crate::cluster::verify) scope: Scope,
}

/// A master that owns slots, and its replicas, as the nodes themselves say.
pub(super) struct LiveShard<'a> {
    pub(super) address: SocketAddr,
    pub(super) master: &'a View,
    pub(super) replicas: Vec<(SocketAddr, &'a View)>,
}

impl LiveShard<'_> {
    /// The master, then the replicas.
    pub(super) fn members(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.address).chain(self.replicas.iter().map(|(replica, _)| *replica))
    }
}

impl Facts<'_> {
    /// Asks the same of every node; a node that does not answer fails, by name.
    pub(super) fn each(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(SocketAddr, &View) -> Option<String>,
    ) -> Check {
        self.gather(fine, |node, view| wrong(node, view).into_iter().collect())
    }

    /// As [`each`](Self::each), where one node may have several faults.
    pub(super) fn gather(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(SocketAddr, &View) -> Vec<String>,
    ) -> Check {
        let silent = self.observed.silent();
        let found = self.observed.views().flat_map(|(node, view)| wrong(node, view));
        Check::of(silent.chain(found).collect(), fine)
    }

    /// As [`each`](Self::each), for facts that only the nodes' hosts have.
    pub(super) fn each_host(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(SocketAddr, &NodeFacts) -> Option<String>,
    ) -> Check {
        if !self.scope.hosts {
            return Check::not_applicable("the hosts were not asked");
        }
        let found = self.hosts.iter().filter_map(|(node, facts)| match facts {
            Ok(facts) => wrong(*node, facts),
            Err(error) => Some(format!("{node}: {error}")),
        });
        Check::of(found.collect(), fine)
    }

    /// Asks the same of every replica, with its master.
    pub(super) fn each_replica(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn((SocketAddr, &View), (SocketAddr, &View)) -> Option<String>,
    ) -> Check {
        let mut found: Vec<String> = self.observed.silent().collect();
        for shard in self.shards() {
            let master = (shard.address, shard.master);
            found.extend(shard.replicas.iter().filter_map(|replica| wrong(*replica, master)));
        }
        Check::of(found, fine)
    }

    /// How many nodes the fleet has.
    pub(super) fn count(&self) -> usize {
        self.fleet.nodes().count()
    }

    /// The shards as the nodes themselves say.
    pub(super) fn shards<'s>(&'s self) -> Vec<LiveShard<'s>> {
        let shard = |(address, master): (SocketAddr, &'s View)| LiveShard {
            address,
            master,
            replicas: self.observed.replicas_of(&master.id).collect(),
        };
        self.observed.slot_owners().map(shard).collect()
    }

    /// How messages call the node with this id: by its address where it has one in the inventory.
    pub(super) fn name(&self, id: &str) -> String {
        self.observed.address_of(id).map_or_else(|| format!("node {id}"), |address| address.to_string())
    }
}
