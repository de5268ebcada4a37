//! Which node is to be what. Live roles win over planned ones: after a failover nothing is wrong.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
};

use crate::{
    cluster::{Observed, Topology, View},
    inventory::Fleet,
    redis::{SLOTS, SlotRange, join_slots},
};

/// The roles that make a cluster of what is there with the fewest changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::cluster) struct TargetRoles {
    pub(in crate::cluster) masters: Vec<SocketAddr>,
    /// Replica → its master.
    pub(in crate::cluster) replicas: BTreeMap<SocketAddr, SocketAddr>,
    /// Slots nobody owns, and who shall have them.
    pub(in crate::cluster) slot_assignments: BTreeMap<SocketAddr, Vec<SlotRange>>,
    /// Ids that no node of ours has any more, and which nothing waits for: to be forgotten.
    pub(in crate::cluster) stale_ids: Vec<String>,
    /// What the engine has to decide first, in words: elections and conflicts it settles itself.
    pub(in crate::cluster) pending: BTreeMap<SocketAddr, String>,
}

impl TargetRoles {
    /// The master of a node's shard: itself where it is one.
    pub(in crate::cluster) fn master_of(&self, node: SocketAddr) -> Option<SocketAddr> {
        if self.masters.contains(&node) { Some(node) } else { self.replicas.get(&node).copied() }
    }

    pub(in crate::cluster) fn replicas_of(&self, master: SocketAddr) -> impl Iterator<Item = SocketAddr> {
        self.replicas.iter().filter(move |(_, m)| **m == master).map(|(replica, _)| *replica)
    }
}

/// Decides the roles. Every node must have answered.
pub(in crate::cluster) fn decide(fleet: &Fleet, topology: &Topology, observed: &Observed) -> TargetRoles {
    let mut builder = TargetBuilder::new(fleet, topology, observed);
    builder.owners();
    builder.elections();
    builder.more_masters();
    builder.slot_assignments();
    builder.replicas();
    builder.target
}

struct TargetBuilder<'a> {
    fleet: &'a Fleet,
    topology: &'a Topology,
    views: Vec<(SocketAddr, &'a View)>,
    ids: HashMap<&'a str, SocketAddr>,
    /// Slots that are owned, or that a replica is about to inherit.
    taken: Vec<bool>,
    target: TargetRoles,
}

impl<'a> TargetBuilder<'a> {
    fn new(fleet: &'a Fleet, topology: &'a Topology, observed: &'a Observed) -> Self {
        let views: Vec<_> = observed.views().collect();
        let ids = views.iter().map(|(address, view)| (view.id.as_str(), *address)).collect();
        let taken = vec![false; usize::from(SLOTS)];
        Self { fleet, topology, views, ids, taken, target: TargetRoles::default() }
    }

    /// The nodes that own slots are masters; of two that claim a slot the one with the higher epoch owns it.
    fn owners(&mut self) {
        let mut owner: Vec<Option<(u64, SocketAddr)>> = vec![None; usize::from(SLOTS)];
        let mut claimants = Vec::new();
        for (address, view) in &self.views {
            let Some(own) = view.myself().filter(|row| row.is_master() && !row.slots.is_empty()) else {
                continue;
            };
            claimants.push(*address);
            for slot in own.slots.iter().flat_map(|range| range.iter()) {
                let place = &mut owner[usize::from(slot)];
                *place = (*place).max(Some((own.epoch, *address)));
            }
        }
        let winners: HashSet<SocketAddr> = owner.iter().flatten().map(|(_, address)| *address).collect();
        for (taken, owner) in self.taken.iter_mut().zip(&owner) {
            *taken = owner.is_some();
        }
        for address in claimants {
            if winners.contains(&address) {
                self.target.masters.push(address);
            } else {
                let text =
                    format!("{address} claims slots that a newer master owns, and has not noticed yet");
                self.target.pending.insert(address, text);
            }
        }
    }

