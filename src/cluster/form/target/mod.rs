//! The role each node is to have. Live roles win over planned ones: a failover leaves nothing to repair.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    cluster::{
        observe::{Observed, View},
        premises::Premises,
        safety::{Holding, SafetyViolation},
        topology::Topology,
    },
    inventory::{Fleet, Node, NodeRef},
    redis::{NodeRow, SLOTS, SlotRange, join_slots},
    units::{MemberName, NodeId},
};

/// The roles that make a cluster of what is there with the fewest changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::cluster) struct TargetRoles {
    pub(in crate::cluster) masters: Vec<NodeRef>,
    /// Replica → its master.
    pub(in crate::cluster) replicas: BTreeMap<NodeRef, NodeRef>,
    /// Slots without an owner, by the master that is to own them.
    pub(in crate::cluster) slot_assignments: BTreeMap<NodeRef, Vec<SlotRange>>,
    /// Ids that no node of the fleet has now, and no election needs: to be forgotten.
    pub(in crate::cluster) stale_ids: Vec<NodeId>,
    /// Slots whose owner is gone, with every copy of their keys that the cluster knew.
    pub(in crate::cluster) lost: Vec<LostSlots>,
    /// Replicas that may take over the slots of a lost master, the most advanced of each.
    pub(in crate::cluster) heirs: BTreeMap<NodeRef, NodeId>,
    /// Nodes about which the engine has to decide first, and what: elections and conflicts that it resolves
    /// itself.
    pub(in crate::cluster) pending: BTreeMap<NodeRef, String>,
}

/// Slots that no running node owns or can inherit, and that had an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) struct LostSlots {
    pub(in crate::cluster) id: NodeId,
    /// The node that had this id, where the manifest or the nodes say so.
    pub(in crate::cluster) node: Option<NodeRef>,
    pub(in crate::cluster) slots: Vec<SlotRange>,
    /// Whether the user gives their keys up.
    pub(in crate::cluster) accepted: Option<MemberName>,
}

impl TargetRoles {
    /// The master of a node's shard: itself where it is one.
    pub(in crate::cluster) fn master_of(&self, node: NodeRef) -> Option<NodeRef> {
        if self.masters.contains(&node) { Some(node) } else { self.replicas.get(&node).copied() }
    }

    /// Refuses to serve slots again whose keys are missing, unless the user gives them up.
    pub(in crate::cluster) fn refuse_loss(&self, fleet: &Fleet) -> Option<SafetyViolation> {
        let lost = self.lost.iter().find(|lost| lost.accepted.is_none())?;
        let node = lost.node.or_else(|| self.masters.first().copied())?;
        let member = Box::new(fleet.nodes().find(|own| own.key == node)?.member());
        let (id, slots) = (lost.id.clone(), lost.slots.clone());
        Some(SafetyViolation::LostShard { node, member, id, slots })
    }

    pub(in crate::cluster) fn replicas_of(&self, master: NodeRef) -> impl Iterator<Item = NodeRef> {
        self.replicas.iter().filter(move |(_, m)| **m == master).map(|(replica, _)| *replica)
    }
}

/// Decides the roles. Every node must have answered.
pub(in crate::cluster) fn decide(
    premises: &Premises<'_>,
    topology: &Topology,
    observed: &Observed,
) -> TargetRoles {
    let mut builder = TargetBuilder::new(premises, topology, observed);
    builder.owners();
    builder.elections();
    builder.recorded_losses();
    builder.more_masters();
    builder.slot_assignments();
    builder.replicas();
    builder.target
}

struct TargetBuilder<'a> {
    premises: Premises<'a>,
    fleet: &'a Fleet,
    topology: &'a Topology,
    views: Vec<(NodeRef, &'a View)>,
    ids: HashMap<&'a NodeId, NodeRef>,
    /// Slots that are owned, or that a replica is about to inherit.
    taken: Vec<bool>,
    target: TargetRoles,
}

impl<'a> TargetBuilder<'a> {
    fn new(premises: &Premises<'a>, topology: &'a Topology, observed: &'a Observed) -> Self {
        let views: Vec<_> = observed.views().collect();
        let ids = views.iter().map(|(node, view)| (&view.id, *node)).collect();
        let taken = vec![false; usize::from(SLOTS)];
        let (premises, fleet) = (*premises, premises.fleet);
        Self { premises, fleet, topology, views, ids, taken, target: TargetRoles::default() }
    }

