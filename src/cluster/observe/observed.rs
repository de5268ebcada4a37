//! What all nodes answered at one moment.

use std::collections::BTreeSet;

use super::view::View;
use crate::{cluster::open_slot::OpenSlot, inventory::NodeRef, units::NodeId};

/// What all nodes answered at one moment, in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    pub nodes: Vec<(NodeRef, State)>,
    /// The slots that nodes mark as moving.
    pub open_slots: Vec<OpenSlot>,
}

/// What one node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It did not answer, and why.
    Down(String),
    /// It has another password than the inventory, or only one of the two has any; what it answered.
    AuthRejected(String),
    /// It is reading its data, this many bytes so far, and will answer soon.
    Loading(u64),
    Up(Box<View>),
}

impl Observed {
    /// The state of one node; `None` where it is not in the inventory.
    pub fn get(&self, node: NodeRef) -> Option<&State> {
        self.nodes.iter().find(|(key, _)| *key == node).map(|(_, state)| state)
    }

    /// The view of one node, where it answered.
    pub fn view(&self, node: NodeRef) -> Option<&View> {
        match self.get(node)? {
            State::Up(view) => Some(view),
            _ => None,
        }
    }

    /// The nodes that answered.
    pub fn views(&self) -> impl Iterator<Item = (NodeRef, &View)> {
        self.nodes.iter().filter_map(|(node, state)| match state {
            State::Up(view) => Some((*node, &**view)),
            _ => None,
        })
    }

    /// The masters that own slots.
    pub fn slot_owners(&self) -> impl Iterator<Item = (NodeRef, &View)> {
        self.views().filter(|(_, view)| view.owns_slots())
    }

    /// The nodes that say they follow the node with this id.
    pub fn replicas_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (NodeRef, &'a View)> {
        self.views().filter(move |(_, view)| view.follows(id))
    }

    /// The nodes that did not answer, and why.
    pub fn down(&self) -> impl Iterator<Item = (NodeRef, &str)> {
        self.nodes.iter().filter_map(|(node, state)| match state {
            State::Down(reason) | State::AuthRejected(reason) => Some((*node, reason.as_str())),
            State::Loading(_) => Some((*node, "is still loading its data")),
            State::Up(_) => None,
        })
    }

    /// Whether every node answered.
    pub fn all_up(&self) -> bool {
        self.down().next().is_none()
    }

    /// The nodes that did not answer, a sentence each for the evidence.
    pub(in crate::cluster) fn silent(&self) -> impl Iterator<Item = String> {
        self.down().map(|(node, reason)| match self.get(node) {
            Some(State::AuthRejected(_)) => format!("{node} runs with another password: {reason}"),
            _ => format!("{node} does not answer"),
        })
    }

    /// The open slots that nobody misses: the other end does not mark the slot, and nothing has arrived on
    /// the importing one. `CLUSTER SETSLOT n STABLE` closes them without touching a key.
    pub(in crate::cluster) fn closable_slots(&self) -> impl Iterator<Item = &OpenSlot> {
        let has_partner = |open: &OpenSlot| {
            self.open_slots.iter().any(|other| {
                let view = self.view(other.node);
                other.slot == open.slot && view.is_some_and(|view| view.id == open.peer)
            })
        };
        self.open_slots.iter().filter(move |open| open.imported == Some(0) && !has_partner(open))
    }

    /// Whether most of the masters with slots that the nodes know answer: only they can elect another one.
    pub(in crate::cluster) fn has_majority(&self) -> bool {
        let rows = self.views().flat_map(|(_, view)| &view.rows);
        let masters: BTreeSet<&NodeId> =
            rows.filter(|row| row.is_master() && !row.slots.is_empty()).map(|row| &row.id).collect();
        let answering = self.slot_owners().filter(|(_, view)| masters.contains(&view.id)).count();
        2 * answering > masters.len()
    }

    /// The highest epoch that any node knows; 0 where none knows any.
    pub(in crate::cluster) fn newest_epoch(&self) -> u64 {
        self.views().map(|(_, view)| view.current_epoch()).max().unwrap_or(0)
    }

    /// The node with this id.
    pub fn with_id(&self, id: &str) -> Option<NodeRef> {
        self.views().find(|(_, view)| &*view.id == id).map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        open_slot::Side,
        testing::{SIX, at, cluster, id},
    };

    fn open(node: &str, slot: u16, side: Side, peer: &str, imported: Option<u64>) -> OpenSlot {
        OpenSlot { node: at(node), slot, side, peer: id(peer), imported }
    }

    #[test]
    fn only_an_empty_side_without_a_partner_is_closed() {
        let closed = |sides: &[OpenSlot]| {
            let mut observed = cluster(SIX);
            observed.open_slots = sides.to_vec();
            observed.closable_slots().cloned().collect::<Vec<_>>()
        };
        let importing = |keys| open("7002", 93, Side::Importing, "7001", keys);
        let migrating = |keys| open("7001", 93, Side::Migrating, "7002", keys);
        assert_eq!(closed(&[importing(Some(0))]), [importing(Some(0))]);
        assert_eq!(closed(&[migrating(Some(0))]), [migrating(Some(0))]);
        assert_eq!(closed(&[importing(Some(2))]), []);
        assert_eq!(closed(&[importing(None)]), []);
        assert_eq!(closed(&[importing(Some(0)), migrating(Some(0))]), [], "it is on its way");
        assert_eq!(closed(&[importing(Some(0)), open("7001", 94, Side::Migrating, "7002", None)]).len(), 1);
    }
}
