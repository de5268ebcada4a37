//! Who is to be master of what, and where: a pure function of the fleet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::domains::bearable,
    inventory::{Fleet, Host, Node, NodeRef},
    redis::{SlotRange, slot_ranges},
};

/// A master, its slots and its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub master: NodeRef,
    pub replicas: Vec<NodeRef>,
    pub slots: Vec<SlotRange>,
}

impl Shard {
    /// The master, then the replicas.
    pub fn members(&self) -> impl Iterator<Item = NodeRef> {
        std::iter::once(self.master).chain(self.replicas.iter().copied())
    }
}

/// The cluster a fleet is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub shards: Vec<Shard>,
    /// Why it looks like this, and what it cannot survive: a sentence each.
    pub notes: Vec<String>,
}

/// A node with its failure domains; `zone` falls back to the host.
struct Spot<'a> {
    node: &'a Node,
    host: &'a Host,
    zone: &'a str,
}

impl Topology {
    /// Places the shards. Nodes are listed zone by zone and host by host and dealt to the shards in turn, so
    /// that two nodes of a host (or zone) meet in a shard only where it has more nodes than there are shards.
    /// Then each shard's master is chosen so that the host with the most masters has as few as possible.
    pub fn place(fleet: &Fleet) -> Self {
        let spots = spots(fleet);
        let masters = fleet.masters().max(1);
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); masters];
        for index in 0..spots.len() {
            members[index % masters].push(index);
        }
        let chosen = choose_masters(&spots, &members);
        let position: BTreeMap<NodeRef, usize> =
            fleet.nodes().enumerate().map(|(index, node)| (node.key, index)).collect();
        let mut shards: Vec<Shard> = members
            .iter()
            .zip(chosen)
            .map(|(members, master)| {
                let node = |index: usize| spots[index].node.key;
                let mut replicas: Vec<_> =
                    members.iter().filter(|i| **i != master).map(|i| node(*i)).collect();
                replicas.sort_by_key(|replica| position.get(replica));
                Shard { master: node(master), replicas, slots: Vec::new() }
            })
            .collect();
        shards.sort_by_key(|shard| position.get(&shard.master));
        for (shard, range) in shards.iter_mut().zip(slot_ranges(masters)) {
            shard.slots = vec![range];
        }
        let notes = notes(fleet, &shards);
        Self { shards, notes }
    }

    /// The shard a node is planned for.
    pub fn shard_of(&self, node: NodeRef) -> Option<usize> {
        self.shards.iter().position(|shard| shard.members().any(|member| member == node))
    }
}

fn spots(fleet: &Fleet) -> Vec<Spot<'_>> {
    let mut zones: Vec<&str> = Vec::new();
    let mut spots: Vec<Spot<'_>> = Vec::new();
    for host in &fleet.hosts {
        let zone = host.zone.as_deref().unwrap_or(&host.name);
        if !zones.contains(&zone) {
            zones.push(zone);
        }
        spots.extend(host.nodes.iter().map(|node| Spot { node, host, zone }));
    }
    // The sort is stable: hosts stay together, in the order of the inventory.
    spots.sort_by_key(|spot| zones.iter().position(|zone| *zone == spot.zone));
    spots
}

/// One master for each shard: the smallest number of masters a host that can be had, found by augmenting
/// paths.
fn choose_masters(spots: &[Spot<'_>], members: &[Vec<usize>]) -> Vec<usize> {
    for limit in 1..=members.len() {
        let mut choice: Vec<Option<usize>> = vec![None; members.len()];
        let placed = (0..members.len()).all(|shard| {
            let mut tried = Vec::new();
            augment(spots, members, limit, shard, &mut choice, &mut tried)
        });
        if placed {
            return choice.into_iter().flatten().collect();
        }
    }
    members.iter().filter_map(|members| members.first().copied()).collect()
}

/// Gives `shard` a master on a host with room, moving the masters of other shards where that makes room.
fn augment<'a>(
    spots: &[Spot<'a>],
    members: &[Vec<usize>],
    limit: usize,
    shard: usize,
    choice: &mut Vec<Option<usize>>,
    tried: &mut Vec<&'a str>,
) -> bool {
    // The zone with the fewest masters first; ties keep the order of the inventory.
    let zone_load = |choice: &[Option<usize>], zone: &str| {
        choice.iter().flatten().filter(|index| spots[**index].zone == zone).count()
    };
    let mut candidates = members[shard].clone();
    candidates.sort_by_key(|index| zone_load(choice, spots[*index].zone));
    for index in candidates {
        let host = spots[index].host.name.as_str();
        if tried.contains(&host) {
            continue;
        }
        tried.push(host);
        let here: Vec<usize> = (0..choice.len())
            .filter(|other| *other != shard && choice[*other].is_some_and(|i| spots[i].host.name == host))
            .collect();
        let room = here.len() < limit
            || here.into_iter().any(|other| augment(spots, members, limit, other, choice, tried));
        if room {
            choice[shard] = Some(index);
            return true;
        }
    }
    false
}

fn notes(fleet: &Fleet, shards: &[Shard]) -> Vec<String> {
    if fleet.hosts.len() < 2 {
        return vec![
            "all nodes are on one host: the cluster survives the loss of a process, not of the machine"
                .to_owned(),
        ];
    }
    let mut notes = vec![spread(fleet, shards, "host", |host| host.name.as_str())];
    if fleet.hosts.iter().any(|host| host.zone.is_some()) {
        notes.push(spread(fleet, shards, "zone", |host| host.zone.as_deref().unwrap_or(&host.name)));
    }
    notes.extend(quorum(fleet, shards));
    notes
}

/// Whether each shard is spread over distinct domains.
fn spread(fleet: &Fleet, shards: &[Shard], kind: &str, domain: impl Fn(&Host) -> &str) -> String {
    let of = |key| fleet.hosts.iter().find(|host| host.nodes.iter().any(|node| node.key == key)).map(&domain);
    let crowded = shards.iter().find_map(|shard| {
        let mut seen: BTreeMap<&str, NodeRef> = BTreeMap::new();
        shard.members().find_map(|member| {
            let domain = of(member)?;
            seen.insert(domain, member).map(|other| (domain.to_owned(), other, member))
        })
    });
    match crowded {
        None => format!("a master and its replicas never share a {kind}"),
        Some((domain, one, other)) => {
            format!(
                "{one} and {other} hold the same slots and share {kind} {domain}, which has too many of the nodes"
            )
        }
    }
}

/// The hosts whose loss takes the majority of the masters with it.
fn quorum(fleet: &Fleet, shards: &[Shard]) -> Vec<String> {
    let limit = bearable(shards.len());
    let masters = |host: &Host| {
        host.nodes.iter().filter(|node| shards.iter().any(|shard| shard.master == node.key)).count()
    };
    let heavy: Vec<String> = fleet
        .hosts
        .iter()
        .filter(|host| masters(host) > limit)
        .map(|host| {
            let (name, held) = (&host.name, masters(host));
            format!("host {name} holds {held} of {} masters: its loss stops the cluster", shards.len())
        })
        .collect();
    if heavy.is_empty() {
        return vec!["no host holds so many masters that its loss stops the cluster".to_owned()];
    }
    heavy
}

#[cfg(test)]
mod tests;