    /// The nodes that own slots are masters; of two that claim a slot the one with the higher epoch owns it.
    fn owners(&mut self) {
        let mut owner: Vec<Option<(u64, NodeRef)>> = vec![None; usize::from(SLOTS)];
        let mut claimants = Vec::new();
        for (node, view) in &self.views {
            let Some(own) = view.myself().filter(|row| row.is_master() && !row.slots.is_empty()) else {
                continue;
            };
            claimants.push(*node);
            for slot in own.slots.iter().flat_map(|range| range.iter()) {
                let place = &mut owner[usize::from(slot)];
                *place = (*place).max(Some((own.epoch, *node)));
            }
        }
        let winners: HashSet<NodeRef> = owner.iter().flatten().map(|(_, node)| *node).collect();
        for (taken, owner) in self.taken.iter_mut().zip(&owner) {
            *taken = owner.is_some();
        }
        for node in claimants {
            if winners.contains(&node) {
                self.target.masters.push(node);
            } else {
                let text = format!("{node} claims slots that a newer master owns, and has not noticed yet");
                self.target.pending.insert(node, text);
            }
        }
    }

    /// Ids that no node has now. One that owns slots and still has a replica in the fleet is being replaced
    /// by it; the slots of one without are lost.
    fn elections(&mut self) {
        let mut stale_ids: BTreeMap<&NodeId, (&NodeRow, Vec<u16>)> = BTreeMap::new();
        for row in self.views.iter().flat_map(|(_, view)| view.peers()) {
            if !self.ids.contains_key(&row.id) {
                let (_, slots) = stale_ids.entry(&row.id).or_insert((row, Vec::new()));
                slots.extend(row.slots.iter().flat_map(|range| range.iter()));
            }
        }
        for (id, (row, slots)) in stale_ids {
            let mut orphans: Vec<(NodeRef, Holding)> = self
                .views
                .iter()
                .filter(|(_, view)| view.follows(id))
                .map(|(node, view)| (*node, Holding::of_replica(view)))
                .collect();
            orphans.sort_by_key(|(_, holding)| std::cmp::Reverse(holding.rank()));
            let free = self.take(slots);
            // One that never had a link and has no keys can give nothing on.
            let Some((heir, _)) = orphans.first().filter(|(_, holding)| *holding != Holding::Nothing) else {
                self.target.stale_ids.push(id.clone());
                self.lose(id, Some(row), free);
                continue;
            };
            if free.is_empty() {
                continue;
            }
            self.target.heirs.insert(*heir, id.clone());
            for (orphan, _) in orphans {
                let text = format!("{orphan} has not taken over the slots of its lost master {id} yet");
                self.target.pending.insert(orphan, text);
            }
        }
    }

    /// Shards of the manifest of which no member runs under its id: their slots are not free, their keys are
    /// missing.
    fn recorded_losses(&mut self) {
        let Some(manifest) = &self.premises.disk.manifest else { return };
        for member in &manifest.members {
            let runs = |id: &NodeId| self.ids.contains_key(id);
            if runs(&member.id) || manifest.peers(member).any(|peer| runs(&peer.id)) {
                continue;
            }
            let slots = manifest.slots(member);
            let free = self.take(slots.iter().flat_map(|range| range.iter()));
            self.lose(&member.id, None, free);
        }
    }

    /// Takes those of the slots that nobody has yet.
    fn take(&mut self, slots: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let free = |slot: &u16| !std::mem::replace(&mut self.taken[usize::from(*slot)], true);
        let mut free: Vec<u16> = slots.into_iter().filter(free).collect();
        free.sort_unstable();
        free
    }

    /// Slots whose keys nobody has: they become free only where the user gives the keys up, by the name of
    /// any member of the shard.
    fn lose(&mut self, id: &NodeId, row: Option<&NodeRow>, slots: Vec<u16>) {
        if slots.is_empty() {
            return;
        }
        let (node, manifest) = (self.premises.node_of(id, row), &self.premises.disk.manifest);
        let recorded = manifest.as_ref().zip(self.premises.recorded(id));
        let shard =
            recorded.into_iter().flat_map(|(manifest, member)| manifest.peers(member).chain([member]));
        let names = shard.map(|member| MemberName { host: member.host.clone(), node: member.node.clone() });
        let accepted =
            names.chain(node.map(Node::member)).find(|name| self.premises.consent.data_loss.contains(name));
        if accepted.is_some() {
            for slot in &slots {
                self.taken[usize::from(*slot)] = false;
            }
        }
        let (id, node, slots) = (id.clone(), node.map(|node| node.key), join_slots(slots));
        self.target.lost.push(LostSlots { id, node, slots, accepted });
    }

