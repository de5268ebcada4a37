//! Slots that are marked as moving from one node to another. While one is, keys of a slot are on two nodes: a
//! hand-over of either would leave them unreachable.

use crate::inventory::NodeRef;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::observe::View;
use crate::units::NodeId;

/// One side of a move, as the node itself marks it: `[93->-id]` or `[93-<-id]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSlot {
    pub node: NodeRef,
    pub slot: u16,
    pub side: Side,
    /// The node at the other end.
    pub peer: NodeId,
    /// The keys of the slot on the importing side; `None` where that node was not asked or did not say.
    pub imported: Option<u64>,
}

/// Which end of a move a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Migrating,
    Importing,
}

impl OpenSlot {
    fn parse(node: NodeRef, word: &str) -> Option<Self> {
        let word = word.strip_prefix('[')?.strip_suffix(']')?;
        let (slot, side, peer) = match word.split_once("->-") {
            Some((slot, peer)) => (slot, Side::Migrating, peer),
            None => word.split_once("-<-").map(|(slot, peer)| (slot, Side::Importing, peer))?,
        };
        Some(Self { node, slot: slot.parse().ok()?, side, peer: NodeId::from(peer), imported: None })
    }
}

impl fmt::Display for OpenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, slot, peer, .. } = self;
        match self.side {
            Side::Migrating => write!(f, "slot {slot} is migrating from {node} to {peer}")?,
            Side::Importing => write!(f, "{node} is importing slot {slot} from {peer}")?,
        }
        self.imported.map_or(Ok(()), |keys| write!(f, ", where {keys} keys of it have arrived"))
    }
}

/// The open slots that a node marks as its own.
pub(super) fn of(node: NodeRef, view: &View) -> impl Iterator<Item = OpenSlot> {
    let words = view.myself().into_iter().flat_map(|row| &row.moving);
    words.filter_map(move |word| OpenSlot::parse(node, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{at, id};

    fn open(node: &str, slot: u16, side: Side, peer: &str, imported: Option<u64>) -> OpenSlot {
        OpenSlot { node: at(node), slot, side, peer: id(peer), imported }
    }

    #[test]
    fn both_sides_are_read_as_the_engine_writes_them() {
        let read = |word: &str| OpenSlot::parse(at("7001"), word);
        let peer = id("7002");
        assert_eq!(read(&format!("[93->-{peer}]")), Some(open("7001", 93, Side::Migrating, "7002", None)));
        assert_eq!(read(&format!("[93-<-{peer}]")), Some(open("7001", 93, Side::Importing, "7002", None)));
        for word in ["93->-x", "[x->-y]", "[93]", ""] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
