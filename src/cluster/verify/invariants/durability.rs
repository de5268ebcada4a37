//! I33–I37: what survives a restart.

use std::collections::BTreeSet;

use super::facts::Facts;
use crate::{
    cluster::{drift, tuning, verify::evidence::Check},
    redis::{NodeRow, join_slots, parse_nodes, show_slots},
};

pub(super) fn nodes_conf(facts: &Facts<'_>) -> Check {
    facts.each_host("id, address, role, master and slots of every node", |node, answer| {
        let view = facts.observed.view(node)?;
        let listing = match parse_nodes(&answer.nodes_conf) {
            Ok(listing) if !listing.rows.is_empty() => listing,
            Ok(_) => return Some(format!("{node}: nodes.conf is missing or empty")),
            Err(error) => return Some(format!("{node}: nodes.conf: {error}")),
        };
        let (disk, live) = (lasting(&listing.rows), lasting(&view.rows));
        let differing = disk.symmetric_difference(&live).next()?;
        Some(format!("{node}: nodes.conf differs from the live view at {differing}"))
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

pub(super) fn persistence(facts: &Facts<'_>) -> Check {
    let planned = facts.fleet.config.get("appendonly").and_then(|lines| lines.last());
    facts.each("last AOF write, rewrite and RDB save are ok", |node, view| {
        let persistence = &view.info.persistence;
        if let Some(fault) = persistence.fault() {
            return Some(format!("{node} says {fault}"));
        }
        let planned = planned.map(|value| value.trim() == "yes")?;
        (persistence.aof_enabled != Some(planned)).then(|| {
            let running = persistence.aof_enabled.map_or("unknown", |on| if on { "1" } else { "0" });
            format!("{node} has aof_enabled:{running}")
        })
    })
}

pub(super) fn running_config(facts: &Facts<'_>) -> Check {
    let count = facts.fleet.config.len();
    facts.gather(format!("{count} directives on {} nodes", facts.count()), |node, _| {
        let Some(details) = facts.details.get(&node) else {
            return vec![format!("{node} gave no configuration")];
        };
        let managed = facts.fleet.nodes().find(|n| n.address == node).map(|n| drift::managed(facts.fleet, n));
        let compared = managed.unwrap_or_default().into_iter().filter_map(|(name, lines)| {
            let value = details.config.get(&name)?.clone();
            (!drift::same(&name, &lines, &value))
                .then(|| format!("{node} has {name} {value:?}, not {}", lines.join(", ")))
        });
        compared.collect()
    })
}

pub(super) fn units_enabled(facts: &Facts<'_>) -> Check {
    if !facts.scope.units {
        return Check::not_applicable("nodes are processes of our own here, not units of systemd");
    }
    // A crash after which systemd restarted the node is reported and does not fail the proof: only a restart
    // resets the count.
    let restarted = facts.hosts.iter().filter_map(|(node, answer)| {
        let count = answer.as_ref().ok()?.restarts.parse::<u32>().ok().filter(|count| *count > 0)?;
        Some(format!("; {node} crashed and was restarted {count} times"))
    });
    facts.each_host(format!("enabled at boot{}", restarted.collect::<String>()), |node, answer| {
        let wrong = !answer.enabled.is_empty() && !answer.enabled.starts_with("enabled");
        wrong.then(|| format!("{node}: its unit is {}", answer.enabled))
    })
}

pub(super) fn settings_restored(facts: &Facts<'_>) -> Check {
    let left = tuning::not_restored(facts.fleet, facts.observed).into_iter();
    let left =
        left.map(|(node, directive, value)| format!("{node} should have {} {value} again", directive.name()));
    Check::of(left.collect(), "ping interval, sync delay, replica ping period")
}