    /// Where slots are free and masters too few, nodes without a role become masters: first those that
    /// already have replicas, then those the topology plans, then any.
    fn more_masters(&mut self) {
        let lacking = self.topology.shards.len().saturating_sub(self.target.masters.len());
        if lacking == 0 || self.taken.iter().all(|taken| *taken) {
            return;
        }
        let has_replicas = |id: &NodeId| self.views.iter().any(|(_, view)| view.follows(id));
        let mut blank: Vec<(u8, NodeRef)> = self
            .views
            .iter()
            .filter(|(node, view)| {
                !view.is_replica()
                    && !self.target.masters.contains(node)
                    && !self.target.pending.contains_key(node)
            })
            .map(|(node, view)| {
                let planned = self.topology.shards.iter().any(|shard| shard.master == *node);
                (if has_replicas(&view.id) { 0 } else { 2 - u8::from(planned) }, *node)
            })
            .collect();
        blank.sort_by_key(|(rank, _)| *rank);
        self.target.masters.extend(blank.into_iter().take(lacking).map(|(_, node)| node));
        let order: HashMap<NodeRef, usize> =
            self.views.iter().enumerate().map(|(index, (node, _))| (*node, index)).collect();
        self.target.masters.sort_by_key(|master| order.get(master));
    }

    /// Free slots go to the master of the shard they are planned for.
    fn slot_assignments(&mut self) {
        for (shard, master) in self.shard_masters() {
            let planned = self.topology.shards[shard].slots.iter().flat_map(|range| range.iter());
            let free = join_slots(planned.filter(|slot| !self.taken[usize::from(*slot)]));
            if !free.is_empty() {
                self.target.slot_assignments.entry(master).or_default().extend(free);
            }
        }
        for ranges in self.target.slot_assignments.values_mut() {
            ranges.sort();
        }
    }

    /// For each planned shard a master: a member of it, else one that no other shard has, else any in turn.
    fn shard_masters(&self) -> Vec<(usize, NodeRef)> {
        let shards = &self.topology.shards;
        let mut left = self.target.masters.clone();
        let mut found: Vec<Option<NodeRef>> = vec![None; shards.len()];
        for (shard, place) in shards.iter().zip(&mut found) {
            if let Some(index) =
                left.iter().position(|master| shard.members().any(|member| member == *master))
            {
                *place = Some(left.remove(index));
            }
        }
        let mut spare = left.into_iter().chain(self.target.masters.iter().copied().cycle());
        found
            .into_iter()
            .enumerate()
            .filter_map(|(i, place)| Some((i, place.or_else(|| spare.next())?)))
            .collect()
    }

    /// All other nodes are replicas. One that already follows a master stays there, unless that master has
    /// too many.
    fn replicas(&mut self) {
        let mut unassigned = Vec::new();
        for (node, view) in &self.views {
            if self.target.masters.contains(node) || self.target.pending.contains_key(node) {
                continue;
            }
            let master = view.myself().and_then(|own| self.ids.get(own.master.as_ref()?)).copied();
            match master.filter(|master| self.target.masters.contains(master)) {
                Some(master) => drop(self.target.replicas.insert(*node, master)),
                None => unassigned.push(*node),
            }
        }
        for replica in unassigned {
            if let Some(master) = self.best_master(replica) {
                self.target.replicas.insert(replica, master);
            }
        }
        while let Some((replica, master)) = self.surplus() {
            self.target.replicas.insert(replica, master);
        }
    }

    fn replica_count(&self, master: NodeRef) -> usize {
        self.target.replicas_of(master).count()
    }

    /// The master that has too few replicas, planned first, on another host second; else the one with the
    /// fewest.
    fn best_master(&self, replica: NodeRef) -> Option<NodeRef> {
        let shard = self.topology.shard_of(replica);
        self.target.masters.iter().copied().min_by_key(|master| {
            let count = self.replica_count(*master);
            let other_shard = self.topology.shard_of(*master) != shard;
            (count >= self.fleet.replicas, other_shard, self.share_a_host(replica, *master), count)
        })
    }

    /// A replica too many somewhere for a master that has too few.
    fn surplus(&self) -> Option<(NodeRef, NodeRef)> {
        let need = self.fleet.replicas;
        let under_replicated =
            self.target.masters.iter().copied().find(|master| self.replica_count(*master) < need)?;
        let shard = self.topology.shard_of(under_replicated);
        let spare = self.target.replicas.iter().filter(|(_, master)| self.replica_count(**master) > need);
        let (replica, _) = spare.min_by_key(|(replica, _)| {
            (self.share_a_host(**replica, under_replicated), self.topology.shard_of(**replica) != shard)
        })?;
        Some((*replica, under_replicated))
    }

    fn share_a_host(&self, one: NodeRef, other: NodeRef) -> bool {
        self.fleet.hosts.iter().any(|host| {
            let has = |key| host.nodes.iter().any(|node| node.key == key);
            has(one) && has(other)
        })
    }
}

#[cfg(test)]
mod tests;
