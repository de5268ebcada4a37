//! I29–I32: clients are served.

use super::{facts::Facts, replication::unprobed};
use crate::cluster::verify::evidence::Check;

pub(super) fn writable(facts: &Facts<'_>) -> Check {
    let states = facts.observed.views().filter(|(_, view)| !view.cluster.is_ok());
    let mut wrong: Vec<String> =
        states.map(|(node, view)| format!("{node} says cluster_state:{}", view.cluster.state)).collect();
    wrong.extend(unprobed(facts));
    let slots: Vec<String> = facts.probes.values().map(|probe| probe.key.slot().to_string()).collect();
    Check::of(wrong, format!("ok on {} nodes; SET, GET, DEL in slots {}", facts.count(), slots.join(", ")))
}

pub(super) fn redirects(facts: &Facts<'_>) -> Check {
    let mut wrong = unprobed(facts);
    let mut path = String::new();
    for redirect in facts.probes.values().filter_map(|probe| probe.redirect.as_ref()) {
        match redirect {
            Ok(redirect) => path.clone_from(redirect),
            Err(error) => wrong.push(error.clone()),
        }
    }
    Check::of(wrong, path)
}

pub(super) fn probes_removed(facts: &Facts<'_>) -> Check {
    let left = facts.probes.iter().filter(|(_, probe)| !probe.removed && probe.trouble.is_none());
    let wrong: Vec<String> =
        left.map(|(master, probe)| format!("{} is still on {master}", probe.key.name())).collect();
    let keys: u64 = facts.shards().iter().map(|shard| shard.master.keys()).sum();
    Check::of(wrong, format!("0 of {} left; the cluster holds {keys} keys", facts.probes.len()))
}

pub(super) fn log_faults(facts: &Facts<'_>) -> Check {
    facts.each_host("none", |node, facts| facts.faults.last().map(|line| format!("{node}: {line}")))
}
