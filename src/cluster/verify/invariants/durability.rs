//! I33–I37: what survives a restart.

use std::collections::BTreeSet;

use super::{Check, Facts, Row};
use crate::{
    cluster::{drift, form::commands},
    redis::{join_slots, parse_nodes, show_slots},
};

pub(super) fn i33(facts: &Facts<'_>) -> Check {
    facts.each_host("id, address, role, master and slots of every node", |node, told| {
        let view = facts.observed.view(node)?;
        let listing = match parse_nodes(&told.nodes_conf) {
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
fn lasting(rows: &[Row]) -> BTreeSet<String> {
    rows.iter()
        .map(|row| {
            let slots = show_slots(&join_slots(row.slots.iter().flat_map(|range| range.iter())));
            let master = row.master.as_deref().unwrap_or("-");
            format!("{} {} {} {master} {slots}", row.id, row.written_address(), row.is_replica())
        })
        .collect()
}

pub(super) fn i34(facts: &Facts<'_>) -> Check {
    let planned = facts.fleet.config.get("appendonly").and_then(|lines| lines.last());
    facts.each("last AOF write, rewrite and RDB save are ok", |node, view| {
        let keys = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"];
        if let Some(key) = keys.into_iter().find(|key| !matches!(view.info(key), "ok" | "")) {
            return Some(format!("{node} says {key}:{}", view.info(key)));
        }
        let on = planned.map(|value| if value.trim() == "yes" { "1" } else { "0" })?;
        (view.info("aof_enabled") != on)
            .then(|| format!("{node} has aof_enabled:{}", view.info("aof_enabled")))
    })
}

pub(super) fn i35(facts: &Facts<'_>) -> Check {
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

pub(super) fn i36(facts: &Facts<'_>) -> Check {
    if !facts.targets.values().any(|target| target.units) {
        return Check::not_applicable("nodes are processes of our own here, not units of systemd");
    }
    // A crash that systemd healed is told and does not fail the proof: nothing but a restart could take it back.
    let restarted = facts.hosts.iter().filter_map(|(node, told)| {
        let count = told.as_ref().ok()?.restarts.parse::<u32>().ok().filter(|count| *count > 0)?;
        Some(format!("; {node} crashed and was restarted {count} times"))
    });
    facts.each_host(format!("enabled at boot{}", restarted.collect::<String>()), |node, told| {
        let wrong = !told.enabled.is_empty() && !told.enabled.starts_with("enabled");
        wrong.then(|| format!("{node}: its unit is {}", told.enabled))
    })
}

pub(super) fn i37(facts: &Facts<'_>) -> Check {
    let left =
        commands::restore(facts.fleet, facts.observed).into_iter().filter_map(|(node, step)| match step {
            commands::Step::Tune(name, value) => Some(format!("{node} should have {name} {value} again")),
            _ => None,
        });
    Check::of(left.collect(), "ping interval, sync delay, replica ping period")
}
