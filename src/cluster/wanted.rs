//! Which node is to be what. Live roles win over planned ones: after a failover nothing is wrong.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
};

use super::{
    observe::{Observed, View},
    slots::{self, SLOTS, SlotRange},
    topology::Topology,
};
use crate::inventory::Fleet;

/// The roles that make a cluster of what is there with the fewest changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    pub(super) masters: Vec<SocketAddr>,
    /// Replica → its master.
    pub(super) replicas: BTreeMap<SocketAddr, SocketAddr>,
    /// Slots nobody owns, and who shall have them.
    pub(super) grants: BTreeMap<SocketAddr, Vec<SlotRange>>,
    /// Ids that no node of ours has any more, and which nothing waits for: to be forgotten.
    pub(super) ghosts: Vec<String>,
    /// What the engine has to decide first, in words: elections and conflicts it settles itself.
    pub(super) undecided: BTreeMap<SocketAddr, String>,
}

impl Wanted {
    /// The master of a node's shard: itself where it is one.
    pub(super) fn master_of(&self, node: SocketAddr) -> Option<SocketAddr> {
        if self.masters.contains(&node) { Some(node) } else { self.replicas.get(&node).copied() }
    }

    pub(super) fn replicas_of(&self, master: SocketAddr) -> impl Iterator<Item = SocketAddr> {
        self.replicas.iter().filter(move |(_, m)| **m == master).map(|(replica, _)| *replica)
    }
}

/// Decides the roles. Every node must have answered.
pub(super) fn decide(fleet: &Fleet, topology: &Topology, observed: &Observed) -> Wanted {
    let mut deciding = Deciding::new(fleet, topology, observed);
    deciding.owners();
    deciding.elections();
    deciding.more_masters();
    deciding.grants();
    deciding.replicas();
    deciding.wanted
}

struct Deciding<'a> {
    fleet: &'a Fleet,
    topology: &'a Topology,
    views: Vec<(SocketAddr, &'a View)>,
    ids: HashMap<&'a str, SocketAddr>,
    /// Slots that are owned, or that a replica is about to inherit.
    taken: Vec<bool>,
    wanted: Wanted,
}

