//! What nodes are busy with that takes its time: loading their data, or taking over that of their master.

use crate::inventory::NodeRef;
use std::collections::BTreeMap;

use super::observed::{Observed, State};

/// The nodes that load or synchronise, each with how far it is. Whatever changes here is progress, node by
/// node: one that has finished does not hide another that has just begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cluster) struct Activity(BTreeMap<NodeRef, Work>);

/// What a node does, and the bytes it has read so far, where the engine counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Loads(u64),
    Synchronises(u64),
}

impl Activity {
    pub(in crate::cluster) fn of(observed: &Observed) -> Self {
        let work = |(node, state): &(NodeRef, State)| {
            let work = match state {
                State::Loading(bytes) => Work::Loads(*bytes),
                State::Up(view) if view.info.replication.master_sync_in_progress == Some(true) => {
                    Work::Synchronises(view.info.replication.master_sync_read_bytes.unwrap_or(0))
                }
                _ => return None,
            };
            Some((*node, work))
        };
        Self(observed.nodes.iter().filter_map(work).collect())
    }

    /// The same of one node alone.
    pub(in crate::cluster) fn of_node(observed: &Observed, node: NodeRef) -> Self {
        let Self(mut all) = Self::of(observed);
        all.retain(|other, _| *other == node);
        Self(all)
    }

    /// Whether nobody is busy.
    pub(in crate::cluster) fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{at, cluster, view_mut};

    #[test]
    fn a_node_that_has_finished_does_not_hide_one_that_has_begun() {
        let before = Activity::of(&cluster("7001 loading 900\n7002 loading 5"));
        let after = Activity::of(&cluster("7001 master\n7002 loading 5"));
        assert_ne!(before, after);
        assert_ne!(after, Activity::of(&cluster("7001 master\n7002 loading 6")));
        assert_eq!(after, Activity::of_node(&cluster("7001 loading 3\n7002 loading 5"), at("7002")));
    }

    #[test]
    fn a_synchronisation_counts_with_its_bytes_or_without() {
        let mut observed = cluster("7001 master\n7002 replica 7001 link=down");
        assert!(Activity::of(&observed).is_none());
        view_mut(&mut observed, "7002").info.replication.master_sync_in_progress = Some(true);
        let begun = Activity::of(&observed);
        assert!(!begun.is_none());
        view_mut(&mut observed, "7002").info.replication.master_sync_read_bytes = Some(7);
        assert_ne!(Activity::of(&observed), begun);
    }
}
