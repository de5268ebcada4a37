//! What a fleet's cluster is right now, and whether it may be touched at all. Pure, and asked before anything changes:
//! two clusters that shake hands once are merged for good.

mod display;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use super::{
    Observed, Topology, View,
    form::{commands, gaps, target},
};
use crate::{
    inventory::Fleet,
    redis::{Row, SLOTS, parse_nodes},
};

/// How far a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterState {
    /// Nothing to do.
    Formed,
    /// No node knows another one; `cold` when none runs either.
    Unformed { no_process_running: bool },
    /// All nodes answer and this is missing; `converging` where it may be only news that is still on its way.
    Partial { missing: Vec<String>, converging: bool },
    /// A cluster with nodes that do not answer.
    Degraded { down: Vec<String> },
}

/// Why provision keeps its hands off a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SafetyViolation {
    #[error("{node} knows node {id} at {address}, which is not in the inventory")]
    #[diagnostic(help(
        "if {address} belongs to this cluster, add it to the inventory; if {node} was part of another cluster, stop it, \
         move its data folder away and apply again. Nothing was changed: joining the two would merge them for good"
    ))]
    Foreign { node: SocketAddr, id: String, address: String },
    #[error(
        "{node} belongs to another cluster: it knows only nodes like {id} at {address}, and none of this fleet"
    )]
    #[diagnostic(help(
        "stop {node}, move its data folder away and apply again, or take it out of the inventory. \
         Nothing was changed: joining the two would merge them for good"
    ))]
    OtherCluster { node: SocketAddr, id: String, address: String },
    #[error("{one} and {other} have the same node id {id}")]
    #[diagnostic(help(
        "one data folder is a copy of the other, or both addresses reach one process: \
         stop the copy, delete its nodes.conf and apply again"
    ))]
    SameId { one: SocketAddr, other: SocketAddr, id: String },
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

/// Says what the cluster is; `disk` holds the text of `nodes.conf` of nodes that do not run.
pub fn assess(
    fleet: &Fleet,
    observed: &Observed,
    disk: &BTreeMap<SocketAddr, String>,
) -> Result<ClusterState, SafetyViolation> {
    let members = members(fleet, observed, disk);
    refuse(fleet, &members)?;
    let formed = members.iter().any(|member| {
        member.rows.iter().any(|row| !row.slots.is_empty() || (!row.is_myself() && !row.is_handshake()))
    });
    if !formed {
        return Ok(ClusterState::Unformed { no_process_running: observed.views().next().is_none() });
    }
    let down: Vec<String> = observed.down().map(|(node, reason)| format!("{node}: {reason}")).collect();
    if !down.is_empty() {
        return Ok(ClusterState::Degraded { down });
    }
    Ok(completeness(fleet, &Topology::place(fleet), observed))
}

/// How far a cluster is whose nodes all answer.
fn completeness(fleet: &Fleet, topology: &Topology, observed: &Observed) -> ClusterState {
    let target = target::decide(fleet, topology, observed);
    let gaps = gaps::find(fleet, observed, &target);
    let left: Vec<String> = commands::restore(fleet, observed)
        .into_iter()
        .filter_map(|(node, step)| match step {
            commands::Step::Tune(name, value) => {
                Some(format!("{node} still has {name} as formation set it, and not {value}"))
            }
            _ => None,
        })
        .collect();
    if gaps.is_empty() && left.is_empty() {
        return ClusterState::Formed;
    }
    let knows_all = |view: &View| observed.views().all(|(_, peer)| view.row(&peer.id).is_some());
    let converging = left.is_empty()
        && gaps.iter().all(|gap| gap.kind >= gaps::Kind::Link)
        && observed.views().all(|(_, view)| knows_all(view));
    let missing = gaps.into_iter().map(|gap| gap.text).chain(left).collect();
    ClusterState::Partial { missing, converging }
}

/// What is known of a node, from itself or from its file.
struct Member {
    address: SocketAddr,
    id: String,
    rows: Vec<Row>,
    /// `None` where only the file speaks.
    keys: Option<u64>,
}

impl Member {
    fn owns(&self) -> impl Iterator<Item = u16> {
        let own = self.rows.iter().filter(|row| row.is_myself() && row.is_master());
        own.flat_map(|row| row.slots.iter().flat_map(|range| range.iter()))
    }

    fn peers(&self) -> impl Iterator<Item = &Row> {
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
                keys: Some(view.keys),
            });
        }
        // A file the engine could not read either is no ground to refuse: the node itself will say so.
        let listing = parse_nodes(disk.get(&address)?).ok()?;
        let id = listing.myself()?.id.clone();
        Some(Member { address, id, rows: listing.rows, keys: None })
    };
    fleet.nodes().filter_map(|node| member(node.address)).collect()
}

/// Refuses what no command may touch.
pub(super) fn refuse_observed(fleet: &Fleet, observed: &Observed) -> Result<(), SafetyViolation> {
    refuse(fleet, &members(fleet, observed, &BTreeMap::new()))
}

fn refuse(fleet: &Fleet, members: &[Member]) -> Result<(), SafetyViolation> {
    let mut ids: HashMap<&str, SocketAddr> = HashMap::new();
    for member in members {
        if let Some(one) = ids.insert(&member.id, member.address) {
            return Err(SafetyViolation::SameId { one, other: member.address, id: member.id.clone() });
        }
    }
    for member in members {
        refuse_strangers(fleet, &ids, member)?;
    }
    refuse_double_owners(members)?;
    members.iter().try_for_each(refuse_flush)
}

/// An unknown id is foreign when its address is, or when the node knows nobody else. Otherwise it is what one of ours
/// was called before it lost its `nodes.conf`. A node of ours that has not said its id may be any id at its address.
fn refuse_strangers(
    fleet: &Fleet,
    ids: &HashMap<&str, SocketAddr>,
    member: &Member,
) -> Result<(), SafetyViolation> {
    let node = member.address;
    let silent = |address: SocketAddr| {
        fleet.nodes().any(|node| node.address == address) && !ids.values().any(|known| *known == address)
    };
    let mut stranger = None;
    for row in member.peers().filter(|row| !ids.contains_key(row.id.as_str())) {
        match row.address() {
            Some(address) if silent(address) => {}
            Some(address) if !fleet.nodes().any(|node| node.address == address) => {
                return Err(SafetyViolation::Foreign {
                    node,
                    id: row.id.clone(),
                    address: row.written_address(),
                });
            }
            _ => stranger = Some(row),
        }
    }
    let knows_us =
        member.peers().any(|row| ids.contains_key(row.id.as_str()) || row.address().is_some_and(silent));
    match stranger {
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
