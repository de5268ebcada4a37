//! The numbered invariants, one function each. The numbers are those of `reference/redis-cluster.md` §5.2 and never
//! change; what cannot apply here says so instead of being left out.

mod durability;
mod epochs;
mod flags;
mod identity;
mod replication;
mod roles;
mod service;
mod slots;

use std::{collections::BTreeMap, net::SocketAddr};

use super::{
    Details,
    evidence::Check,
    host_checks::{HostCheckTarget, HostFacts, NodeFacts},
    write_probe::WriteProbe,
};
use crate::{
    cluster::{
        Observed, Topology, View,
        form::{gaps, target},
    },
    inventory::Fleet,
    redis::Row,
};

/// Everything the checks may look at.
pub(super) struct Facts<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) topology: &'a Topology,
    pub(super) observed: &'a Observed,
    pub(super) details: BTreeMap<SocketAddr, Details>,
    pub(super) probes: BTreeMap<SocketAddr, WriteProbe>,
    pub(super) hosts: HostFacts,
    pub(super) targets: &'a BTreeMap<String, HostCheckTarget>,
}

type Row3 = (&'static str, &'static str, fn(&Facts<'_>) -> Check);

pub(super) const TABLE: [Row3; 37] = [
    ("I1", "node ids are distinct", identity::i1),
    ("I2", "every node knows exactly the nodes of the fleet", identity::i2),
    ("I3", "every node has every address right", identity::i3),
    ("I4", "one engine, version and build", identity::i4),
    ("I5", "the processes run the installed binary", identity::i5),
    ("I6", "no node is failing, unknown or in handshake", flags::i6),
    ("I7", "every link is connected", flags::i7),
    ("I8", "links exist in both directions", flags::i8),
    ("I9", "pings are answered in time", flags::i9),
    ("I10", "every slot has one owner, the same on all nodes", slots::i10),
    ("I11", "slot ranges are the planned ones", slots::i11),
    ("I12", "no slot is on the move", slots::i12),
    ("I13", "all slots are ok", slots::i13),
    ("I14", "replicas own no slots", slots::i14),
    ("I15", "the cluster has the planned size", slots::i15),
    ("I16", "masters have distinct epochs", epochs::i16),
    ("I17", "all nodes agree on each master's epoch", epochs::i17),
    ("I18", "the current epoch is the same everywhere", epochs::i18),
    ("I19", "each master has its replicas", roles::i19),
    ("I20", "replicas follow their master's address", roles::i20),
    ("I21", "a master and its replicas are apart", roles::i21),
    ("I22", "replicas are online at their master", replication::i22),
    ("I23", "replicas have their link and are read-only", replication::i23),
    ("I24", "a shard has one replication id", replication::i24),
    ("I25", "writes reach the replicas: WAIT, offset gap 0", replication::i25),
    ("I26", "what was written is read from the replicas", replication::i26),
    ("I27", "no replica syncs over and over", replication::i27),
    ("I28", "ROLE agrees with CLUSTER NODES", replication::i28),
    ("I29", "cluster_state is ok and every master takes writes", service::i29),
    ("I30", "the wrong node redirects", service::i30),
    ("I31", "the probe keys are gone", service::i31),
    ("I32", "no faults in the logs since start", service::i32),
    ("I33", "nodes.conf on disk is what is live", durability::i33),
    ("I34", "persistence works", durability::i34),
    ("I35", "running configuration is the rendered one", durability::i35),
    ("I36", "units start at boot", durability::i36),
    ("I37", "settings of the formation are put back", durability::i37),
];

/// Whether probes have a chance: every replica of every master is online.
pub(super) fn replicas_are_up(fleet: &Fleet, topology: &Topology, observed: &Observed) -> bool {
    let target = target::decide(fleet, topology, observed);
    gaps::find(fleet, observed, &target).is_empty()
}

/// A shard's replicas with their views.
type Replicas<'a> = Vec<(SocketAddr, &'a View)>;

impl Facts<'_> {
    /// Asks the same of every node; a node that does not answer fails, by name.
    fn each(&self, fine: impl Into<String>, wrong: impl Fn(SocketAddr, &View) -> Option<String>) -> Check {
        self.gather(fine, |node, view| wrong(node, view).into_iter().collect())
    }

    fn gather(&self, fine: impl Into<String>, wrong: impl Fn(SocketAddr, &View) -> Vec<String>) -> Check {
        let silent = self.observed.silent();
        let found = self.observed.views().flat_map(|(node, view)| wrong(node, view));
        Check::of(silent.chain(found).collect(), fine)
    }

    /// The same for what only hosts can tell.
    fn each_host(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn(SocketAddr, &NodeFacts) -> Option<String>,
    ) -> Check {
        if self.targets.is_empty() {
            return Check::not_applicable("the hosts were not asked");
        }
        let found = self.hosts.iter().filter_map(|(node, facts)| match facts {
            Ok(facts) => wrong(*node, facts),
            Err(error) => Some(format!("{node}: {error}")),
        });
        Check::of(found.collect(), fine)
    }

    fn count(&self) -> usize {
        self.fleet.nodes().count()
    }

    /// The masters that own slots, with their replicas, as the nodes themselves say.
    fn shards(&self) -> Vec<(SocketAddr, &View, Replicas<'_>)> {
        let own = |view: &View| view.myself().cloned();
        let masters = self
            .observed
            .views()
            .filter(|(_, view)| view.myself().is_some_and(|own| own.is_master() && !own.slots.is_empty()));
        masters
            .map(|(address, view)| {
                let follows = |row: &Row| row.is_replica() && row.master.as_deref() == Some(&view.id);
                let replicas =
                    self.observed.views().filter(|(_, peer)| own(peer).as_ref().is_some_and(follows));
                (address, view, replicas.collect())
            })
            .collect()
    }

    /// Asks the same of every replica, with its master.
    fn each_replica(
        &self,
        fine: impl Into<String>,
        wrong: impl Fn((SocketAddr, &View), (SocketAddr, &View)) -> Option<String>,
    ) -> Check {
        let shards = self.shards();
        let pairs = shards.iter().flat_map(|(address, view, replicas)| {
            replicas.iter().map(move |replica| (*replica, (*address, *view)))
        });
        let silent = self.observed.silent();
        let found = pairs.filter_map(|(replica, master)| wrong(replica, master));
        Check::of(silent.chain(found).collect(), fine)
    }

    /// The name by which messages call an id: its address where it is one of ours.
    fn name(&self, id: &str) -> String {
        self.observed.address_of(id).map_or_else(|| format!("node {id}"), |address| address.to_string())
    }
}
