use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::cluster::testing::hosts;

/// A fleet with this many nodes on each host; `zones` names each host's zone.
fn fleet(nodes: &[usize], zones: &[Option<&str>], replicas: usize) -> Fleet {
    let mut fleet = hosts(nodes, replicas);
    for (host, zone) in fleet.hosts.iter_mut().zip(zones) {
        host.zone = zone.map(str::to_owned);
    }
    fleet
}

fn show(topology: &Topology) -> Vec<String> {
    let line = |shard: &Shard| {
        let members: Vec<String> = shard.members().map(|member| member.to_string()).collect();
        format!("{} {}", members.join(" "), crate::redis::show_slots(&shard.slots))
    };
    topology.shards.iter().map(line).collect()
}

#[test]
fn one_host_has_its_masters_first() {
    let topology = Topology::place(&fleet(&[6], &[], 1));
    assert_eq!(
        show(&topology),
        [
            "10.0.0.1:7001 10.0.0.1:7004 0-5460",
            "10.0.0.1:7002 10.0.0.1:7005 5461-10922",
            "10.0.0.1:7003 10.0.0.1:7006 10923-16383",
        ]
    );
}

#[test]
fn six_hosts_with_a_node_each() {
    let topology = Topology::place(&fleet(&[1; 6], &[], 1));
    assert_eq!(show(&topology)[0], "10.0.0.1:7001 10.0.0.4:7001 0-5460");
    assert_eq!(topology.notes.len(), 2);
}

#[test]
fn three_hosts_with_two_nodes_have_a_master_each() {
    let topology = Topology::place(&fleet(&[2; 3], &[], 1));
    let ips: BTreeSet<_> = topology.shards.iter().map(|shard| shard.master.address().ip()).collect();
    assert_eq!(ips.len(), 3, "{:?}", show(&topology));
}

#[test]
fn a_shard_is_spread_over_zones() {
    let zones = [Some("a"), Some("a"), Some("a"), Some("b"), Some("b"), Some("b")];
    let topology = Topology::place(&fleet(&[1; 6], &zones, 1));
    assert!(topology.notes.iter().any(|note| note.ends_with("never share a zone")), "{:?}", topology.notes);
}

#[test]
fn a_host_that_must_hold_the_quorum_is_named() {
    let topology = Topology::place(&fleet(&[3, 3], &[], 1));
    assert!(
        topology.notes.iter().any(|note| note.contains("its loss stops the cluster")),
        "{:?}",
        topology.notes
    );
}

fn fleets() -> impl Strategy<Value = Fleet> {
    (prop::collection::vec(1usize..5, 1..12), prop::collection::vec(0usize..3, 12), 0usize..3, any::<bool>())
        .prop_map(|(nodes, zones, replicas, zoned)| {
            let names = ["a", "b", "c"];
            let zones: Vec<_> = zones.into_iter().map(|zone| zoned.then_some(names[zone])).collect();
            fleet(&nodes, &zones, replicas)
        })
        .prop_filter("three masters at least", |fleet| fleet.masters() >= 3)
}

proptest! {
    #[test]
    fn every_node_has_one_place(fleet in fleets()) {
        let topology = Topology::place(&fleet);
        let placed: Vec<_> = topology.shards.iter().flat_map(Shard::members).collect();
        prop_assert_eq!(placed.len(), fleet.nodes().count());
        prop_assert_eq!(placed.iter().collect::<BTreeSet<_>>().len(), placed.len());
        prop_assert_eq!(topology.shards.len(), fleet.masters());
        for shard in &topology.shards {
            prop_assert!(shard.replicas.len() >= fleet.replicas);
        }
        prop_assert_eq!(&topology, &Topology::place(&fleet));
    }

    #[test]
    fn a_shard_shares_a_host_only_where_it_must(fleet in fleets()) {
        let topology = Topology::place(&fleet);
        for host in &fleet.hosts {
            let most = topology.shards.iter()
                .map(|shard| shard.members().filter(|m| host.nodes.iter().any(|n| n.key == *m)).count())
                .max().unwrap_or(0);
            prop_assert!(most <= host.nodes.len().div_ceil(topology.shards.len()));
        }
    }

    #[test]
    fn a_shard_shares_a_zone_only_where_it_must(fleet in fleets()) {
        let topology = Topology::place(&fleet);
        let zones: BTreeSet<_> = fleet.hosts.iter().filter_map(|host| host.zone.clone()).collect();
        for zone in zones {
            let nodes: BTreeSet<_> = fleet.hosts.iter().filter(|host| host.zone.as_ref() == Some(&zone))
                .flat_map(|host| host.nodes.iter().map(|node| node.key)).collect();
            let most = topology.shards.iter()
                .map(|shard| shard.members().filter(|m| nodes.contains(m)).count()).max().unwrap_or(0);
            prop_assert!(most <= nodes.len().div_ceil(topology.shards.len()));
        }
    }

    #[test]
    fn equal_hosts_share_the_masters_equally(hosts in 3usize..9, nodes in 1usize..4, replicas in 0usize..3) {
        let fleet = fleet(&vec![nodes; hosts], &[], replicas);
        prop_assume!(fleet.masters() >= 3);
        let topology = Topology::place(&fleet);
        let most = fleet.hosts.iter().map(|host| {
            topology.shards.iter().filter(|s| host.nodes.iter().any(|n| n.key == s.master)).count()
        }).max().unwrap();
        prop_assert_eq!(most, topology.shards.len().div_ceil(hosts));
    }
}
