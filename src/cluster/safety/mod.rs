//! What must not be touched: two clusters that shake hands once are merged for good, and joining a cluster
//! deletes keys. Pure, and asked before the first command.

mod change;
mod copies;
mod next_start;
mod start;

use std::{collections::HashMap, net::SocketAddr};

pub(super) use self::copies::{Holding, survives_stop};
pub use self::{
    next_start::{NextStart, Persistence},
    start::{StartRule, start_rules},
};
use super::{auth_mismatch::AuthMismatch, manifest::TwoManifests, observe::Observed, on_disk::OnDisk};
use crate::{
    inventory::{Engine, Fleet, NodeRef, Version},
    redis::{NodeRow, SLOTS, SlotRange, show_slots},
    units::{HostName, MemberName, NodeId, NodeName},
};

/// Why no node of a fleet may be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SafetyViolation {
    #[error("{node} knows node {id} at {address}, which is not in the inventory")]
    #[diagnostic(help(
        "if {address} belongs to this cluster, add it to the inventory; if it is of another cluster, find out how the two met \
         before anything else. Nothing was changed: joining them would merge them for good"
    ))]
    Foreign { node: NodeRef, id: NodeId, address: String },
    #[error(
        "{node} belongs to another cluster: it knows only nodes like {id} at {address}, and none of this fleet"
    )]
    #[diagnostic(help(
        "take {node} out of the inventory, or give this cluster another port. \
         Nothing was changed: joining the two would merge them for good"
    ))]
    OtherCluster { node: NodeRef, id: NodeId, address: String },
    #[error("{one} and {other} have the same node id {id}")]
    #[diagnostic(help(
        "one data folder is a copy of the other, or both addresses reach one process: \
         stop the copy, delete its nodes.conf and apply again"
    ))]
    SameId { one: NodeRef, other: NodeRef, id: NodeId },
    #[error("{one} and {other} both own slot {slot} and do not know each other: they belong to two clusters")]
    #[diagnostic(help(
        "take the nodes of one of them out of the inventory. A node that lost its nodes.conf but kept its keys also looks \
         like this, since it claims the slots of its keys: bring its nodes.conf back. Nothing was changed"
    ))]
    TwoClusters { one: NodeRef, other: NodeRef, slot: u16 },
    #[error("{node} holds {keys} keys but no slots, and joining the cluster would delete them")]
    #[diagnostic(help("copy the keys elsewhere and empty the node with FLUSHALL, then apply again"))]
    WouldFlush { node: NodeRef, keys: u64 },
    #[error(
        "{node} ({member}) was node {id} with slots {}, and no copy of their keys is left: its data is not there",
        show_slots(slots)
    )]
    #[diagnostic(help(
        "where a disk is not mounted or a folder was moved away, bring it back and run this again. \
         `--accept-data-loss {member}` serves these slots without their keys, for good"
    ))]
    LostShard { node: NodeRef, member: Box<MemberName>, id: NodeId, slots: Vec<SlotRange> },
    #[error(
        "{node} ({member}) owns slots {}, and the members that may have their keys cannot be asked",
        show_slots(slots)
    )]
    #[diagnostic(help(
        "it was not started, since they would drop their keys for what it has. Run this again when all hosts of the cluster \
         answer; `--accept-data-loss {member}` starts it all the same"
    ))]
    UnknownCopy { node: NodeRef, member: Box<MemberName>, slots: Vec<SlotRange> },
    #[error(
        "{node} ({member}) has the keys of slots {} as its file was saved, and {other} as its own file was when it started: which \
         is later cannot be told",
        show_slots(slots)
    )]
    #[diagnostic(help(
        "compare what both have, for instance by the times of their files. `--accept-data-loss {other}` starts {member} with its \
         file, and {other} follows it; `--accept-data-loss {member}` lets {other} lead with what it has"
    ))]
    TwoSnapshots { node: NodeRef, member: Box<MemberName>, other: Box<MemberName>, slots: Vec<SlotRange> },
    #[error(
        "{node} ({member}) keeps its keys in {file}, which its next start would not read: `{directive}` differs"
    )]
    #[diagnostic(help(
        "set `{directive}` back to what it was and apply, so that it starts with its keys; a change of how they are kept is \
         made while it runs. `--accept-data-loss {member}` starts it without them"
    ))]
    WouldIgnore { node: NodeRef, member: Box<MemberName>, file: String, directive: String },
    #[error("{node} ({member}) was node {id}; its nodes.conf cannot be read, and its data folder has keys")]
    #[diagnostic(help(
        "it would start as a stranger and claim their slots. Bring its nodes.conf back from a backup; or, where `provision \
         status` shows that another node serves its slots, move its data folder aside, delete nothing, and apply again: it then \
         copies the keys from that one"
    ))]
    LostIdentity { node: NodeRef, member: Box<MemberName>, id: NodeId },
    #[error(
        "{node} ({member}) owned slots {} and has not their keys; its replica has, and most masters are gone whose votes \
         it needs",
        show_slots(slots)
    )]
    #[diagnostic(help(
        "bring hosts with other masters back, if they can be, and run this again: their votes lose nothing. `--takeover` makes \
         the replica the owner without a vote"
    ))]
    NoMajority { node: NodeRef, member: Box<MemberName>, slots: Vec<SlotRange> },
    #[error("this cluster runs {has}, and the inventory means {wants}")]
    #[diagnostic(help(
        "an engine is not changed in place: form a second cluster with another `name` and `port`, and copy the keys. \
         Nothing was changed"
    ))]
    OtherEngine { has: Engine, wants: Engine },
    #[error("this cluster runs version {has}, and the inventory means {wants}, which cannot read its files")]
    #[diagnostic(help(
        "set `version` to {has} or a newer one; data formats do not go back. Nothing was changed"
    ))]
    Downgrade { has: Version, wants: Version },
    #[error("this cluster has {has} {what}, and the inventory means {wants}")]
    #[diagnostic(help(
        "the number of nodes and of replicas of a formed cluster cannot be changed yet: set `nodes` and `replicas` back. \
         Nothing was changed"
    ))]
    OtherCount { what: &'static str, has: usize, wants: usize },
    #[error(
        "{host} has nodes of this cluster that the inventory does not: {}; it means {}",
        names(has),
        names(wants)
    )]
    #[diagnostic(help(
        "set `port` or `nodes` back to what they were: with others a second, empty cluster would stand beside the first. \
         Nothing was changed"
    ))]
    OtherNodes { host: HostName, has: Vec<NodeName>, wants: Vec<NodeName> },
    #[error("{id} ({member}) runs at {has}, and the inventory means {wants}")]
    #[diagnostic(help(
        "the address of a member that runs cannot be changed yet: set its address back. Nothing was changed"
    ))]
    Moved { id: NodeId, member: Box<MemberName>, has: String, wants: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    AuthMismatch(AuthMismatch),
    #[error(transparent)]
    #[diagnostic(transparent)]
    TwoManifests(TwoManifests),
}

