//! What nodes are busy with that takes its time: loading their data, or taking over that of their master.

use crate::inventory::NodeRef;
use std::collections::BTreeMap;

use super::{
    observed::{Observed, State},
    view::View,
};

/// The nodes that load, synchronise, or cannot begin to while their master writes its files, each with how
/// far it is. Whatever changes here is progress, node by node: one that has finished does not hide another
/// that has just begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cluster) struct Activity(BTreeMap<NodeRef, Work>);

/// What a node does, and how far it is: the bytes it has read, and the keys that its master has saved, where
/// the engine counts them. A master that writes its AOF begins no synchronisation before that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Loads(u64),
    Synchronises { read: u64, saved: Option<u64> },
    Waits { saved: u64 },
}

impl Activity {
    pub(in crate::cluster) fn of(observed: &Observed) -> Self {
        let work = |(node, state): &(NodeRef, State)| {
            let work = match state {
                State::Loading(bytes) => Work::Loads(*bytes),
                State::Up(view) if view.info.replication.master_sync_in_progress == Some(true) => {
                    let read = view.info.replication.master_sync_read_bytes.unwrap_or(0);
                    Work::Synchronises { read, saved: saved_for(observed, view) }
                }
                State::Up(view) if view.is_replica() && !view.info.replication.link_is_up() => {
                    Work::Waits { saved: saved_for(observed, view)? }
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

/// The keys that a replica's master has saved so far; `None` where it saves none.
fn saved_for(observed: &Observed, replica: &View) -> Option<u64> {
    let master = replica.myself()?.master.as_deref()?;
    let info = &observed.views().find(|(_, view)| &*view.id == master)?.1.info.persistence;
    let saves = info.rdb_bgsave_in_progress == Some(true) || info.aof_rewrite_in_progress == Some(true);
    saves.then(|| info.save_keys_processed.unwrap_or(0))
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
    #[test]
    fn a_replica_waits_while_its_master_writes_its_files() {
        let mut observed = cluster("7001 master\n7002 replica 7001 link=down");
        view_mut(&mut observed, "7001").info.persistence.aof_rewrite_in_progress = Some(true);
        let begun = Activity::of(&observed);
        assert!(!begun.is_none());
        assert_eq!(begun, Activity::of_node(&observed, at("7002")), "it is the replica's");
        view_mut(&mut observed, "7001").info.persistence.save_keys_processed = Some(3);
        assert_ne!(Activity::of(&observed), begun);
        view_mut(&mut observed, "7002").info.replication.master_sync_in_progress = Some(true);
        let synchronises = Activity::of(&observed);
        view_mut(&mut observed, "7001").info.persistence.save_keys_processed = Some(4);
        assert_ne!(
            Activity::of(&observed),
            synchronises,
            "an engine that saves to disk reads nothing before"
        );

        let mut linked = cluster("7001 master\n7002 replica 7001");
        view_mut(&mut linked, "7001").info.persistence.rdb_bgsave_in_progress = Some(true);
        assert!(Activity::of(&linked).is_none(), "nobody waits for it");
    }
}
