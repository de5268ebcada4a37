use super::*;
use crate::cluster::testing::{SIX, add_row, at, cluster, hosts, id, row_mut, six, unmeet};

fn target(text: &str) -> TargetRoles {
    target_of(&six(), &cluster(text))
}

fn target_of(fleet: &Fleet, observed: &Observed) -> TargetRoles {
    decide(&Premises::of(fleet), &Topology::place(fleet), observed)
}

fn masters(target: &TargetRoles) -> Vec<u16> {
    target.masters.iter().map(|node| node.address().port()).collect()
}

fn replicas(target: &TargetRoles) -> Vec<(u16, u16)> {
    target
        .replicas
        .iter()
        .map(|(replica, master)| (replica.address().port(), master.address().port()))
        .collect()
}

fn range(first: u16, last: u16) -> Vec<SlotRange> {
    vec![SlotRange::new(first, last)]
}

#[test]
fn blank_nodes_get_the_planned_roles_and_all_slots() {
    let blank: String = (7001..=7006).map(|port| format!("{port} master alone\n")).collect();
    let target = target(&blank);
    assert_eq!(masters(&target), [7001, 7002, 7003]);
    assert_eq!(replicas(&target), [(7004, 7001), (7005, 7002), (7006, 7003)]);
    let expected = [
        (at("7001"), range(0, 5460)),
        (at("7002"), range(5461, 10_922)),
        (at("7003"), range(10_923, 16_383)),
    ];
    assert_eq!(target.slot_assignments, BTreeMap::from(expected));
    assert_eq!((target.stale_ids, target.pending), (Vec::new(), BTreeMap::new()));
}

#[test]
fn a_formed_cluster_stays_as_it_is() {
    let target = target(SIX);
    assert_eq!(masters(&target), [7001, 7002, 7003]);
    assert_eq!(replicas(&target), [(7004, 7001), (7005, 7002), (7006, 7003)]);
    assert_eq!(target.slot_assignments, BTreeMap::new());
}

#[test]
fn roles_after_a_failover_stay() {
    let target = target(
        "7001 replica 7004
         7002 master 5461-10922
         7003 master 10923-16383
         7004 master 0-5460
         7005 replica 7002
         7006 replica 7003",
    );
    assert_eq!(masters(&target), [7002, 7003, 7004]);
    assert_eq!(replicas(&target), [(7001, 7004), (7005, 7002), (7006, 7003)]);
    assert_eq!(target.slot_assignments, BTreeMap::new());
}

#[test]
fn free_slots_go_to_the_master_of_their_planned_shard() {
    let target = target(&SIX.replace("5461-10922", "5461-6000 6011-10922"));
    assert_eq!(target.slot_assignments, BTreeMap::from([(at("7002"), range(6001, 6010))]));
}

#[test]
fn free_slots_of_a_shard_whose_replica_leads_go_to_that_one() {
    let target = target(
        "7001 replica 7004
         7002 master 5461-10922
         7003 master 10923-16383
         7004 master 0-5000
         7005 replica 7002
         7006 replica 7003",
    );
    assert_eq!(target.slot_assignments, BTreeMap::from([(at("7004"), range(5001, 5460))]));
}

#[test]
fn a_node_that_has_replicas_becomes_the_missing_master() {
    let target = target(
        "7001 master
         7002 master 5461-10922
         7003 master 10923-16383
         7004 master
         7005 replica 7002
         7006 replica 7004",
    );
    assert_eq!(masters(&target), [7002, 7003, 7004]);
    assert_eq!(target.master_of(at("7001")), Some(at("7003")), "which has no replica");
}

#[test]
fn no_node_becomes_a_master_while_every_slot_has_an_owner() {
    let target = target(
        "7001 master 0-8191
         7002 master 8192-16383
         7003 master
         7004 replica 7001
         7005 replica 7002
         7006 master",
    );
    assert_eq!(masters(&target), [7001, 7002]);
    assert_eq!(target.replicas.len(), 4);
}

#[test]
fn an_id_that_no_node_has_is_stale() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7001", "old 10.0.0.1:7006@17006 slave,fail id-10.0.0.1:7003 0 0 3 disconnected");
    assert_eq!(target_of(&six(), &observed).stale_ids, [NodeId::from("old")]);
}

#[test]
fn a_lost_master_whose_replica_lives_is_waited_for() {
    let mut observed = cluster(
        "7001 master
         7002 master 5461-10922
         7003 master 10923-16383
         7004 replica 7001
         7005 replica 7002
         7006 replica 7003",
    );
    // 7001 came back without its memory; 7004 still follows its old id, which owns the slots.
    for reader in ["7001", "7002", "7003", "7005", "7006"] {
        add_row(&mut observed, reader, "old 10.0.0.1:7001@17001 master,fail - 0 0 1 disconnected 0-5460");
    }
    let own = crate::cluster::testing::row_mut(&mut observed, "7004", "7004");
    own.master = Some(NodeId::from("old"));
    let target = target_of(&six(), &observed);
    assert_eq!(target.stale_ids, Vec::<NodeId>::new(), "its replica needs the id for its election");
    let waiting = &target.pending[&at("7004")];
    assert_eq!(waiting, "10.0.0.1:7004 has not taken over the slots of its lost master old yet");
    assert_eq!(target.slot_assignments, BTreeMap::new(), "the replica is about to own them");
    assert_eq!(masters(&target), [7002, 7003]);
}

