//! I19–I21: who follows whom, and where.

use std::net::SocketAddr;

use super::{Check, Facts, View};

pub(super) fn i19(facts: &Facts<'_>) -> Check {
    let (need, shards) = (facts.fleet.replicas, facts.shards());
    let spare = facts.count() - facts.topology.shards.len() * (need + 1);
    facts.gather(
        format!("{need} replicas for each of {} masters, on all views", shards.len()),
        |node, view| {
            let counted = shards.iter().map(|(master, own, _)| {
                let has = view
                    .rows
                    .iter()
                    .filter(|row| row.is_replica() && row.master.as_ref() == Some(&own.id))
                    .count();
                (master, has)
            });
            counted
                .filter(|(_, has)| *has < need || *has > need + spare)
                .map(|(master, has)| format!("{node} says {master} has {has} replicas"))
                .collect()
        },
    )
}

pub(super) fn i20(facts: &Facts<'_>) -> Check {
    facts.each_replica("no chains, no detours", |(replica, view), (master, _)| {
        let told = format!("{}:{}", view.info("master_host"), view.info("master_port"));
        let expected = format!("{}:{}", master.ip(), master.port());
        (told != expected).then(|| format!("{replica} follows {told}, its master is {expected}"))
    })
}

pub(super) fn i21(facts: &Facts<'_>) -> Check {
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
    let members = |(master, _, replicas): &(SocketAddr, &View, super::Replicas<'_>)| {
        std::iter::once(*master).chain(replicas.iter().map(|(replica, _)| *replica)).collect::<Vec<_>>()
    };
    let crowded = shards.iter().filter(|shard| crowded(members(shard).into_iter(), &domain));
    crowded.map(|(master, ..)| format!("two nodes of {master}'s shard share a {kind}")).collect()
}

/// Whether two members share a domain.
fn crowded<'a>(
    members: impl Iterator<Item = SocketAddr>,
    domain: impl Fn(SocketAddr) -> Option<&'a str>,
) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    members.filter_map(domain).any(|domain| !seen.insert(domain))
}
