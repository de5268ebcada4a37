//! The commands to the cluster that a plan shows before they are sent: whatever changes a role, a slot or the
//! table of nodes of a cluster that was formed before.

use std::{collections::BTreeSet, fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    redis::{SlotRange, show_slots},
    units::{HostName, MemberName, NodeId},
};

/// One such command, or several of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// The node starts when another one owns the slots that it owned: elected, or by CLUSTER FAILOVER FORCE.
    StartAfterLeader { node: SocketAddr, member: MemberName, slots: Vec<SlotRange> },
    /// The node starts, and the keys of its slots are gone.
    StartWithoutKeys { node: SocketAddr, member: MemberName, slots: Vec<SlotRange> },
    /// All nodes drop an id that no node has any more.
    Forget { id: NodeId, address: String },
    /// The node takes over the slots of its lost master: elected, or by CLUSTER FAILOVER FORCE.
    Promote { node: SocketAddr, of: NodeId },
    /// The node becomes the owner of slots that nobody owns.
    Claim { node: SocketAddr, slots: Vec<SlotRange> },
    /// The slots are served again, and their keys are gone: the user accepts it.
    LoseKeys { member: MemberName, id: NodeId, slots: Vec<SlotRange> },
    /// The node follows this master, and drops what keys it has.
    Replicate { node: SocketAddr, master: SocketAddr, flushes: u64 },
    /// CLUSTER SETSLOT STABLE, for a move that nobody makes.
    Stabilise { node: SocketAddr, slot: u16, side: super::Side },
    /// The hosts write down who the members are.
    Record { hosts: BTreeSet<HostName> },
}

impl Op {
    /// Whether keys are given up.
    pub fn loses_keys(&self) -> bool {
        matches!(self, Self::StartWithoutKeys { .. } | Self::LoseKeys { .. })
            || matches!(self, Self::Replicate { flushes, .. } if *flushes > 0)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartAfterLeader { node, member, slots } => write!(
                f,
                "{member} starts once another node of its shard leads: {node} owned slots {} and has not their keys",
                show_slots(slots)
            ),
            Self::StartWithoutKeys { member, slots, .. } => {
                write!(
                    f,
                    "{member} starts and loses the keys of slots {}: nobody keeps them",
                    show_slots(slots)
                )
            }
            Self::Forget { id, address } => write!(f, "forget {id} at {address}, which is gone for good"),
            Self::Promote { node, of } => write!(f, "{node} takes over the slots of {of}, which is gone"),
            Self::Claim { node, slots } => {
                write!(f, "{node} gets slots {}, which nobody owns", show_slots(slots))
            }
            Self::LoseKeys { member, id, slots } => write!(
                f,
                "--accept-data-loss {member} loses the keys of slots {}, which {id} had",
                show_slots(slots)
            ),
            Self::Replicate { node, master, flushes: 0 } => write!(f, "{node} becomes a replica of {master}"),
            Self::Replicate { node, master, flushes } => {
                write!(f, "{node} becomes a replica of {master} and drops its {flushes} keys")
            }
            Self::Stabilise { node, slot, side } => {
                let side = if *side == super::Side::Importing { "importing" } else { "migrating" };
                write!(f, "{node} stops {side} slot {slot}: the other side does not, and no key has arrived")
            }
            Self::Record { hosts } => match hosts.len() {
                1 => f.write_str("1 host writes down who the members are"),
                count => write!(f, "{count} hosts write down who the members are"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::at;

    #[test]
    fn what_gives_keys_up_is_told_apart() {
        let replicate = |flushes| Op::Replicate { node: at("7001"), master: at("7002"), flushes };
        assert!(replicate(3).loses_keys() && !replicate(0).loses_keys());
        assert_eq!(
            replicate(3).to_string(),
            "10.0.0.1:7001 becomes a replica of 10.0.0.1:7002 and drops its 3 keys"
        );
    }
}
