//! I19–I21: masters, replicas and their hosts.

use std::net::{IpAddr, SocketAddr};

use super::facts::{Facts, LiveShard, NO_REPLICAS};
use crate::{
    cluster::{
        domains::{bearable, is_crowded, leaders_within, masters_by_domain},
        verify::check::Check,
    },
    inventory::NodeRef,
};

pub(super) fn replica_count(facts: &Facts<'_>) -> Check {
    let (need, shards) = (facts.fleet.replicas, facts.shards());
    if need == 0 {
        return Check::not_applicable(NO_REPLICAS);
    }
    if shards.is_empty() {
        return facts.tally().check("");
    }
    let spare = facts.count().saturating_sub(facts.topology.shards.len() * (need + 1));
    let fine = format!("{need} replicas for each of {} masters, on all views", shards.len());
    facts.each(fine, |node, view| {
        let counted = shards.iter().map(|shard| {
            let follows = |master: Option<&crate::units::NodeId>| master == Some(&shard.master.id);
            let rows = view.rows.iter().filter(|row| row.is_replica() && follows(row.master.as_ref()));
            (shard.node, rows.count())
        });
        counted
            .filter(|(_, has)| *has < need || *has > need + spare)
            .map(|(master, has)| format!("{node} says {master} has {has} replicas"))
            .collect::<Vec<String>>()
    })
}

pub(super) fn master_address(facts: &Facts<'_>) -> Check {
    facts.each_replica("no chains, no detours", |(replica, view), (master, theirs)| {
        if theirs.is_replica() {
            return Some(format!("{replica} follows {master}, which is a replica itself"));
        }
        let replication = &view.info.replication;
        let ip = replication.master_host.as_deref().and_then(|host| host.parse::<IpAddr>().ok());
        let followed = ip.zip(replication.master_port).map(SocketAddr::from);
        (followed != Some(master.address()))
            .then(|| format!("{replica} follows {}, its master is {master}", replication.master_address()))
    })
}

/// Live roles decide. What the hosts cannot avoid is told, and is no fault.
pub(super) fn separation(facts: &Facts<'_>) -> Check {
    if facts.fleet.hosts.len() < 2 {
        return Check::not_applicable("there is one host");
    }
    let mut kinds = vec![Domains::new(facts, "host", |facts, node| Some(&facts.host(node)?.name))];
    if facts.fleet.hosts.iter().any(|host| host.zone.is_some()) {
        kinds.push(Domains::new(facts, "zone", |facts, node| {
            let host = facts.host(node)?;
            Some(host.zone.as_deref().unwrap_or(&host.name))
        }));
    }
    let shards = facts.shards();
    let mut tally = facts.tally();
    let mut notes = Vec::new();
    for judged in kinds.iter().flat_map(|domains| [domains.crowded(&shards), domains.heavy(&shards)]) {
        match judged {
            Judged::Avoidable(text) => tally.saw([text]),
            Judged::Note(text) => notes.push(text),
        }
    }
    for _ in &shards {
        tally.saw(None);
    }
    tally.check(notes.join("; "))
}

/// What was found about one kind of domain.
enum Judged {
    /// It could be otherwise.
    Avoidable(String),
    /// It is fine, or these hosts cannot do better.
    Note(String),
}

/// The hosts, or the zones, of the nodes.
struct Domains<'f, 'a> {
    facts: &'f Facts<'a>,
    kind: &'static str,
    of: fn(&'f Facts<'a>, NodeRef) -> Option<&'f str>,
}

impl<'f, 'a> Domains<'f, 'a> {
    fn new(
        facts: &'f Facts<'a>,
        kind: &'static str,
        of: fn(&'f Facts<'a>, NodeRef) -> Option<&'f str>,
    ) -> Self {
        Self { facts, kind, of }
    }

    fn domains(&self, members: impl Iterator<Item = NodeRef>) -> Vec<&'f str> {
        members.filter_map(|member| (self.of)(self.facts, member)).collect()
    }

    /// Shards with two nodes in one domain; more than the best placement has could be avoided.
    fn crowded(&self, shards: &[LiveShard<'_>]) -> Judged {
        let kind = self.kind;
        let planned = self.facts.topology.shards.iter();
        let planned = planned.filter(|shard| is_crowded(self.domains(shard.members()).into_iter())).count();
        let crowded: Vec<String> = shards
            .iter()
            .filter(|shard| is_crowded(self.domains(shard.members()).into_iter()))
            .map(|shard| shard.node.to_string())
            .collect();
        if crowded.is_empty() {
            return Judged::Note(format!("a master and its replicas never share a {kind}"));
        }
        let text = format!("two nodes of one shard share a {kind}: the shards of {}", crowded.join(", "));
        if crowded.len() > planned { Judged::Avoidable(text) } else { Judged::Note(text) }
    }

    /// Domains whose loss takes the majority of the masters with it.
    fn heavy(&self, shards: &[LiveShard<'_>]) -> Judged {
        let (kind, all, limit) = (self.kind, shards.len(), bearable(shards.len()));
        let held = masters_by_domain(self.domains(shards.iter().map(|shard| shard.node)).into_iter());
        let heavy = held.iter().filter(|(_, held)| **held > limit);
        let heavy: Vec<String> =
            heavy.map(|(name, held)| format!("{kind} {name} holds {held} of {all} masters")).collect();
        if heavy.is_empty() {
            return Judged::Note(format!("no {kind} holds so many masters that its loss stops the cluster"));
        }
        let members: Vec<Vec<&str>> = shards.iter().map(|shard| self.domains(shard.members())).collect();
        let text = format!("{}: its loss stops the cluster", heavy.join(", "));
        if leaders_within(&members, limit).is_some() {
            return Judged::Avoidable(format!("{text}; `provision apply` has replicas elsewhere lead"));
        }
        Judged::Note(text)
    }
}
