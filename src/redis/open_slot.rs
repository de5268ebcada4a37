//! Slots that are on the move, as `CLUSTER NODES` writes them in a node's own line: `[93->-id]` and
//! `[93-<-id]`.

use super::cluster_nodes::NodeRow;
use crate::units::NodeId;

/// A slot that one node has open, for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenSlot {
    pub slot: u16,
    pub direction: Direction,
    /// The node at the other end.
    pub peer: NodeId,
}

/// Which end of a move a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// It gives the slot away: `MIGRATING`.
    Migrating,
    /// It receives the slot: `IMPORTING`.
    Importing,
}

impl OpenSlot {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('[')?.strip_suffix(']')?;
        let (direction, (slot, peer)) = match (text.split_once("->-"), text.split_once("-<-")) {
            (Some(parts), _) => (Direction::Migrating, parts),
            (None, parts) => (Direction::Importing, parts?),
        };
        Some(Self { slot: slot.parse().ok()?, direction, peer: NodeId::from(peer) })
    }
}

impl NodeRow {
    /// The slots it has open; what is written in another way is left out.
    pub fn open_slots(&self) -> impl Iterator<Item = OpenSlot> {
        self.moving.iter().filter_map(|text| OpenSlot::parse(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(slot: u16, direction: Direction, peer: &str) -> OpenSlot {
        OpenSlot { slot, direction, peer: NodeId::from(peer) }
    }

    #[test]
    fn both_ends_of_a_move_are_read() {
        assert_eq!(OpenSlot::parse("[93->-ab]"), Some(open(93, Direction::Migrating, "ab")));
        assert_eq!(OpenSlot::parse("[16383-<-ab]"), Some(open(16383, Direction::Importing, "ab")));
    }

    #[test]
    fn anything_else_is_no_open_slot() {
        for text in ["93", "[93]", "[x->-ab]", "[93->-ab", "->-"] {
            assert_eq!(OpenSlot::parse(text), None, "{text}");
        }
    }
}
