//! What must not be touched: two clusters that shake hands once are merged for good, and joining a cluster
//! deletes keys. Pure, and asked before the first command.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use super::observe::Observed;
use crate::{
    inventory::Fleet,
    redis::{NodeRow, SLOTS, parse_nodes},
    units::NodeId,
};

/// Why no node of a fleet may be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SafetyViolation {
    #[error("{node} knows node {id} at {address}, which is not in the inventory")]
    #[diagnostic(help(
        "if {address} belongs to this cluster, add it to the inventory; if {node} was part of another cluster, stop it, \
         move its data folder away and apply again. Nothing was changed: joining the two would merge them for good"
    ))]
    Foreign { node: SocketAddr, id: NodeId, address: String },
    #[error(
        "{node} belongs to another cluster: it knows only nodes like {id} at {address}, and none of this fleet"
    )]
    #[diagnostic(help(
        "stop {node}, move its data folder away and apply again, or take it out of the inventory. \
         Nothing was changed: joining the two would merge them for good"
    ))]
    OtherCluster { node: SocketAddr, id: NodeId, address: String },
    #[error("{one} and {other} have the same node id {id}")]
    #[diagnostic(help(
        "one data folder is a copy of the other, or both addresses reach one process: \
         stop the copy, delete its nodes.conf and apply again"
    ))]
    SameId { one: SocketAddr, other: SocketAddr, id: NodeId },
    #[error("{one} and {other} both own slot {slot} and do not know each other: they belong to two clusters")]
    #[diagnostic(help(
        "decide which cluster to keep, stop the nodes of the other one, move their data folders away and apply again. \
         A node that lost its nodes.conf but kept its keys also looks like this: it claims the slots of its keys"
    ))]
    TwoClusters { one: SocketAddr, other: SocketAddr, slot: u16 },
    #[error("{node} holds {keys} keys but no slots, and joining the cluster would delete them")]
    #[diagnostic(help("copy the keys elsewhere and empty the node with FLUSHALL, then apply again"))]
    WouldFlush { node: SocketAddr, keys: u64 },
}

/// Refuses what no command may touch; `disk` holds the text of `nodes.conf` of nodes that do not run.
pub(super) fn check(
    fleet: &Fleet,
    observed: &Observed,
    disk: &BTreeMap<SocketAddr, String>,
) -> Result<Members, SafetyViolation> {
    let members = members(fleet, observed, disk);
    refuse(fleet, &members)?;
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
    address: SocketAddr,
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

fn members(fleet: &Fleet, observed: &Observed, disk: &BTreeMap<SocketAddr, String>) -> Vec<Member> {
    let member = |address: SocketAddr| {
        if let Some(view) = observed.view(address) {
            return Some(Member {
                address,
                id: view.id.clone(),
                rows: view.rows.clone(),
                keys: Some(view.keys()),
            });
        }
        // A file the engine could not read either is no ground to refuse: the node itself will say so.
        let nodes = parse_nodes(disk.get(&address)?).ok()?;
        let id = nodes.myself()?.id.clone();
        Some(Member { address, id, rows: nodes.rows, keys: None })
    };
    fleet.nodes().filter_map(|node| member(node.address)).collect()
}

fn refuse(fleet: &Fleet, members: &[Member]) -> Result<(), SafetyViolation> {
    let mut ids: HashMap<&NodeId, SocketAddr> = HashMap::new();
    for member in members {
        if let Some(one) = ids.insert(&member.id, member.address) {
            return Err(SafetyViolation::SameId { one, other: member.address, id: member.id.clone() });
        }
    }
    for member in members {
        refuse_foreign(fleet, &ids, member)?;
    }
    refuse_double_owners(members)?;
    members.iter().try_for_each(refuse_flush)
}

/// An unknown id is foreign when its address is, or when the node knows no node of the fleet. Otherwise it is
/// the former id of a node of the fleet that lost its `nodes.conf`. A node that did not answer may have any
/// id that is listed at its address.
fn refuse_foreign(
    fleet: &Fleet,
    ids: &HashMap<&NodeId, SocketAddr>,
    member: &Member,
) -> Result<(), SafetyViolation> {
    let node = member.address;
    let silent = |address: SocketAddr| {
        fleet.nodes().any(|node| node.address == address) && !ids.values().any(|known| *known == address)
    };
    let mut unknown = None;
    for row in member.peers().filter(|row| !ids.contains_key(&row.id)) {
        match row.address() {
            Some(address) if silent(address) => {}
            Some(address) if !fleet.nodes().any(|node| node.address == address) => {
                return Err(SafetyViolation::Foreign {
                    node,
                    id: row.id.clone(),
                    address: row.written_address(),
                });
            }
            _ => unknown = Some(row),
        }
    }
    let knows_us = member.peers().any(|row| ids.contains_key(&row.id) || row.address().is_some_and(silent));
    match unknown {
        Some(row) if !knows_us => {
            Err(SafetyViolation::OtherCluster { node, id: row.id.clone(), address: row.written_address() })
        }
        _ => Ok(()),
    }
}

fn refuse_double_owners(members: &[Member]) -> Result<(), SafetyViolation> {
    let mut owner: Vec<Option<usize>> = vec![None; usize::from(SLOTS)];
    for (index, member) in members.iter().enumerate() {
        for slot in member.owns() {
            let Some(other) = owner[usize::from(slot)].replace(index) else { continue };
            let other = &members[other];
            let met = |a: &Member, b: &Member| a.peers().any(|row| row.id == b.id);
            if !met(member, other) && !met(other, member) {
                return Err(SafetyViolation::TwoClusters { one: other.address, other: member.address, slot });
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
        return Err(SafetyViolation::WouldFlush { node: member.address, keys });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
