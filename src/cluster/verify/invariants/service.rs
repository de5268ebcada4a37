//! I29–I32: clients are served.

use super::{Check, Facts, replication::unprobed};

pub(super) fn i29(facts: &Facts<'_>) -> Check {
    let states = facts.observed.views().filter(|(_, view)| view.cluster("cluster_state") != "ok");
    let mut wrong: Vec<String> = states
        .map(|(node, view)| format!("{node} says cluster_state:{}", view.cluster("cluster_state")))
        .collect();
    wrong.extend(unprobed(facts));
    let slots: Vec<String> = facts.probes.values().map(|probe| probe.slot.to_string()).collect();
    Check::of(wrong, format!("ok on {} nodes; SET, GET, DEL in slots {}", facts.count(), slots.join(", ")))
}

pub(super) fn i30(facts: &Facts<'_>) -> Check {
    let mut wrong = unprobed(facts);
    let mut told = String::new();
    for redirect in facts.probes.values().filter_map(|probe| probe.redirect.as_ref()) {
        match redirect {
            Ok(way) => told.clone_from(way),
            Err(error) => wrong.push(error.clone()),
        }
    }
    Check::of(wrong, told)
}

pub(super) fn i31(facts: &Facts<'_>) -> Check {
    let left = facts.probes.iter().filter(|(_, probe)| !probe.removed && probe.trouble.is_none());
    let wrong: Vec<String> =
        left.map(|(master, probe)| format!("{} is still on {master}", probe.key)).collect();
    let keys: u64 = facts.shards().iter().map(|(_, view, _)| view.keys).sum();
    Check::of(wrong, format!("0 of {} left; the cluster holds {keys} keys", facts.probes.len()))
}

pub(super) fn i32(facts: &Facts<'_>) -> Check {
    facts.each_host("none", |node, facts| facts.faults.last().map(|line| format!("{node}: {line}")))
}
