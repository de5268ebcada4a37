//! What is wrong in a cluster besides the node that is being restarted: a roll stops at the first new
//! trouble.

use crate::inventory::NodeRef;
use std::collections::BTreeMap;

use crate::cluster::observe::Observed;

/// What is wrong with nodes, by their address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble(BTreeMap<NodeRef, String>);

impl Trouble {
    pub fn of(observed: &Observed) -> Self {
        let silent = observed.down().map(|(node, why)| (node, format!("{node} does not answer: {why}")));
        // One that synchronises is on its way.
        let cut = observed.views().filter(|(_, view)| {
            let replication = &view.info.replication;
            let synchronises = replication.master_sync_in_progress == Some(true);
            view.is_replica() && !replication.link_is_up() && !synchronises
        });
        let cut = cut.map(|(node, _)| (node, format!("{node} has no replication link")));
        let moving = observed.open_slots.iter().map(|open| (open.node, open.to_string()));
        Self(silent.chain(cut).chain(moving).collect())
    }

    /// The first trouble of another node than this one that was not there before.
    pub fn new_since(&self, before: &Self, node: NodeRef) -> Option<&str> {
        let mut new = self.0.iter().filter(|(other, _)| **other != node && !before.0.contains_key(other));
        new.next().map(|(_, what)| what.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{SIX, at, cluster};

    #[test]
    fn only_what_was_fine_before_and_is_not_the_restarted_node_is_new() {
        let of = |text: &str| Trouble::of(&cluster(text));
        let (fine, silent) = (of(SIX), of(&SIX.replace("7006 replica 7003", "7006 down gone")));
        assert_eq!(silent.new_since(&fine, at("7001")), Some("10.0.0.1:7006 does not answer: gone"));
        assert_eq!(silent.new_since(&fine, at("7006")), None);
        assert_eq!(silent.new_since(&silent, at("7001")), None);
        let cut = of(&SIX.replace("7005 replica 7002", "7005 replica 7002 link=down"));
        assert_eq!(cut.new_since(&silent, at("7001")), Some("10.0.0.1:7005 has no replication link"));
    }
}
