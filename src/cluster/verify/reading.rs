//! The invariants that one look at the nodes judges, without a further question to nodes or hosts: `plan` and
//! `status` take the same look, and tell what is broken.

use std::collections::BTreeMap;

use super::{
    check::Check,
    invariants::{Converges, Facts, TABLE},
    node_config::NodeConfig,
};
use crate::{
    cluster::{observe::Observed, topology::Topology},
    inventory::{Fleet, NodeRef},
};

/// An invariant that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) struct BrokenInvariant {
    pub(in crate::cluster) id: &'static str,
    pub(in crate::cluster) evidence: String,
    /// Whether gossip may still make it hold.
    pub(in crate::cluster) converges: bool,
}

/// The invariants by reading that this look breaks. What it leaves unproven is told by the nodes that do not
/// answer.
pub(in crate::cluster) fn broken_by_reading(
    fleet: &Fleet,
    topology: &Topology,
    observed: &Observed,
) -> Vec<BrokenInvariant> {
    let configs: BTreeMap<NodeRef, NodeConfig> =
        observed.views().map(|(node, view)| (node, NodeConfig::of_running(&view.config))).collect();
    let facts = Facts {
        fleet,
        topology,
        observed,
        details: &BTreeMap::new(),
        syncs: &BTreeMap::new(),
        probes: None,
        redirects: &BTreeMap::new(),
        hosts: &BTreeMap::new(),
        configs: &configs,
    };
    let broken = TABLE.iter().filter(|invariant| invariant.by_reading).filter_map(|invariant| {
        let Check::Broken(evidence) = (invariant.check)(&facts) else { return None };
        let converges = invariant.converges == Converges::AtNodes;
        Some(BrokenInvariant { id: invariant.id, evidence, converges })
    });
    broken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{SIX, cluster, six, view_mut};

    fn broken(observed: &Observed) -> Vec<(&'static str, bool)> {
        let found = broken_by_reading(&six(), &Topology::place(&six()), observed);
        found.into_iter().map(|broken| (broken.id, broken.converges)).collect()
    }

    #[test]
    fn a_look_at_a_healthy_cluster_breaks_none() {
        assert_eq!(broken(&cluster(SIX)), []);
    }

    #[test]
    fn what_only_an_invariant_sees_is_seen_by_reading() {
        let mut full = cluster(SIX);
        let memory = &mut view_mut(&mut full, "7001").info.memory;
        (memory.used, memory.max) = (Some(2_000_000), Some(1_000_000));
        memory.policy = Some("noeviction".to_owned());
        assert_eq!(broken(&full), [("I39", false)]);
        let mut unsaved = cluster(SIX);
        view_mut(&mut unsaved, "7005").config.insert("appendonly".to_owned(), "no".to_owned());
        assert_eq!(broken(&unsaved), [("I34", true)]);
    }

    #[test]
    fn what_a_running_node_chose_is_no_fault() {
        let mut observed = cluster(SIX);
        let view = view_mut(&mut observed, "7004");
        view.info.replication.replica_read_only = Some(false);
        assert_eq!(broken(&observed), [("I23", true)]);
        view_mut(&mut observed, "7004").config.insert("slave-read-only".to_owned(), "no".to_owned());
        assert_eq!(broken(&observed), []);
    }
}