#[test]
fn of_two_claims_to_a_slot_the_newer_epoch_wins() {
    let target = target(
        "7001 master 0-5460 epoch=1
         7002 master 5461-10922 epoch=2
         7003 master 10923-16383 epoch=3
         7004 master 0-5460 epoch=4
         7005 replica 7002
         7006 replica 7003",
    );
    assert_eq!(masters(&target), [7002, 7003, 7004]);
    let text = &target.pending[&at("7001")];
    assert_eq!(text, "10.0.0.1:7001 claims slots that a newer master owns, and has not noticed yet");
    assert_eq!(target.slot_assignments, BTreeMap::new());
}

#[test]
fn a_surplus_replica_moves_to_the_master_without_one() {
    let target = target(
        "7001 master 0-5460
         7002 master 5461-10922
         7003 master 10923-16383
         7004 replica 7001
         7005 replica 7002
         7006 replica 7001",
    );
    assert_eq!(
        replicas(&target),
        [(7004, 7001), (7005, 7002), (7006, 7003)],
        "the one that was planned for it"
    );
}

#[test]
fn a_replica_of_an_unknown_master_gets_its_planned_one() {
    let mut observed = cluster(SIX);
    crate::cluster::testing::row_mut(&mut observed, "7005", "7005").master = Some(NodeId::from("old"));
    assert_eq!(target_of(&six(), &observed).master_of(at("7005")), Some(at("7002")));
}

#[test]
fn a_replica_avoids_the_host_of_its_master() {
    let fleet = hosts(&[2, 2, 2], 1);
    // 1:7001 and 2:7001 lead with a replica each; 3:7001 leads without, and 3:7002 is on its host.
    let observed = cluster(
        "1:7001 master 0-5460
         1:7002 replica 2:7001
         2:7001 master 5461-10922
         2:7002 replica 1:7001
         3:7001 master 10923-16383
         3:7002 replica 1:7001",
    );
    let target = target_of(&fleet, &observed);
    assert_eq!(target.master_of(at("2:7002")), Some(at("3:7001")), "it moves instead of 3:7002");
    assert_eq!(target.master_of(at("3:7002")), Some(at("1:7001")));
}

#[test]
fn nodes_that_do_not_know_each_other_yet_are_placed_all_the_same() {
    let mut observed = cluster(SIX);
    unmeet(&mut observed, "7001", "7006");
    unmeet(&mut observed, "7006", "7001");
    assert_eq!(target_of(&six(), &observed), target(SIX));
    assert_eq!(id("7001"), NodeId::from("id-10.0.0.1:7001"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever roles are there, every node gets exactly one, and no slot is given away that has an owner.
    #[test]
    fn every_node_gets_one_role_and_owned_slots_stay(roles in proptest::collection::vec(0usize..6, 6)) {
        let line = |(index, role): (usize, &usize)| {
            let port = 7001 + index;
            let slots = ["0-5460", "5461-10922", "10923-16383"];
            match role {
                0 => format!("{port} master\n"),
                1..=3 => format!("{port} master {}\n", slots[role - 1]),
                _ => format!("{port} replica {}\n", 7001 + (index + role) % 6),
            }
        };
        let text: String = roles.iter().enumerate().map(line).collect();
        let (fleet, observed) = (six(), cluster(&text));
        let target = target_of(&fleet, &observed);
        for node in fleet.nodes() {
            let places = usize::from(target.masters.contains(&node.key))
                + usize::from(target.replicas.contains_key(&node.key))
                + usize::from(target.pending.contains_key(&node.key));
            proptest::prop_assert!(places <= 1, "{} in {text}", node.key);
            proptest::prop_assert!(places == 1 || target.masters.is_empty(), "{} in {text}", node.key);
        }
        let owned = |slot: u16| observed.views().any(|(_, view)| {
            view.owns_slots() && view.myself().unwrap().slots.iter().any(|range| range.contains(slot))
        });
        for range in target.slot_assignments.values().flatten() {
            proptest::prop_assert!(!range.iter().any(owned), "{range} in {text}");
        }
    }
}

/// 7001 came back without its memory, and its replica 7004 follows its old id.
fn orphaned(replica: &str) -> Observed {
    let text = SIX.replace("7001 master 0-5460", "7001 master");
    let mut observed = cluster(&text.replace("7004 replica 7001", replica));
    let old = "old 10.0.0.1:7001@17001 master,fail - 0 0 1 disconnected 0-5460";
    for node in ["7002", "7003", "7004", "7005", "7006"] {
        add_row(&mut observed, node, old);
    }
    row_mut(&mut observed, "7004", "7004").master = Some("old".into());
    observed
}

#[test]
fn a_replica_that_never_had_a_link_and_has_no_keys_inherits_nothing() {
    let target = target_of(&six(), &orphaned("7004 replica 7001 link=never keys=0"));
    assert!(target.heirs.is_empty());
    assert_eq!(target.lost.iter().map(|lost| &lost.slots).collect::<Vec<_>>(), [&range(0, 5460)]);
    for replica in ["link=never keys=3", "link=down keys=0", "link=down keys=3"] {
        let target = target_of(&six(), &orphaned(&format!("7004 replica 7001 {replica}")));
        assert_eq!(target.heirs, BTreeMap::from([(at("7004"), "old".into())]), "{replica}");
        assert!(target.lost.is_empty(), "{replica}");
    }
}
