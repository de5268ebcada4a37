//! Who belongs to the cluster, and how: the union of inventory, manifest and what live nodes say, by name and
//! by id. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    manifest::ManifestMember,
    observe::{Observed, State, View},
    on_disk::OnDisk,
};
use crate::{
    inventory::{Endpoints, Fleet, Node},
    redis::NodeRow,
    units::{MemberName, NodeId},
};

/// A node that the inventory, the manifest or the cluster knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name in the inventory, or in the manifest.
    pub name: Option<MemberName>,
    /// The id it has, or had, in the cluster.
    pub id: Option<NodeId>,
    /// What the inventory says; of a member that it does not have, what the cluster or the manifest says.
    pub endpoints: Option<Endpoints>,
    pub state: MemberState,
    pub relation: Relation,
}

/// Whether a member answers. Of one that the inventory does not have, the other nodes tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    Up,
    Loading,
    Down,
    AuthRejected,
}

/// What a member is to the inventory and the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// The inventory has it, and it is what it was.
    Wanted,
    /// The inventory has it, and it has never been in a cluster.
    New,
    /// The inventory has it, it is blank, and the manifest knows an id that it had.
    Returning,
    /// The manifest has it, and the inventory does not any more.
    Leaving,
    /// The inventory has it at another address than the one where it runs.
    Moved,
    /// It runs, and neither inventory nor manifest know it.
    Stranger,
    /// The cluster still lists it, and it is gone.
    Remnant,
}

/// All members: those of the inventory in its order, then the others by their ids.
pub fn members(fleet: &Fleet, disk: &OnDisk, observed: &Observed) -> Vec<Member> {
    let lists = Lists::new(observed);
    let mut members: Vec<Member> =
        fleet.nodes().map(|node| of_node(node, fleet, disk, observed, &lists)).collect();
    let known: BTreeSet<NodeId> = members.iter().filter_map(|member| member.id.clone()).collect();
    let recorded = disk.manifest.iter().flat_map(|manifest| &manifest.members);
    let recorded: BTreeMap<&NodeId, &ManifestMember> = recorded.map(|member| (&member.id, member)).collect();
    let ids: BTreeSet<&NodeId> = recorded.keys().copied().chain(lists.0.keys().copied()).collect();
    let others = ids.into_iter().filter(|id| !known.contains(*id));
    members.extend(others.filter_map(|id| other(id, recorded.get(id).copied(), lists.row(id), fleet)));
    members.extend(leftover(disk));
    members
}

/// What live nodes list, by id: of what several say, the line that calls it alive.
struct Lists<'a>(BTreeMap<&'a NodeId, &'a NodeRow>);

impl<'a> Lists<'a> {
    fn new(observed: &'a Observed) -> Self {
        let mut rows: BTreeMap<&NodeId, &NodeRow> = BTreeMap::new();
        for row in observed.views().flat_map(|(_, view)| view.peers()) {
            let known = rows.entry(&row.id).or_insert(row);
            if is_dead(known) {
                *known = row;
            }
        }
        Self(rows)
    }

    fn row(&self, id: &NodeId) -> Option<&'a NodeRow> {
        self.0.get(id).copied()
    }
}

/// Whether the cluster has agreed that it failed, or does not know where it is.
fn is_dead(row: &NodeRow) -> bool {
    row.has("fail") || row.has("noaddr")
}

