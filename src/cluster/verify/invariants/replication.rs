//! I22–I28: what is written arrives.

use super::facts::Facts;
use crate::{
    cluster::{tunable::Tunable, verify::evidence::Check},
    redis::Role,
};

pub(super) fn online_at_master(facts: &Facts<'_>) -> Check {
    facts.each_replica("state=online, lag at most 1 s", |(replica, _), (master, view)| {
        let replication = &view.info.replication;
        if !replication.has_online(replica) {
            return Some(format!("{master} does not have {replica} online"));
        }
        let lag = replication.lag_of(replica).filter(|lag| *lag > 1)?;
        Some(format!("{replica} lags {lag} s behind {master}"))
    })
}

pub(super) fn replica_link(facts: &Facts<'_>) -> Check {
    facts.each_replica("link up, no sync in progress, read-only", |(replica, view), (master, _)| {
        let period = view.tuning.get(Tunable::ReplicaPingPeriod).and_then(|value| value.parse().ok());
        let period: i64 = period.unwrap_or(10);
        let replication = &view.info.replication;
        let heard = replication.master_last_io_seconds_ago.unwrap_or(i64::MAX);
        if !replication.link_is_up() {
            return Some(format!("{replica} has no link to {master}"));
        }
        if replication.master_sync_in_progress != Some(false) {
            return Some(format!("{replica} still syncs from {master}"));
        }
        if replication.replica_read_only != Some(true) {
            return Some(format!("{replica} is writable"));
        }
        (heard > period.saturating_add(1))
            .then(|| format!("{replica} has not heard of {master} for {heard} s"))
    })
}

pub(super) fn replication_id(facts: &Facts<'_>) -> Check {
    facts.each_replica("the same on master and replica", |(replica, view), (master, theirs)| {
        let differ = view.info.replication.master_replid != theirs.info.replication.master_replid;
        differ.then(|| format!("{replica} has another replication id than {master}"))
    })
}

/// The gap is measured against the master's offset right after the probe: what it sends later (pings,
/// requests for acknowledgement) is not data.
pub(super) fn writes_acknowledged(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable("there are no replicas");
    }
    let mut wrong = unprobed(facts);
    let mut acknowledged = Vec::new();
    for (master, probe) in &facts.probes {
        let (got, of) = probe.acknowledged;
        if usize::try_from(got) != Ok(of) || of < facts.fleet.replicas {
            wrong.push(format!("{master}: WAIT counted {got} of {} replicas", of.max(facts.fleet.replicas)));
        }
        for (replica, (_, offset)) in probe.replicas.iter().filter(|(_, (_, offset))| *offset < probe.offset)
        {
            wrong.push(format!("{replica} is {} bytes behind {master}", probe.offset - offset));
        }
        acknowledged.push(format!("{master} WAIT {of} = {got}"));
    }
    Check::of(wrong, format!("{}; gap 0", acknowledged.join(", ")))
}

pub(super) fn replica_reads(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable("there are no replicas");
    }
    let mut wrong = unprobed(facts);
    let mut read = 0;
    for (replica, (result, _)) in facts.probes.values().flat_map(|probe| &probe.replicas) {
        match result {
            Ok(()) => read += 1,
            Err(answer) => wrong.push(format!("{replica} answered {answer}")),
        }
    }
    Check::of(wrong, format!("{read} replicas returned the probe key (READONLY, GET)"))
}

/// Nodes that do not answer, and masters whose probe failed or was not sent: what the probes show does not
/// hold for these.
pub(super) fn unprobed(facts: &Facts<'_>) -> Vec<String> {
    let silent = facts.observed.silent();
    let without = facts
        .shards()
        .into_iter()
        .map(|shard| shard.address)
        .filter(|master| !facts.probes.contains_key(master));
    let mut wrong: Vec<String> =
        silent.chain(without.map(|master| format!("{master} could not be tested yet"))).collect();
    wrong.extend(facts.probes.values().filter_map(|probe| probe.trouble.clone()));
    wrong
}

pub(super) fn no_repeated_syncs(facts: &Facts<'_>) -> Check {
    let shown = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let so_far: Vec<String> =
        facts.shards().iter().map(|shard| shown(shard.master.info.stats.sync_full)).collect();
    facts.each(format!("full syncs so far: {}; none in progress", so_far.join(", ")), |node, view| {
        let later = facts.details.get(&node).and_then(|details| details.sync_full);
        (later != view.info.stats.sync_full).then(|| format!("{node} began another full sync just now"))
    })
}

pub(super) fn role_agrees(facts: &Facts<'_>) -> Check {
    facts.each("on every node", |node, view| {
        let role = facts.details.get(&node).and_then(|details| details.role);
        let own = if view.is_replica() { Role::Replica } else { Role::Master };
        (role != Some(own)).then(|| {
            let role = role.map_or_else(|| "unknown".to_owned(), |role| role.to_string());
            format!("{node} says its role is {role}, the cluster says {own}")
        })
    })
}
