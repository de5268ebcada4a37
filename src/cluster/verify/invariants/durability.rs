//! I33–I37: what survives a restart.

use std::collections::BTreeSet;

use super::facts::Facts;
use crate::{
    cluster::{
        drift,
        tunable::Tunable,
        tuning,
        verify::{
            check::Check,
            node_config::{Expected, NodeConfig},
        },
    },
    inventory::NodeRef,
    redis::{NodeRow, join_slots, parse_nodes, show_slots},
};

pub(super) fn nodes_conf(facts: &Facts<'_>) -> Check {
    facts.each_host("id, address, role, master and slots of every node", |node, answer| {
        let listing = match parse_nodes(&answer.nodes_conf) {
            Ok(listing) if !listing.rows.is_empty() => listing,
            Ok(_) => return Ok(Some(format!("{node}: nodes.conf is missing or empty"))),
            Err(error) => return Ok(Some(format!("{node}: nodes.conf: {error}"))),
        };
        let view = facts.observed.view(node).ok_or_else(|| format!("{node} does not answer"))?;
        let (disk, live) = (lasting(&listing.rows), lasting(&view.rows));
        let differing = disk.symmetric_difference(&live).next();
        Ok(differing.map(|at| format!("{node}: nodes.conf differs from the live view at {at}")))
    })
}

/// The parts of the rows that change only when the cluster does.
fn lasting(rows: &[NodeRow]) -> BTreeSet<String> {
    rows.iter()
        .map(|row| {
            let slots = show_slots(&join_slots(row.slots.iter().flat_map(|range| range.iter())));
            let master = row.master.as_deref().unwrap_or("-");
            format!("{} {} {} {master} {slots}", row.id, row.written_address(), row.is_replica())
        })
        .collect()
}

/// Whether the AOF should be on is for [`running_config`]; here, whether it is as the node itself was told.
pub(super) fn persistence(facts: &Facts<'_>) -> Check {
    facts.each("last AOF write, rewrite and RDB save are ok", |node, view| {
        let persistence = &view.info.persistence;
        if let Some(fault) = persistence.fault() {
            return Some(format!("{node} says {fault}"));
        }
        let running = facts.configs.get(&node)?.running.get("appendonly")?;
        (persistence.aof_enabled != Some(running == "yes")).then(|| {
            let is = persistence.aof_enabled.map_or("unknown", |on| if on { "1" } else { "0" });
            format!("{node} has aof_enabled:{is} and appendonly {running}")
        })
    })
}

/// Compares every line of the node's file, and of the inventory, with the running value.
pub(super) fn running_config(facts: &Facts<'_>) -> Check {
    let mut tally = facts.tally();
    let (mut compared, mut not_told) = (0, BTreeSet::new());
    for (node, _) in facts.observed.views() {
        let Some(config) = facts.configs.get(&node) else {
            tally.missed(format!("the configuration file of {node} could not be read"));
            continue;
        };
        let (told, others) = comparable(config);
        not_told.extend(others);
        if told.is_empty() {
            tally.missed(format!("{node} told no directive's value"));
            continue;
        }
        compared += told.len();
        let differing = told.into_iter().filter(|(key, expected, value)| {
            let is_same = drift::same(key, &expected.lines, value);
            !is_same && (*key != "dir" || !is_data_folder(facts, node, value))
        });
        tally.saw(differing.map(|(_, Expected { name, lines }, value)| {
            format!("{node} has {name} {value:?}, not {}", lines.join(", "))
        }));
    }
    let rest = not_told.into_iter().collect::<Vec<_>>().join(", ");
    let rest = if rest.is_empty() { rest } else { format!("; CONFIG GET does not tell {rest}") };
    tally.check(format!("{compared} directives on {} nodes{rest}", facts.count()))
}

/// A directive's canonical name, what it must be, and its running value.
type Told<'c> = (&'c str, &'c Expected, &'c str);

/// The directives of which the node told the running value, and the names of the others. What formation
/// changes for a while is for [`settings_restored`].
fn comparable(config: &NodeConfig) -> (Vec<Told<'_>>, Vec<&str>) {
    let tuned = |name: &str| Tunable::ALL.iter().any(|directive| directive.name() == name);
    let (mut told, mut others) = (Vec::new(), Vec::new());
    for (key, expected) in config.expected.iter().filter(|(key, _)| !tuned(key)) {
        match config.running.get(key) {
            Some(value) => told.push((key.as_str(), expected, value.as_str())),
            None => others.push(expected.name.as_str()),
        }
    }
    (told, others)
}

/// The engine tells its folder with all links resolved.
fn is_data_folder(facts: &Facts<'_>, node: NodeRef, value: &str) -> bool {
    let answer = facts.hosts.get(&node).and_then(|answer| answer.as_ref().ok());
    answer.is_some_and(|answer| answer.data == value)
}

pub(super) fn units_enabled(facts: &Facts<'_>) -> Check {
    if facts.hosts.values().flatten().all(|facts| facts.unit.is_none())
        && facts.hosts.values().any(Result::is_ok)
    {
        return Check::not_applicable("nodes are processes of our own here, not units of systemd");
    }
    // A crash after which systemd restarted the node is reported and does not fail the proof: only a restart
    // resets the count.
    let restarted = facts.hosts.iter().filter_map(|(node, answer)| {
        let count = answer.as_ref().ok()?.unit.as_ref()?.restarts;
        (count > 0).then(|| format!("; {node} crashed and was restarted {count} times"))
    });
    facts.each_host(format!("enabled at boot{}", restarted.collect::<String>()), |node, answer| {
        let enabled = answer.unit.as_ref().map_or("", |unit| &unit.enabled);
        match enabled {
            "" => Err(format!("{node}: systemd said nothing about its unit")),
            _ => Ok((!enabled.starts_with("enabled")).then(|| format!("{node}: its unit is {enabled}"))),
        }
    })
}

pub(super) fn settings_restored(facts: &Facts<'_>) -> Check {
    let left = tuning::not_restored(facts.fleet, facts.observed);
    facts.each("ping interval, sync delay, replica ping period", |node, _| {
        let own = left.iter().filter(|(other, ..)| *other == node);
        own.map(|(_, directive, value)| format!("{node} should have {} {value} again", directive.name()))
            .collect::<Vec<String>>()
    })
}
