//! I22–I28: what is written arrives.

use super::{Check, Facts};
use crate::cluster::form::gaps::{is_replica_key, online_at};

pub(super) fn i22(facts: &Facts<'_>) -> Check {
    facts.each_replica("state=online, lag at most 1 s", |(replica, _), (master, view)| {
        if !online_at(view, replica) {
            return Some(format!("{master} does not have {replica} online"));
        }
        let port = format!("port={}", replica.port());
        let lines = view.info.iter().filter(|(key, _)| is_replica_key(key)).map(|(_, line)| line);
        let mine = lines.filter(|line| line.split(',').any(|part| part == port));
        let lag = mine.filter_map(|line| {
            line.split(',').find_map(|part| part.strip_prefix("lag=")?.parse::<i64>().ok())
        });
        lag.max().filter(|lag| *lag > 1).map(|lag| format!("{replica} lags {lag} s behind {master}"))
    })
}

pub(super) fn i23(facts: &Facts<'_>) -> Check {
    facts.each_replica("link up, no sync in progress, read-only", |(replica, view), (master, _)| {
        let period: i64 =
            view.tuning.get("repl-ping-replica-period").and_then(|v| v.parse().ok()).unwrap_or(10);
        let heard: i64 = view.info("master_last_io_seconds_ago").parse().unwrap_or(i64::MAX);
        if view.info("master_link_status") != "up" {
            return Some(format!("{replica} has no link to {master}"));
        }
        if view.info("master_sync_in_progress") != "0" {
            return Some(format!("{replica} still syncs from {master}"));
        }
        if view.info("slave_read_only") != "1" {
            return Some(format!("{replica} is writable"));
        }
        (heard > period + 1).then(|| format!("{replica} has not heard of {master} for {heard} s"))
    })
}

pub(super) fn i24(facts: &Facts<'_>) -> Check {
    facts.each_replica("the same on master and replica", |(replica, view), (master, theirs)| {
        let differ = view.info("master_replid") != theirs.info("master_replid");
        differ.then(|| format!("{replica} has another replication id than {master}"))
    })
}

/// The gap is measured against the master's offset right after the probe: what it sends later (pings, requests for
/// acknowledgement) is not data.
pub(super) fn i25(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable("there are no replicas");
    }
    let mut wrong = unprobed(facts);
    let mut told = Vec::new();
    for (master, probe) in &facts.probes {
        let (got, of) = probe.acknowledged;
        if usize::try_from(got) != Ok(of) || of < facts.fleet.replicas {
            wrong.push(format!("{master}: WAIT counted {got} of {} replicas", of.max(facts.fleet.replicas)));
        }
        for (replica, (_, offset)) in probe.replicas.iter().filter(|(_, (_, offset))| *offset < probe.offset)
        {
            wrong.push(format!("{replica} is {} bytes behind {master}", probe.offset - offset));
        }
        told.push(format!("{master} WAIT {of} = {got}"));
    }
    Check::of(wrong, format!("{}; gap 0", told.join(", ")))
}

pub(super) fn i26(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable("there are no replicas");
    }
    let mut wrong = unprobed(facts);
    let mut read = 0;
    for (replica, (result, _)) in facts.probes.values().flat_map(|probe| &probe.replicas) {
        match result {
            Ok(()) => read += 1,
            Err(said) => wrong.push(format!("{replica} answered {said}")),
        }
    }
    Check::of(wrong, format!("{read} replicas returned the probe key (READONLY, GET)"))
}

/// Nodes that do not answer, and masters without a probe: each is a reason to doubt what probes show.
pub(super) fn unprobed(facts: &Facts<'_>) -> Vec<String> {
    let silent = facts.observed.silent();
    let without = facts.shards().into_iter().filter(|(master, ..)| !facts.probes.contains_key(master));
    let mut wrong: Vec<String> =
        silent.chain(without.map(|(master, ..)| format!("{master} could not be tested yet"))).collect();
    wrong.extend(facts.probes.values().filter_map(|probe| probe.trouble.clone()));
    wrong
}

pub(super) fn i27(facts: &Facts<'_>) -> Check {
    let mut told = Vec::new();
    for (_, view, _) in facts.shards() {
        told.push(view.info("sync_full").to_owned());
    }
    facts.each(format!("full syncs so far: {}; none in progress", told.join(", ")), |node, view| {
        let later = facts.details.get(&node).map_or("", |details| details.sync_full.as_str());
        (later != view.info("sync_full")).then(|| format!("{node} began another full sync just now"))
    })
}

pub(super) fn i28(facts: &Facts<'_>) -> Check {
    facts.each("on every node", |node, view| {
        let role = facts.details.get(&node).map_or("", |details| details.role.as_str());
        let own = if view.is_replica() { "slave" } else { "master" };
        (role != own).then(|| format!("{node} says {role:?}, the cluster {own:?}"))
    })
}
