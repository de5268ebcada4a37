//! I1–I5: who is who.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Check, Facts};

pub(super) fn i1(facts: &Facts<'_>) -> Check {
    let mut ids: BTreeMap<&str, _> = BTreeMap::new();
    let mut twice = Vec::new();
    for (node, view) in facts.observed.views() {
        if let Some(other) = ids.insert(&view.id, node) {
            twice.push(format!("{other} and {node} are both {}", view.id));
        }
    }
    Check::of(twice, format!("{} nodes, {} ids", facts.observed.views().count(), ids.len()))
}

/// A node that is down has no id to compare with, but its peers still list what stands at its address.
pub(super) fn i2(facts: &Facts<'_>) -> Check {
    let ids: HashSet<&str> = facts.observed.views().map(|(_, view)| view.id.as_str()).collect();
    facts.gather(format!("{} nodes on all {} lists", facts.count(), facts.count()), |node, view| {
        let foreign = view.peers().filter(|row| !ids.contains(row.id.as_str())).filter(|row| {
            !row.address().is_some_and(|address| facts.observed.down().any(|(down, _)| down == address))
        });
        let foreign =
            foreign.map(|row| format!("{node} knows stranger {} at {}", row.id, row.written_address()));
        let unknown = ids.iter().filter(|id| view.rows.iter().all(|row| row.id != **id));
        let unknown = unknown.map(|id| format!("{node} does not know {}", facts.name(id)));
        foreign.chain(unknown).collect()
    })
}

pub(super) fn i3(facts: &Facts<'_>) -> Check {
    let fine = format!("{} addresses with their bus ports", facts.count() * facts.count());
    facts.gather(fine, |node, view| {
        let known = view.rows.iter().filter_map(|row| Some((row, facts.observed.address_of(&row.id)?)));
        let expected = |address: std::net::SocketAddr| {
            let bus = facts
                .fleet
                .nodes()
                .find(|node| node.address == address)
                .map(crate::inventory::Node::bus_port);
            (Some(address), bus.unwrap_or(0))
        };
        known
            .filter(|(row, address)| (row.address(), row.bus_port) != expected(*address))
            .map(|(row, address)| {
                format!("{node} has {address} as {}@{}", row.written_address(), row.bus_port)
            })
            .collect()
    })
}

pub(super) fn i4(facts: &Facts<'_>) -> Check {
    let build = |view: &super::View| {
        let parts =
            ["server_name", "redis_version", "valkey_version", "redis_build_id"].map(|key| view.info(key));
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let builds: BTreeSet<String> = facts.observed.views().map(|(_, view)| build(view)).collect();
    let fine = builds.first().cloned().unwrap_or_default();
    if builds.len() > 1 {
        return facts.each("", |node, view| Some(format!("{node} is {}", build(view))));
    }
    facts.each(fine, |node, view| {
        let mode = view.info("redis_mode");
        (mode != "cluster" && view.info("server_mode") != "cluster")
            .then(|| format!("{node} runs in mode {mode:?}"))
    })
}

pub(super) fn i5(facts: &Facts<'_>) -> Check {
    if facts.targets.values().all(|target| target.binary.is_none()) {
        return Check::not_applicable("no installed binary to compare with");
    }
    facts.each_host("the same file, by device and inode", |node, facts| {
        if facts.installed.is_empty() {
            return Some(format!("{node}: the installed binary is missing"));
        }
        (facts.running != facts.installed).then(|| format!("{node} runs another file than the installed one"))
    })
}