fn names(nodes: &[NodeName]) -> String {
    match nodes {
        [first, .., last] => format!("{first} to {last}"),
        _ => nodes.iter().map(NodeName::as_str).collect(),
    }
}

/// Refuses what no command may touch, and an inventory that this cluster cannot follow.
pub(super) fn check(fleet: &Fleet, observed: &Observed, disk: &OnDisk) -> Result<Members, SafetyViolation> {
    let members = check_members(fleet, observed, disk)?;
    change::refuse(fleet, observed, disk)?;
    Ok(members)
}

/// Refuses nodes that are not of this cluster, and those that would lose keys by joining it.
pub(super) fn check_members(
    fleet: &Fleet,
    observed: &Observed,
    disk: &OnDisk,
) -> Result<Members, SafetyViolation> {
    let members = members(fleet, observed, disk);
    refuse(fleet, &members, disk)?;
    Ok(Members(members))
}

/// The nodes of a fleet, none of which is to be refused.
pub(super) struct Members(Vec<Member>);

impl Members {
    /// Whether no node owns a slot or knows another node.
    pub(super) fn is_blank(&self) -> bool {
        !self.0.iter().any(|member| {
            member.rows.iter().any(|row| !row.slots.is_empty() || (!row.is_myself() && !row.is_handshake()))
        })
    }
}

/// What is known of a node, from itself or from its file.
struct Member {
    node: NodeRef,
    id: NodeId,
    rows: Vec<NodeRow>,
    /// `None` where only the file speaks.
    keys: Option<u64>,
}

impl Member {
    fn owns(&self) -> impl Iterator<Item = u16> {
        let own = self.rows.iter().filter(|row| row.is_myself() && row.is_master());
        own.flat_map(|row| row.slots.iter().flat_map(|range| range.iter()))
    }

    fn peers(&self) -> impl Iterator<Item = &NodeRow> {
        self.rows.iter().filter(|row| !row.is_myself() && !row.is_handshake())
    }
}

fn members(fleet: &Fleet, observed: &Observed, disk: &OnDisk) -> Vec<Member> {
    let member = |node: NodeRef| {
        if let Some(view) = observed.view(node) {
            return Some(Member {
                node,
                id: view.id.clone(),
                rows: view.rows.clone(),
                keys: Some(view.keys()),
            });
        }
        let nodes = disk.stopped.get(&node)?.nodes()?;
        let id = nodes.myself()?.id.clone();
        Some(Member { node, id, rows: nodes.rows, keys: None })
    };
    fleet.nodes().filter_map(|node| member(node.key)).collect()
}