    /// Ids nobody has any more. One that owns slots and still has a replica of ours is being replaced by it.
    fn elections(&mut self) {
        let mut stale_ids: BTreeMap<&str, Vec<SlotRange>> = BTreeMap::new();
        for row in self.views.iter().flat_map(|(_, view)| view.peers()) {
            if !self.ids.contains_key(row.id.as_str()) {
                stale_ids.entry(&row.id).or_default().extend(&row.slots);
            }
        }
        for (id, slots) in stale_ids {
            let orphans: Vec<SocketAddr> = self
                .views
                .iter()
                .filter(|(_, view)| view.myself().is_some_and(|own| own.master.as_deref() == Some(id)))
                .map(|(address, _)| *address)
                .collect();
            if orphans.is_empty() {
                self.target.stale_ids.push(id.to_owned());
            } else if slots.iter().flat_map(|range| range.iter()).any(|slot| !self.taken[usize::from(slot)]) {
                for slot in slots.iter().flat_map(|range| range.iter()) {
                    self.taken[usize::from(slot)] = true;
                }
                for orphan in orphans {
                    let text = format!("{orphan} has not taken over the slots of its lost master {id} yet");
                    self.target.pending.insert(orphan, text);
                }
            }
        }
    }

    /// Where slots are free and masters too few, nodes that are nothing yet become masters: first those that already
    /// have replicas, then those the topology plans, then any.
    fn more_masters(&mut self) {
        let lacking = self.topology.shards.len().saturating_sub(self.target.masters.len());
        if lacking == 0 || self.taken.iter().all(|taken| *taken) {
            return;
        }
        let has_replicas = |id: &str| {
            self.views
                .iter()
                .any(|(_, view)| view.myself().is_some_and(|own| own.master.as_deref() == Some(id)))
        };
        let mut blank: Vec<(u8, SocketAddr)> = self
            .views
            .iter()
            .filter(|(address, view)| {
                !view.is_replica()
                    && !self.target.masters.contains(address)
                    && !self.target.pending.contains_key(address)
            })
            .map(|(address, view)| {
                let planned = self.topology.shards.iter().any(|shard| shard.master == *address);
                (if has_replicas(&view.id) { 0 } else { 2 - u8::from(planned) }, *address)
            })
            .collect();
        blank.sort_by_key(|(rank, _)| *rank);
        self.target.masters.extend(blank.into_iter().take(lacking).map(|(_, address)| address));
        let order: HashMap<SocketAddr, usize> =
            self.views.iter().enumerate().map(|(index, (address, _))| (*address, index)).collect();
        self.target.masters.sort_by_key(|master| order.get(master));
    }

    /// Free slots go to the master that stands for the shard they are planned for.
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

    /// For each planned shard a master: a member of it, else one that stands for no other, else any in turn.
    fn shard_masters(&self) -> Vec<(usize, SocketAddr)> {
        let shards = &self.topology.shards;
        let mut left = self.target.masters.clone();
        let mut found: Vec<Option<SocketAddr>> = vec![None; shards.len()];
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

    /// Everyone else is a replica: where it is one of a master already it stays, unless that master has too many.
    fn replicas(&mut self) {
        let mut unassigned = Vec::new();
        for (address, view) in &self.views {
            if self.target.masters.contains(address) || self.target.pending.contains_key(address) {
                continue;
            }
            let master = view.myself().and_then(|own| self.ids.get(own.master.as_deref()?)).copied();
            match master.filter(|master| self.target.masters.contains(master)) {
                Some(master) => drop(self.target.replicas.insert(*address, master)),
                None => unassigned.push(*address),
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

    fn replica_count(&self, master: SocketAddr) -> usize {
        self.target.replicas_of(master).count()
    }

    /// The master that has too few replicas, planned first, on another host second; else the one with the fewest.
    fn best_master(&self, replica: SocketAddr) -> Option<SocketAddr> {
        let shard = self.topology.shard_of(replica);
        self.target.masters.iter().copied().min_by_key(|master| {
            let count = self.replica_count(*master);
            let stranger = self.topology.shard_of(*master) != shard;
            (count >= self.fleet.replicas, stranger, self.share_a_host(replica, *master), count)
        })
    }

    /// A replica too many somewhere for a master that has too few.
    fn surplus(&self) -> Option<(SocketAddr, SocketAddr)> {
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

    fn share_a_host(&self, one: SocketAddr, other: SocketAddr) -> bool {
        self.fleet.hosts.iter().any(|host| {
            let has = |address| host.nodes.iter().any(|node| node.address == address);
            has(one) && has(other)
        })
    }
}
