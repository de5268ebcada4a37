//! I29–I32, I39: clients are served.

use super::facts::{Facts, READ_ONLY};
use crate::cluster::verify::{
    check::Check,
    host_checks::LogFacts,
    redirect::{Answer, Endpoint, Redirect},
    write_probe::Trouble,
};
use crate::inventory::NodeRef;

/// A write that is refused for want of memory is told by [`memory_left`].
pub(super) fn writable(facts: &Facts<'_>) -> Check {
    let mut tally = facts.tally();
    for (node, view) in facts.observed.views() {
        let state = &view.cluster.state;
        tally.saw((!view.cluster.is_ok()).then(|| format!("{node} says cluster_state:{state}")));
    }
    for shard in facts.shards() {
        let master = shard.node;
        match facts.probes.map(|probes| probes.get(&master)) {
            None => {}
            Some(None) => tally.missed(format!("{master} could not be tested yet")),
            Some(Some(probe)) => match &probe.trouble {
                Some(Trouble::OutOfMemory(text)) => tally.missed(text.clone()),
                trouble => tally.saw(trouble.as_ref().map(|trouble| trouble.text().to_owned())),
            },
        }
    }
    let slots: Vec<String> = facts.keys().map(|key| key.slot().to_string()).collect();
    let states = format!("ok on {} nodes", facts.count());
    match tally.check(format!("{states}; SET, GET, DEL in slots {}", slots.join(", "))) {
        Check::Holds(_) if facts.probes.is_none() => Check::NotAsked(format!("{states}; {READ_ONLY}")),
        check => check,
    }
}

/// Clients ask any node and go where it sends them.
pub(super) fn redirects(facts: &Facts<'_>) -> Check {
    let shards = facts.shards();
    if shards.len() == 1 {
        return Check::not_applicable("there is one master");
    }
    let mut tally = facts.tally();
    let mut path = String::new();
    for owner in shards.iter().map(|shard| shard.node) {
        let Some(Redirect { asked, slot, answer }) = facts.redirects.get(&owner) else {
            tally.missed(format!("no node was asked for a key of {owner}"));
            continue;
        };
        match answer {
            Answer::Later(said) => tally.missed(format!("{asked}: {said}")),
            Answer::Other(said) => tally.saw([format!("{asked}: {said} instead of MOVED")]),
            Answer::Moved { slot: moved, endpoint, port } => {
                path = format!("asked {asked}: Redirected to slot [{slot}] located at {endpoint}:{port}");
                let right = moved == slot
                    && *port == owner.address().port()
                    && leads_to(facts, owner, *asked, endpoint);
                tally.saw((!right).then(|| {
                    format!("{asked} sends clients of {owner} to {endpoint}:{port}{}", why(endpoint))
                }));
            }
        }
    }
    tally.check(path)
}

/// Whether an endpoint, by the node that gave it, is that of the owner.
fn leads_to(facts: &Facts<'_>, owner: NodeRef, asked: NodeRef, endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Ip(ip) => *ip == owner.address().ip(),
        // Whoever chose this gives clients one name for all nodes, with a port for each.
        Endpoint::Same => true,
        Endpoint::Nameless => false,
        Endpoint::Hostname(name) => {
            let id = facts.observed.view(owner).map(|view| &view.id);
            let row = id.and_then(|id| facts.observed.view(asked)?.row(id));
            row.and_then(|row| row.hostname.as_deref()).is_some_and(|known| known.eq_ignore_ascii_case(name))
        }
    }
}

fn why(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Nameless => ": it has no cluster-announce-hostname",
        _ => "",
    }
}

pub(super) fn probes_removed(facts: &Facts<'_>) -> Check {
    if facts.probes.is_none() {
        return Check::not_applicable(READ_ONLY);
    }
    let keys: u64 = facts.shards().iter().map(|shard| shard.master.keys()).sum();
    let fine = format!("0 of {} left; the cluster holds {keys} keys", facts.keys().count());
    facts.each_probe(fine, |shard, probe| {
        let (key, master) = (probe.key.name(), shard.node);
        match &probe.removed {
            Ok(gone) => Ok((!gone).then(|| format!("{key} is still on {master}"))),
            Err(error) => Err(format!("whether {key} is gone is unknown, it expires within 60 s: {error}")),
        }
    })
}

pub(super) fn log_faults(facts: &Facts<'_>) -> Check {
    facts.each_host("none", |node, facts| match &facts.log {
        LogFacts::Read(faults) => Ok(faults.last().map(|line| format!("{node}: {line}"))),
        LogFacts::Empty => Ok(None),
        LogFacts::Unreadable => Err(format!("{node}: its log cannot be read")),
        LogFacts::NoLines => Err(format!("{node}: its log has no line of the process")),
    })
}

/// A write may still pass while clients are about to be refused: buffers come and go.
const FULL_PER_MILLE: u64 = 995;

/// Without eviction, a master at its limit refuses writes.
pub(super) fn memory_left(facts: &Facts<'_>) -> Check {
    let mut tally = facts.tally();
    for shard in facts.shards() {
        let (master, memory) = (shard.node, &shard.master.info.memory);
        // Redis before 3.2 tells its limit in CONFIG GET only.
        let running = facts.configs.get(&master).map(|config| &config.running);
        let told = |name: &str| running.and_then(|running| running.get(name)).map(String::as_str);
        let max = memory.max.or_else(|| told("maxmemory")?.parse().ok());
        let policy = memory.policy.as_deref().or_else(|| told("maxmemory-policy"));
        let (Some(_), Some(max), Some(policy)) = (memory.used, max, policy) else {
            tally.missed(format!("{master} does not tell its memory"));
            continue;
        };
        let used = memory.counted();
        let refused = match facts.probes.and_then(|probes| probes.get(&master)?.trouble.as_ref()) {
            Some(Trouble::OutOfMemory(_)) => true,
            _ => max > 0 && used >= max / 1000 * FULL_PER_MILLE,
        };
        tally.saw((policy == "noeviction" && refused).then(|| {
            format!(
                "{master} is at its limit and refuses writes: {used} of maxmemory {max} bytes, noeviction"
            )
        }));
    }
    tally.check("no master is at its maxmemory, or it evicts keys")
}
