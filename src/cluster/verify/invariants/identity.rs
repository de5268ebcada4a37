//! I1–I5, I38: identities, addresses and builds.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::facts::Facts;
use crate::{
    cluster::{
        observe::State,
        verify::check::{Check, Tally},
    },
    inventory::Engine,
    units::NodeId,
};

pub(super) fn distinct_ids(facts: &Facts<'_>) -> Check {
    let mut tally = facts.tally();
    let mut ids: BTreeMap<&NodeId, _> = BTreeMap::new();
    for (node, view) in facts.observed.views() {
        let other = ids.insert(&view.id, node);
        tally.saw(other.map(|other| format!("{other} and {node} are both {}", view.id)));
    }
    tally.check(format!("{} nodes, {} ids", facts.count(), ids.len()))
}

/// A node that is down has no id to compare with, but its peers still list what stands at its address.
pub(super) fn known_nodes(facts: &Facts<'_>) -> Check {
    let ids: HashSet<&NodeId> = facts.observed.views().map(|(_, view)| &view.id).collect();
    facts.each(format!("{} nodes on all {} lists", facts.count(), facts.count()), |node, view| {
        let foreign = view.peers().filter(|row| !ids.contains(&row.id)).filter(|row| {
            !row.address()
                .is_some_and(|address| facts.observed.down().any(|(down, _)| down.address() == address))
        });
        let foreign = foreign.map(|row| {
            format!("{node} knows {} at {}, which is the id of no node", row.id, row.written_address())
        });
        let unknown = ids.iter().filter(|id| view.rows.iter().all(|row| row.id != ***id));
        let unknown = unknown.map(|id| format!("{node} does not know {}", facts.name(id)));
        foreign.chain(unknown).collect::<Vec<String>>()
    })
}

/// A row of Redis 3 has no bus port, and a node that nobody met yet does not know its own address. An id that
/// two nodes have belongs to no address.
pub(super) fn addresses(facts: &Facts<'_>) -> Check {
    let fine = format!("{} addresses with their bus ports", facts.count() * facts.count());
    let is_unique = |id: &NodeId| facts.observed.views().filter(|(_, view)| view.id == *id).count() == 1;
    let unique: HashSet<&NodeId> =
        facts.observed.views().map(|(_, view)| &view.id).filter(|id| is_unique(id)).collect();
    facts.each(fine, |node, view| {
        let rows = view.rows.iter().filter(|row| !row.has("noaddr") && unique.contains(&row.id));
        let known = rows.filter_map(|row| Some((row, facts.node(facts.observed.with_id(&row.id)?)?)));
        let wrong = known.filter(|(row, expected)| {
            let told = expected.key.announced();
            let nameless = row.is_myself() && row.ip.is_empty() && row.port == told.client.port();
            let bus_port = [0, told.bus_port].contains(&row.bus_port);
            !bus_port || !(nameless || row.address() == Some(told.client))
        });
        wrong
            .map(|(row, is)| format!("{node} has {is} as {}@{}", row.written_address(), row.bus_port))
            .collect::<Vec<String>>()
    })
}

/// Hosts of different kinds have different builds of one version, so builds are shown and not compared.
pub(super) fn engine_and_version(facts: &Facts<'_>) -> Check {
    let builds: BTreeSet<String> = facts.observed.views().map(|(_, view)| view.info.server.build()).collect();
    let builds: Vec<String> = builds.into_iter().collect();
    let (engine, version) = (facts.fleet.engine, facts.fleet.version.to_string());
    facts.each(format!("{engine} {version}: {}", builds.join(", ")), |node, view| {
        let server = &view.info.server;
        if let Some(mode) = server.mode.as_deref().filter(|mode| *mode != "cluster") {
            return Some(format!("{node} runs in mode {mode:?}"));
        }
        let running = (server.engine(), server.version());
        let [is, of] = [running.0.map_or("no engine", Engine::name), running.1.unwrap_or("of no version")];
        (running != (Some(engine), Some(version.as_str())))
            .then(|| format!("{node} is {is} {of}, the inventory says {engine} {version}"))
    })
}

pub(super) fn installed_binary(facts: &Facts<'_>) -> Check {
    if facts.hosts.values().flatten().all(|facts| facts.binary.is_none())
        && facts.hosts.values().any(Result::is_ok)
    {
        return Check::not_applicable("no installed binary to compare with");
    }
    facts.each_host("the same file, by device and inode", |node, answer| {
        let binary = answer.binary.clone().unwrap_or_default();
        match (binary.running.as_str(), binary.installed.as_str()) {
            (_, "") => Ok(Some(format!("{node}: the installed binary is missing"))),
            ("", _) => Err(format!("{node}: its process could not be looked at")),
            (running, installed) => {
                Ok((running != installed).then(|| format!("{node} runs another file than the installed one")))
            }
        }
    })
}

/// A node that does not answer breaks this, and leaves unproven what it would have been asked.
pub(super) fn answering(facts: &Facts<'_>) -> Check {
    let mut tally = Tally::default();
    for (node, state) in &facts.observed.nodes {
        tally.saw(match state {
            State::Up(_) => None,
            State::Loading(_) => Some(format!("{node} is still loading its data")),
            State::AuthRejected(reason) => Some(format!("{node} runs with another password: {reason}")),
            State::Down(reason) => Some(format!("{node} does not answer: {reason}")),
        });
    }
    tally.check(format!("{} nodes", facts.count()))
}
