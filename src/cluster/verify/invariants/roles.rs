//! I19–I21: masters, replicas and their hosts.

use std::net::SocketAddr;

use super::facts::Facts;
use crate::cluster::verify::evidence::Check;

pub(super) fn replica_count(facts: &Facts<'_>) -> Check {
    let (need, shards) = (facts.fleet.replicas, facts.shards());
    let spare = facts.count().saturating_sub(facts.topology.shards.len() * (need + 1));
    facts.gather(
        format!("{need} replicas for each of {} masters, on all views", shards.len()),
        |node, view| {
            let counted = shards.iter().map(|shard| {
                let has = view
                    .rows
                    .iter()
                    .filter(|row| row.is_replica() && row.master.as_ref() == Some(&shard.master.id))
                    .count();
                (shard.address, has)
            });
            counted
                .filter(|(_, has)| *has < need || *has > need + spare)
                .map(|(master, has)| format!("{node} says {master} has {has} replicas"))
                .collect()
        },
    )
}

pub(super) fn master_address(facts: &Facts<'_>) -> Check {
    facts.each_replica("no chains, no detours", |(replica, view), (master, _)| {
        let followed = view.info.replication.master_address();
        let expected = format!("{}:{}", master.ip(), master.port());
        (followed != expected).then(|| format!("{replica} follows {followed}, its master is {expected}"))
    })
}

pub(super) fn separation(facts: &Facts<'_>) -> Check {
    if facts.fleet.hosts.len() < 2 {
        return Check::not_applicable("there is one host");
    }
    let host =
        |address: SocketAddr| facts.fleet.hosts.iter().find(|h| h.nodes.iter().any(|n| n.address == address));
    let mut wrong = crowds(facts, "host", |address| host(address).map(|host| host.name.as_str()));
    wrong
        .extend(crowds(facts, "zone", |address| host(address).map(|h| h.zone.as_deref().unwrap_or(&h.name))));
    Check::of(wrong, facts.topology.notes.join("; "))
}

/// Shards with two nodes in one domain, where the best placement has none; what it cannot avoid is no fault.
fn crowds<'a>(facts: &Facts<'_>, kind: &str, domain: impl Fn(SocketAddr) -> Option<&'a str>) -> Vec<String> {
    if facts.topology.shards.iter().any(|shard| crowded(shard.members(), &domain)) {
        return Vec::new();
    }
    let shards = facts.shards();
    let crowded = shards.iter().filter(|shard| crowded(shard.members(), &domain));
    crowded.map(|shard| format!("two nodes of {}'s shard share a {kind}", shard.address)).collect()
}

/// Whether two members share a domain.
fn crowded<'a>(
    members: impl Iterator<Item = SocketAddr>,
    domain: impl Fn(SocketAddr) -> Option<&'a str>,
) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    members.filter_map(domain).any(|domain| !seen.insert(domain))
}
