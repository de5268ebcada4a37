//! Which replicas should lead so that the loss of one host or zone does not stop the cluster.

use crate::{
    cluster::{
        domains::{bearable, leaders_within, masters_by_domain},
        observe::Observed,
    },
    inventory::{Fleet, Host, NodeRef},
};

/// The replicas that should lead instead of their masters, each with its master: none where no host and no
/// zone holds most masters, or where failovers cannot change that. Only replicas that are online count.
pub(in crate::cluster) fn misplaced(fleet: &Fleet, observed: &Observed) -> Vec<(NodeRef, NodeRef)> {
    // While slots move their keys are on two nodes: no hand-over then.
    if !observed.open_slots.is_empty() {
        return Vec::new();
    }
    let shards: Vec<Vec<NodeRef>> = observed
        .slot_owners()
        .map(|(master, view)| {
            let online = |(replica, _): &(NodeRef, _)| view.info.replication.has_online(replica.address());
            let replicas = observed.replicas_of(&view.id).filter(online).map(|(replica, _)| replica);
            std::iter::once(master).chain(replicas).collect()
        })
        .collect();
    let zones = fleet.hosts.iter().any(|host| host.zone.is_some());
    // Each host is in one zone: leaders that are spread over zones are spread over hosts, too.
    let by_zone = zones.then(|| moves(fleet, &shards, zone)).flatten();
    by_zone.or_else(|| moves(fleet, &shards, |host| &host.name)).unwrap_or_default()
}

fn zone(host: &Host) -> &str {
    host.zone.as_deref().unwrap_or(&host.name)
}

/// `None` where all is well, or cannot be better.
fn moves(
    fleet: &Fleet,
    shards: &[Vec<NodeRef>],
    domain: fn(&Host) -> &str,
) -> Option<Vec<(NodeRef, NodeRef)>> {
    let of = |node: &NodeRef| {
        let host = fleet.hosts.iter().find(|host| host.name == node.member().host);
        host.map_or("", domain)
    };
    let limit = bearable(shards.len());
    let domains: Vec<Vec<&str>> = shards.iter().map(|members| members.iter().map(of).collect()).collect();
    let held = masters_by_domain(domains.iter().filter_map(|members| members.first().copied()));
    if held.values().all(|held| *held <= limit) {
        return None;
    }
    let leads = leaders_within(&domains, limit)?;
    let moved = shards.iter().zip(leads).filter(|(_, lead)| *lead > 0);
    Some(moved.map(|(members, lead)| (members[lead], members[0])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{at, cluster, hosts};

    /// Two nodes on each of three hosts; two masters are on the first.
    const HEAVY: &str = "\
1:7001 master 0-5460
1:7002 master 5461-10922
3:7001 master 10923-16383
2:7001 replica 1:7001
3:7002 replica 1:7002
2:7002 replica 3:7001
";

    fn misplaced_in(text: &str, zones: &[&str]) -> Vec<(NodeRef, NodeRef)> {
        let mut fleet = hosts(&[2, 2, 2], 1);
        for (host, zone) in fleet.hosts.iter_mut().zip(zones) {
            host.zone = Some((*zone).to_owned());
        }
        misplaced(&fleet, &cluster(text))
    }

    #[test]
    fn of_two_masters_on_one_host_one_is_led_elsewhere() {
        assert_eq!(misplaced_in(HEAVY, &[]), [(at("2:7001"), at("1:7001"))]);
    }

    #[test]
    fn spread_masters_stay_and_a_replica_that_is_not_online_cannot_lead() {
        let spread = HEAVY.replace("1:7002", "x").replace("3:7002", "1:7002").replace('x', "2:7001");
        let spread = spread.replace("2:7001 replica 1:7001", "3:7002 replica 1:7001");
        assert_eq!(misplaced_in(&spread, &[]), []);
        let cut = HEAVY.replace("replica 1:7001", "replica 1:7001 link=down");
        let cut = cut.replace("replica 1:7002", "replica 1:7002 link=down");
        assert_eq!(misplaced_in(&cut, &[]), []);
    }

    #[test]
    fn where_zones_cannot_be_spread_hosts_still_are() {
        let moved = [(at("2:7001"), at("1:7001"))];
        assert_eq!(misplaced_in(HEAVY, &["a", "a", "a"]), moved);
        assert_eq!(
            misplaced_in(HEAVY, &["a", "b", "b"]),
            moved,
            "two zones cannot hold one master each of three"
        );
        assert_eq!(misplaced_in(HEAVY, &["a", "b", "c"]), moved);
    }
}
