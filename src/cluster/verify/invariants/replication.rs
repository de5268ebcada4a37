//! I22–I28: what is written arrives.

use super::facts::{Facts, NO_REPLICAS};
use crate::{
    cluster::{
        tunable::Tunable,
        verify::{
            check::Check,
            syncs::{SYNC_WATCH_TIMEOUT, SyncCount},
            write_probe::WriteProbe,
        },
    },
    inventory::NodeRef,
    redis::Role,
};

pub(super) fn online_at_master(facts: &Facts<'_>) -> Check {
    facts.each_replica("state=online, lag at most 1 s", |(replica, _), (master, view)| {
        let replication = &view.info.replication;
        if !replication.has_online(replica.address()) {
            return Some(format!("{master} does not have {replica} online"));
        }
        let lag = replication.lag_of(replica.address()).filter(|lag| *lag > 1)?;
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
        if replication.replica_read_only != Some(true) && !facts.is_set(replica, "replica-read-only", "no") {
            return Some(format!("{replica} is writable"));
        }
        (heard > period.saturating_add(1))
            .then(|| format!("{replica} has not heard of {master} for {heard} s"))
    })
}

pub(super) fn replication_id(facts: &Facts<'_>) -> Check {
    let mut views = facts.observed.views().peekable();
    if views.peek().is_some() && views.all(|(_, view)| view.info.replication.master_replid.is_none()) {
        return Check::not_applicable("replication ids came with 4.0");
    }
    facts.each_replica("the same on master and replica", |(replica, view), (master, theirs)| {
        let differ = view.info.replication.master_replid != theirs.info.replication.master_replid;
        differ.then(|| format!("{replica} has another replication id than {master}"))
    })
}

/// The replicas of a probe that was written; what keeps a probe from being written is for
/// [`writable`](super::service::writable).
fn followed(master: NodeRef, probe: &WriteProbe) -> Result<&WriteProbe, String> {
    match &probe.trouble {
        Some(trouble) => Err(format!("no key could be written: {}", trouble.text())),
        None if probe.acknowledged.1 == 0 => Err(format!("{master} has no replica")),
        None => Ok(probe),
    }
}

/// The gap is measured against the master's offset right after the probe: what it sends later (pings,
/// requests for acknowledgement) is not data. WAIT counts others that follow the stream, too.
pub(super) fn writes_acknowledged(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable(NO_REPLICAS);
    }
    let counted = facts.probes.into_iter().flatten().map(|(master, probe)| {
        let (got, of) = probe.acknowledged;
        format!("{master} WAIT {of} = {got}")
    });
    let fine = format!("{}; gap 0", counted.collect::<Vec<_>>().join(", "));
    facts.each_probe(fine, |shard, probe| {
        let (master, probe) = (shard.node, followed(shard.node, probe)?);
        let (got, of) = probe.acknowledged;
        let few = usize::try_from(got).is_ok_and(|got| got >= of);
        let few = (!few).then(|| format!("{master}: WAIT counted {got} of {of} replicas"));
        let behind =
            probe.replicas.iter().filter(|(_, (read, offset))| read.is_ok() && *offset < probe.offset);
        let behind = behind.map(|(replica, (_, offset))| {
            format!("{replica} is {} bytes behind {master}", probe.offset - offset)
        });
        Ok(few.into_iter().chain(behind).collect::<Vec<String>>())
    })
}

pub(super) fn replica_reads(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable(NO_REPLICAS);
    }
    let probes = facts.probes.into_iter().flatten();
    let read: usize = probes.map(|(_, probe)| probe.replicas.len()).sum();
    facts.each_probe(format!("{read} replicas returned the probe key (READONLY, GET)"), |shard, probe| {
        let replicas = &followed(shard.node, probe)?.replicas;
        let wrong = replicas
            .iter()
            .filter_map(|(replica, (read, _))| Some(format!("{replica} answered {}", read.as_ref().err()?)));
        Ok(wrong.collect::<Vec<String>>())
    })
}

/// A replica takes one full synchronisation after the start of its master; where there were more, the count
/// must stand still for a while.
pub(super) fn no_repeated_syncs(facts: &Facts<'_>) -> Check {
    if facts.fleet.replicas == 0 {
        return Check::not_applicable(NO_REPLICAS);
    }
    let mut tally = facts.tally();
    let mut shown = Vec::new();
    for shard in facts.shards() {
        let master = shard.node;
        let Some(SyncCount { first, last, steady }) = facts.syncs.get(&master).copied() else {
            tally.missed(format!("{master} does not count its full syncs"));
            continue;
        };
        let (began, seconds) = (last - first, steady.as_secs_f32());
        if last <= shard.replicas.len() as u64 {
            shown.push(format!("{master} {last}"));
            tally.saw(None);
        } else if steady >= SYNC_WATCH_TIMEOUT {
            shown.push(format!("{master} {last}, none for {seconds:.1} s"));
            tally.saw(None);
        } else if began > 1 {
            tally.saw([format!("{master} began {began} full syncs while it was watched")]);
        } else {
            tally.missed(format!(
                "{master} began {last} full syncs so far, and was watched for {seconds:.1} s only"
            ));
        }
    }
    tally.check(format!("full syncs so far: {}", shown.join(", ")))
}

pub(super) fn role_agrees(facts: &Facts<'_>) -> Check {
    let mut tally = facts.tally();
    for (node, view) in facts.observed.views() {
        let Some(role) = facts.details.get(&node).and_then(|details| details.role) else {
            tally.missed(format!("{node} did not say its role"));
            continue;
        };
        let own = if view.is_replica() { Role::Replica } else { Role::Master };
        tally.saw((role != own).then(|| format!("{node} says its role is {role}, the cluster says {own}")));
    }
    tally.check("on every node")
}
