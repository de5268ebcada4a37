//! What looks wrong at first and is not.

use super::world::World;
use crate::{
    cluster::{
        testing::hosts,
        verify::{check::Check, redirect::Endpoint},
    },
    redis::{SlotRange, show_slots},
};

#[test]
fn roles_after_a_failover_break_nothing() {
    let fleet = hosts(&[1, 1, 1, 1, 1, 1], 1);
    let shards = crate::cluster::Topology::place(&fleet).shards;
    let line = |(index, shard): (usize, &crate::cluster::Shard)| {
        let (lead, follow) =
            if index == 0 { (shard.replicas[0], shard.master) } else { (shard.master, shard.replicas[0]) };
        format!("{lead} master {}\n{follow} replica {lead}\n", show_slots(&shard.slots))
    };
    World::of(fleet, &shards.iter().enumerate().map(line).collect::<String>()).assert_fine();
}

#[test]
fn every_kind_of_endpoint_leads_to_the_owner() {
    let mut world = World::healthy();
    world.set_endpoint(0, Endpoint::Same);
    world.assert_fine();
    let owner = world.master(1);
    world.set_endpoint(1, Endpoint::Hostname("N2.example".to_owned()));
    assert_eq!(world.broken(), ["I30"], "a name that the owner does not have");
    world.rows_about(owner).into_iter().for_each(|row| row.hostname = Some("n2.example".to_owned()));
    world.assert_fine();
}

#[test]
fn wait_may_count_others_that_follow_the_stream() {
    let mut world = World::healthy();
    world.probe(0).acknowledged = (2, 1);
    world.assert_fine();
}

#[test]
fn the_lag_of_a_replica_is_not_that_of_another_on_the_same_port() {
    let mut world = World::healthy();
    let (master, replica) = (world.master(0), world.replica(0));
    let replicas = &mut world.view(master).info.replication.replicas;
    let mut other = replicas[0].clone();
    (other.ip, other.lag) = ("10.0.0.77".to_owned(), Some(60));
    replicas.push(other);
    assert_eq!(replicas[0].port, replica.address().port());
    world.assert_fine();
}

#[test]
fn replicas_that_are_configured_never_to_lead_may_say_so() {
    let mut world = World::healthy();
    let replica = world.replica(0);
    world.rows_about(replica).into_iter().for_each(|row| row.flags.push("nofailover".to_owned()));
    assert_eq!(world.broken(), ["I6"]);
    world.set(replica, "cluster-replica-no-failover", "yes");
    world.assert_fine();
}

#[test]
fn replicas_that_are_configured_writable_may_be() {
    let mut world = World::healthy();
    let replica = world.replica(0);
    world.view(replica).info.replication.replica_read_only = Some(false);
    assert_eq!(world.broken(), ["I23"]);
    world.set(replica, "replica-read-only", "no");
    world.assert_fine();
}

#[test]
fn a_host_may_have_a_value_of_its_own() {
    let mut world = World::healthy();
    world.fleet.config.insert("appendonly".to_owned(), vec!["yes".to_owned()]);
    let node = world.master(0);
    let own = world.fleet.hosts.iter_mut().flat_map(|host| &mut host.nodes).find(|own| own.key == node);
    own.unwrap().config.insert("appendonly".to_owned(), vec!["no".to_owned()]);
    world.set(node, "appendonly", "no");
    world.view(node).info.persistence.aof_enabled = Some(false);
    world.assert_fine();
}

#[test]
fn a_row_of_redis_3_has_no_bus_port_and_perhaps_no_address_of_its_own() {
    let mut world = World::healthy();
    world.views().flat_map(|view| &mut view.rows).for_each(|row| row.bus_port = 0);
    let node = world.replica(0);
    world.row(node, node).ip.clear();
    world.assert_fine();
}

#[test]
fn hosts_of_different_kinds_have_different_builds() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.view(node).info.server.build_id = Some("another".to_owned());
    world.assert_fine();
}

#[test]
fn slots_that_were_moved_on_purpose_are_told() {
    let mut world = World::healthy();
    let (one, two) = (world.master(0), world.master(1));
    world.rows_about(one).into_iter().for_each(|row| row.slots[0] = SlotRange::new(0, 5459));
    world.rows_about(two).into_iter().for_each(|row| row.slots[0] = SlotRange::new(5460, 10922));
    world.assert_fine();
    let Check::Holds(text) = world.check("I10") else { panic!() };
    assert!(text.contains("0-5459 | 5460-10922") && text.contains("were moved"), "{text}");
}

#[test]
fn a_replica_that_has_open_what_its_master_has_is_no_second_move() {
    let mut world = World::healthy();
    for node in [world.master(0), world.replica(0)] {
        world.row(node, node).moving.push("[93->-gone]".to_owned());
    }
    let expected = format!("{} gives slot 93 to node gone, which does not import it", world.master(0));
    assert_eq!(world.check("I12"), Check::Broken(expected));
}

#[test]
fn a_young_link_has_yet_to_be_named_by_its_other_end() {
    let mut world = World::healthy();
    let (from, to) = (world.master(0), world.master(1));
    let [from_id, to_id] = [from, to].map(|node| world.observed.view(node).unwrap().id.clone());
    let now = world.view(from).now_ms;
    world.details(to).links.as_mut().unwrap().count_mut(&from_id).inbound = 0;
    assert_eq!(world.broken(), ["I8"]);
    // In a large cluster gossip spares a node pings for some node timeouts.
    let timeout = world.view(from).node_timeout_ms;
    for age in [100, timeout + 1, 9 * timeout] {
        world.details(from).links.as_mut().unwrap().count_mut(&to_id).opened_ms = now - age;
        world.assert_fine();
    }
    world.details(from).links.as_mut().unwrap().count_mut(&to_id).opened_ms = now - 11 * timeout;
    assert_eq!(world.broken(), ["I8"]);
}

#[test]
fn a_folder_is_the_same_with_its_links_resolved() {
    let mut world = World::healthy();
    let node = world.master(0);
    world.config(node).running.insert("dir".to_owned(), "/mnt/data".to_owned());
    assert_eq!(world.broken(), ["I35"]);
    world.host(node).data = "/mnt/data".to_owned();
    world.assert_fine();
}

#[test]
fn a_master_that_evicts_keys_is_not_out_of_memory() {
    let mut world = World::healthy();
    let node = world.master(0);
    world.view(node).info.memory.used = Some(1 << 30);
    world.view(node).info.memory.policy = Some("allkeys-lru".to_owned());
    world.assert_fine();
    world.view(node).info.memory.policy = Some("noeviction".to_owned());
    world.view(node).info.memory.not_counted = Some(1 << 29);
    world.assert_fine();
}

#[test]
fn a_restart_by_systemd_is_reported_and_no_fault() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.host(node).unit.as_mut().unwrap().restarts = 2;
    let expected = format!("enabled at boot; {node} crashed and was restarted 2 times");
    assert_eq!(world.check("I36"), Check::Holds(expected));
}