fn of_node(node: &Node, fleet: &Fleet, disk: &OnDisk, observed: &Observed, lists: &Lists<'_>) -> Member {
    let recorded = disk.manifest.as_ref().and_then(|manifest| manifest.member(node.key));
    let view = observed.view(node.key);
    let stopped = disk.stopped.get(&node.key);
    let is_alone = |rows: &[NodeRow]| !rows.iter().any(is_of_cluster);
    let is_blank = match (view, stopped) {
        (Some(view), _) => is_alone(&view.rows),
        (None, Some(stopped)) => stopped.nodes().map_or(stopped.nodes_conf.is_none(), |n| is_alone(&n.rows)),
        // Nothing is known of a node whose host does not answer.
        (None, None) => false,
    };
    let own = view.map(|view| view.id.clone()).or_else(|| Some(stopped?.myself()?.id));
    let listed = || id_at(node, fleet, observed, lists);
    let id = own.or_else(|| recorded.map(|member| member.id.clone())).or_else(listed);
    let runs_elsewhere = id.as_ref().and_then(|id| lists.row(id)).is_some_and(|row| {
        view.is_none() && !is_dead(row) && row.address().is_some_and(|at| at != node.key.address())
    });
    let relation = match (recorded, &id) {
        (Some(_), _) if is_blank => Relation::Returning,
        (None, _) if is_blank => Relation::New,
        (_, Some(_)) if runs_elsewhere => Relation::Moved,
        (_, Some(_)) => Relation::Wanted,
        (_, None) => Relation::New,
    };
    let state = match observed.get(node.key) {
        Some(State::Up(_)) => MemberState::Up,
        Some(State::Loading(_)) => MemberState::Loading,
        Some(State::AuthRejected(_)) => MemberState::AuthRejected,
        Some(State::Down(_)) | None => MemberState::Down,
    };
    Member { name: Some(node.member()), id, endpoints: Some(node.key.announced()), state, relation }
}

/// Whether a line shows that its node is in a cluster.
fn is_of_cluster(row: &NodeRow) -> bool {
    !row.slots.is_empty() || (!row.is_myself() && !row.is_handshake()) || row.is_replica()
}

/// The id that other nodes list at a silent node's address.
fn id_at(node: &Node, fleet: &Fleet, observed: &Observed, lists: &Lists<'_>) -> Option<NodeId> {
    let lives =
        |id: &NodeId| fleet.nodes().any(|other| observed.view(other.key).map(|v: &View| &v.id) == Some(id));
    let at_address = |(id, row): (&&NodeId, &&NodeRow)| {
        (row.address() == Some(node.key.address()) && !lives(id)).then(|| (*id).clone())
    };
    lists.0.iter().find_map(at_address)
}

/// A member under an id that no node of the inventory has; `None` for a former id that no node lists now.
fn other(
    id: &NodeId,
    recorded: Option<&ManifestMember>,
    row: Option<&NodeRow>,
    fleet: &Fleet,
) -> Option<Member> {
    let name = recorded.map(ManifestMember::name);
    let is_wanted = name.as_ref().is_some_and(|name| fleet.nodes().any(|node| node.member() == *name));
    let is_alive = row.is_some_and(|row| !is_dead(row));
    let relation = match (recorded, row) {
        (_, Some(_)) if !is_alive => Relation::Remnant,
        (Some(_), None) if is_wanted => return None,
        (Some(_), _) if is_wanted => Relation::Moved,
        (Some(_), _) => Relation::Leaving,
        (None, _) => Relation::Stranger,
    };
    let listed = row.and_then(|row| Some(Endpoints { client: row.address()?, bus_port: row.bus_port }));
    let endpoints = listed.or_else(|| Some(Endpoints::at(recorded?.address)));
    let state = if is_alive { MemberState::Up } else { MemberState::Down };
    Some(Member { name, id: Some(id.clone()), endpoints, state, relation })
}

/// Nodes with data of which hosts know the names alone.
fn leftover(disk: &OnDisk) -> impl Iterator<Item = Member> + '_ {
    let is_recorded = |name: &MemberName| {
        disk.manifest.iter().flat_map(|manifest| &manifest.members).any(|member| member.name() == *name)
    };
    let names = disk.leftover.iter().flat_map(|(host, nodes)| {
        nodes.iter().map(|node| MemberName { host: host.clone(), node: node.clone() })
    });
    names.filter(move |name| !is_recorded(name)).map(|name| {
        let (name, id, endpoints) = (Some(name), None, None);
        Member { name, id, endpoints, state: MemberState::Down, relation: Relation::Leaving }
    })
}

#[cfg(test)]
mod tests;