fn refuse(fleet: &Fleet, members: &[Member], disk: &OnDisk) -> Result<(), SafetyViolation> {
    let mut ids: HashMap<&NodeId, NodeRef> = HashMap::new();
    for member in members {
        if let Some(one) = ids.insert(&member.id, member.node) {
            return Err(SafetyViolation::SameId { one, other: member.node, id: member.id.clone() });
        }
    }
    for member in members {
        refuse_foreign(fleet, &ids, member, disk)?;
    }
    refuse_double_owners(members)?;
    members.iter().try_for_each(refuse_flush)
}

/// An unknown id is foreign when its address is, or when the node knows no node of the fleet. Otherwise it is
/// the former id of a node of the fleet that lost its `nodes.conf`. A node that did not answer may have any
/// id that is listed at its address. One that is dead and served nothing is what is left of a member.
fn refuse_foreign(
    fleet: &Fleet,
    ids: &HashMap<&NodeId, NodeRef>,
    member: &Member,
    disk: &OnDisk,
) -> Result<(), SafetyViolation> {
    let node = member.node;
    let at = |address: SocketAddr| fleet.nodes().find(|node| node.key.address() == address);
    let silent = |address| at(address).is_some_and(|node| !ids.values().any(|known| *known == node.key));
    let recorded = |id: &NodeId| disk.manifest.as_ref().is_some_and(|manifest| manifest.has(id));
    let mut unknown = None;
    for row in member.peers().filter(|row| !ids.contains_key(&row.id)) {
        match row.address() {
            Some(address) if silent(address) => {}
            Some(address) if at(address).is_none() => {
                // A member that the inventory has no more is for `change` to name.
                let has_left = recorded(&row.id) && moved(fleet, row, disk).is_none();
                if !has_left && !is_remnant(row, member) {
                    return Err(moved(fleet, row, disk).unwrap_or_else(|| SafetyViolation::Foreign {
                        node,
                        id: row.id.clone(),
                        address: row.written_address(),
                    }));
                }
            }
            _ if recorded(&row.id) => {}
            _ => unknown = Some(row),
        }
    }
    let ours =
        |row: &NodeRow| ids.contains_key(&row.id) || recorded(&row.id) || row.address().is_some_and(silent);
    match unknown {
        Some(row) if !member.peers().any(ours) => {
            Err(SafetyViolation::OtherCluster { node, id: row.id.clone(), address: row.written_address() })
        }
        _ => Ok(()),
    }
}

/// Whether a line is about a node that is gone for good: the cluster calls it failed, it owns no slots, and
/// nobody follows it. It comes back by a MEET, if ever.
fn is_remnant(row: &NodeRow, seen_by: &Member) -> bool {
    let is_followed = seen_by.rows.iter().any(|other| other.master.as_ref() == Some(&row.id));
    row.has("fail") && row.slots.is_empty() && !is_followed
}

/// The refusal of a member that runs at another address than the inventory's.
fn moved(fleet: &Fleet, row: &NodeRow, disk: &OnDisk) -> Option<SafetyViolation> {
    let member = disk.manifest.as_ref()?.members.iter().find(|member| member.id == row.id)?;
    let node = fleet.nodes().find(|node| member.is(node.key))?;
    Some(SafetyViolation::Moved {
        id: row.id.clone(),
        member: node.member().into(),
        has: row.written_address(),
        wants: node.key.to_string(),
    })
}

fn refuse_double_owners(members: &[Member]) -> Result<(), SafetyViolation> {
    let mut owner: Vec<Option<usize>> = vec![None; usize::from(SLOTS)];
    for (index, member) in members.iter().enumerate() {
        for slot in member.owns() {
            let Some(other) = owner[usize::from(slot)].replace(index) else { continue };
            let other = &members[other];
            let met = |a: &Member, b: &Member| a.peers().any(|row| row.id == b.id);
            if !met(member, other) && !met(other, member) {
                return Err(SafetyViolation::TwoClusters { one: other.node, other: member.node, slot });
            }
        }
    }
    Ok(())
}

fn refuse_flush(member: &Member) -> Result<(), SafetyViolation> {
    let keys = member.keys.unwrap_or(0);
    let alone = member.peers().next().is_none();
    let replica = member.rows.iter().any(|row| row.is_myself() && row.is_replica());
    if keys > 0 && alone && !replica && member.owns().next().is_none() {
        return Err(SafetyViolation::WouldFlush { node: member.node, keys });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
