//! The commands to the cluster that a plan shows before they are sent: whatever changes a role, a slot or the
//! table of nodes of a cluster that was formed before.

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config_change::Setting;
use crate::{
    inventory::NodeRef,
    redis::{SlotRange, show_slots},
    units::{HostName, MemberName, NodeId},
};

/// One such command, or several of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// The node starts when another one owns the slots that it owned: elected, or by CLUSTER FAILOVER FORCE.
    StartAfterLeader { node: NodeRef, member: MemberName, slots: Vec<SlotRange> },
    /// The node starts, and the keys of its slots are gone.
    StartWithoutKeys { node: NodeRef, member: MemberName, slots: Vec<SlotRange> },
    /// All nodes drop an id that no node has any more.
    Forget { id: NodeId, address: String },
    /// The node takes over the slots of its lost master: elected, or by CLUSTER FAILOVER FORCE.
    Promote { node: NodeRef, of: NodeId },
    /// The node becomes the owner of slots that nobody owns.
    Claim { node: NodeRef, slots: Vec<SlotRange> },
    /// The slots are served again, and their keys are gone: the user accepts it.
    LoseKeys { member: MemberName, id: NodeId, slots: Vec<SlotRange> },
    /// The node follows this master, and drops what keys it has.
    Replicate { node: NodeRef, master: NodeRef, flushes: u64 },
    /// The replica takes over from its master by agreement (CLUSTER FAILOVER): no write is lost.
    Lead { node: NodeRef, instead_of: NodeRef },
    /// CLUSTER SETSLOT STABLE, for a move that nobody makes.
    Stabilise { node: NodeRef, slot: u16, side: super::Side },
    /// The hosts write down who the members are.
    Record { hosts: BTreeSet<HostName> },
    /// The node gets another value of a directive while it runs.
    Set { node: NodeRef, directive: String, value: String, was: String },
}

impl Op {
    /// A node gets a value while it runs.
    pub fn set(node: NodeRef, setting: Setting) -> Self {
        let Setting { directive, value, was } = setting;
        Self::Set { node, directive, value, was }
    }

    pub(super) fn is_same_setting(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Set { directive, value, was, .. }, Self::Set { directive: d, value: v, was: w, .. }) => {
                (directive, value, was) == (d, v, w)
            }
            _ => false,
        }
    }

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
            Self::Lead { node, instead_of } => {
                write!(
                    f,
                    "{node} leads instead of {instead_of}, by agreement: one host or zone holds most masters"
                )
            }
            Self::Stabilise { node, slot, side } => {
                let side = if *side == super::Side::Importing { "importing" } else { "migrating" };
                write!(f, "{node} stops {side} slot {slot}: the other side does not, and no key has arrived")
            }
            Self::Record { hosts } => match hosts.len() {
                1 => f.write_str("1 host writes down who the members are"),
                count => write!(f, "{count} hosts write down who the members are"),
            },
            Self::Set { node, directive, value, was } => {
                f.write_str(&setting(&[*node], directive, value, was))
            }
        }
    }
}

/// Ops as sentences, in their order; equal settings of several nodes are one.
pub fn sentences<'a>(ops: impl IntoIterator<Item = &'a Op>) -> Vec<String> {
    let mut groups: Vec<(&Op, Vec<NodeRef>)> = Vec::new();
    for op in ops {
        let node = if let Op::Set { node, .. } = op { vec![*node] } else { Vec::new() };
        match groups.iter_mut().find(|(first, _)| first.is_same_setting(op)) {
            Some((_, nodes)) => nodes.extend(node),
            None => groups.push((op, node)),
        }
    }
    let sentence = |(op, nodes): (&Op, Vec<NodeRef>)| match op {
        Op::Set { directive, value, was, .. } => setting(&nodes, directive, value, was),
        other => other.to_string(),
    };
    groups.into_iter().map(sentence).collect()
}

/// `10.0.0.1:7001: maxmemory 0 → 100mb, live`
fn setting(nodes: &[NodeRef], directive: &str, value: &str, was: &str) -> String {
    let nodes = match nodes {
        [one] => one.to_string(),
        [one, other] => format!("{one}, {other}"),
        all => format!("{} nodes", all.len()),
    };
    if value == was {
        return format!("{nodes}: {directive} is {value} already, and is on disk before its file says so");
    }
    format!("{nodes}: {directive} {} → {}, live", shown(was), shown(value))
}

/// A value as a sentence has it.
pub(super) fn shown(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
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

    #[test]
    fn equal_settings_of_many_nodes_are_one_sentence() {
        let set = |node: &str, value: &str| Op::Set {
            node: at(node),
            directive: "maxmemory".into(),
            value: value.into(),
            was: "0".into(),
        };
        let many: Vec<Op> = (7001..7097).map(|port| set(&port.to_string(), "100mb")).collect();
        let others = [set("7097", "1gb"), Op::Record { hosts: ["h0".into()].into() }];
        let expected = [
            "96 nodes: maxmemory 0 → 100mb, live",
            "10.0.0.1:7097: maxmemory 0 → 1gb, live",
            "1 host writes down who the members are",
        ];
        assert_eq!(sentences(many.iter().chain(&others)), expected);
        let empty =
            Op::Set { node: at("7001"), directive: "save".into(), value: String::new(), was: "60 1".into() };
        assert_eq!(empty.to_string(), "10.0.0.1:7001: save 60 1 → \"\", live");
    }
}