impl<'a> Deciding<'a> {
    fn new(fleet: &'a Fleet, topology: &'a Topology, observed: &'a Observed) -> Self {
        let views: Vec<_> = observed.views().collect();
        let ids = views.iter().map(|(address, view)| (view.id.as_str(), *address)).collect();
        let taken = vec![false; usize::from(SLOTS)];
        Self { fleet, topology, views, ids, taken, wanted: Wanted::default() }
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
                self.wanted.masters.push(address);
            } else {
                let text =
                    format!("{address} claims slots that a newer master owns, and has not noticed yet");
                self.wanted.undecided.insert(address, text);
            }
        }
    }

    /// Ids nobody has any more. One that owns slots and still has a replica of ours is being replaced by it.
    fn elections(&mut self) {
        let mut ghosts: BTreeMap<&str, Vec<SlotRange>> = BTreeMap::new();
        for row in self.views.iter().flat_map(|(_, view)| view.peers()) {
            if !self.ids.contains_key(row.id.as_str()) {
                ghosts.entry(&row.id).or_default().extend(&row.slots);
            }
        }
        for (id, slots) in ghosts {
            let orphans: Vec<SocketAddr> = self
                .views
                .iter()
                .filter(|(_, view)| view.myself().is_some_and(|own| own.master.as_deref() == Some(id)))
                .map(|(address, _)| *address)
                .collect();
            if orphans.is_empty() {
                self.wanted.ghosts.push(id.to_owned());
            } else if slots.iter().flat_map(|range| range.iter()).any(|slot| !self.taken[usize::from(slot)]) {
                for slot in slots.iter().flat_map(|range| range.iter()) {
                    self.taken[usize::from(slot)] = true;
                }
                for orphan in orphans {
                    let text = format!("{orphan} has not taken over the slots of its lost master {id} yet");
                    self.wanted.undecided.insert(orphan, text);
                }
            }
        }
    }

    /// Where slots are free and masters too few, nodes that are nothing yet become masters: first those that already
    /// have replicas, then those the topology plans, then any.
    fn more_masters(&mut self) {
        let lacking = self.topology.shards.len().saturating_sub(self.wanted.masters.len());
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
                    && !self.wanted.masters.contains(address)
                    && !self.wanted.undecided.contains_key(address)
            })
            .map(|(address, view)| {
                let planned = self.topology.shards.iter().any(|shard| shard.master == *address);
                (if has_replicas(&view.id) { 0 } else { 2 - u8::from(planned) }, *address)
            })
            .collect();
        blank.sort_by_key(|(rank, _)| *rank);
        self.wanted.masters.extend(blank.into_iter().take(lacking).map(|(_, address)| address));
        let order: HashMap<SocketAddr, usize> =
            self.views.iter().enumerate().map(|(index, (address, _))| (*address, index)).collect();
        self.wanted.masters.sort_by_key(|master| order.get(master));
    }

    /// Free slots go to the master that stands for the shard they are planned for.
    fn grants(&mut self) {
        for (shard, master) in self.stand_ins() {
            let planned = self.topology.shards[shard].slots.iter().flat_map(|range| range.iter());
            let free = slots::join(planned.filter(|slot| !self.taken[usize::from(*slot)]));
            if !free.is_empty() {
                self.wanted.grants.entry(master).or_default().extend(free);
            }
        }
        for ranges in self.wanted.grants.values_mut() {
            ranges.sort();
        }
    }

    /// For each planned shard a master: a member of it, else one that stands for no other, else any in turn.
    fn stand_ins(&self) -> Vec<(usize, SocketAddr)> {
        let shards = &self.topology.shards;
        let mut left = self.wanted.masters.clone();
        let mut found: Vec<Option<SocketAddr>> = vec![None; shards.len()];
        for (shard, place) in shards.iter().zip(&mut found) {
            if let Some(index) =
                left.iter().position(|master| shard.members().any(|member| member == *master))
            {
                *place = Some(left.remove(index));
            }
        }
        let mut spare = left.into_iter().chain(self.wanted.masters.iter().copied().cycle());
        found
            .into_iter()
            .enumerate()
            .filter_map(|(i, place)| Some((i, place.or_else(|| spare.next())?)))
            .collect()
    }

    /// Everyone else is a replica: where it is one of a master already it stays, unless that master has too many.
    fn replicas(&mut self) {
        let mut loose = Vec::new();
        for (address, view) in &self.views {
            if self.wanted.masters.contains(address) || self.wanted.undecided.contains_key(address) {
                continue;
            }
            let master = view.myself().and_then(|own| self.ids.get(own.master.as_deref()?)).copied();
            match master.filter(|master| self.wanted.masters.contains(master)) {
                Some(master) => drop(self.wanted.replicas.insert(*address, master)),
                None => loose.push(*address),
            }
        }
        for replica in loose {
            if let Some(master) = self.best_master(replica) {
                self.wanted.replicas.insert(replica, master);
            }
        }
        while let Some((replica, master)) = self.surplus() {
            self.wanted.replicas.insert(replica, master);
        }
    }

    fn replica_count(&self, master: SocketAddr) -> usize {
        self.wanted.replicas_of(master).count()
    }

    /// The master that has too few replicas, planned first, on another host second; else the one with the fewest.
    fn best_master(&self, replica: SocketAddr) -> Option<SocketAddr> {
        let shard = self.topology.shard_of(replica);
        self.wanted.masters.iter().copied().min_by_key(|master| {
            let count = self.replica_count(*master);
            let stranger = self.topology.shard_of(*master) != shard;
            (count >= self.fleet.replicas, stranger, self.share_a_host(replica, *master), count)
        })
    }

    /// A replica too many somewhere for a master that has too few.
    fn surplus(&self) -> Option<(SocketAddr, SocketAddr)> {
        let need = self.fleet.replicas;
        let poor = self.wanted.masters.iter().copied().find(|master| self.replica_count(*master) < need)?;
        let shard = self.topology.shard_of(poor);
        let spare = self.wanted.replicas.iter().filter(|(_, master)| self.replica_count(**master) > need);
        let (replica, _) = spare.min_by_key(|(replica, _)| {
            (self.share_a_host(**replica, poor), self.topology.shard_of(**replica) != shard)
        })?;
        Some((*replica, poor))
    }

    fn share_a_host(&self, one: SocketAddr, other: SocketAddr) -> bool {
        self.fleet.hosts.iter().any(|host| {
            let has = |address| host.nodes.iter().any(|node| node.address == address);
            has(one) && has(other)
        })
    }
}
