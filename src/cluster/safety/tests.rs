use crate::inventory::NodeRef;
use std::collections::BTreeMap;

use super::*;
use crate::cluster::StoppedNode;
use crate::cluster::testing::{SIX, add_row, at, cluster, id, six, unmeet, view_mut};

fn refused(observed: &Observed) -> Option<SafetyViolation> {
    check(&six(), observed, &OnDisk::default()).err()
}

/// What a stopped node has in `nodes.conf`.
fn with_disk(observed: &Observed, files: &BTreeMap<NodeRef, String>) -> Option<SafetyViolation> {
    let stopped =
        |text: &String| StoppedNode { nodes_conf: Some(text.clone()), next_start: NextStart::Nothing };
    let stopped = files.iter().map(|(node, text)| (*node, stopped(text))).collect();
    check(&six(), observed, &OnDisk { stopped, ..OnDisk::default() }).err()
}

#[test]
fn a_healthy_cluster_and_blank_nodes_may_be_changed() {
    assert_eq!(refused(&cluster(SIX)), None);
    let blank = cluster("7001 master alone\n7002 master alone\n7003 down x");
    assert!(check(&six(), &blank, &OnDisk::default()).is_ok_and(|members| members.is_blank()));
}

#[test]
fn an_address_outside_the_fleet_is_foreign() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7002", "alien 10.9.9.9:6379@16379 master - 0 0 7 connected");
    let violation = refused(&observed).unwrap();
    let expected = SafetyViolation::Foreign {
        node: at("7002"),
        id: "alien".into(),
        address: "10.9.9.9:6379".to_owned(),
    };
    assert_eq!(violation, expected);
    assert!(violation.to_string().contains("10.0.0.1:7002 knows node alien at 10.9.9.9:6379"));
}

#[test]
fn a_handshake_with_a_foreign_node_is_not_yet_a_meeting() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7002", "tmp 10.9.9.9:6379@16379 handshake - 0 0 0 connected");
    assert_eq!(refused(&observed), None);
}

#[test]
fn addresses_of_the_fleet_with_only_unknown_ids_are_another_cluster() {
    let mut observed = cluster("7001 master alone\n7002 master alone");
    add_row(&mut observed, "7002", "alien 10.0.0.1:7001@17001 master - 0 0 7 connected");
    let violation = refused(&observed);
    assert!(
        matches!(&violation, Some(SafetyViolation::OtherCluster { node, .. }) if *node == at("7002")),
        "{violation:?}"
    );
}

/// A member that lost its `nodes.conf` has a new id; the others still list the old one.
#[test]
fn a_former_id_is_not_foreign_where_other_members_are_known() {
    let mut observed = cluster("7001 master\n7002 master\n7003 master alone");
    for reader in ["7001", "7002"] {
        add_row(&mut observed, reader, "former 10.0.0.1:7003@17003 master,fail - 0 0 1 disconnected");
    }
    assert_eq!(refused(&observed), None);
}

#[test]
fn an_id_without_an_address_is_not_foreign_where_other_members_are_known() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7001", "former :0@0 master,fail,noaddr - 0 0 1 disconnected");
    assert_eq!(refused(&observed), None);
}

#[test]
fn a_silent_node_may_have_any_id_at_its_address() {
    let mut observed = cluster("7001 master 0-100 alone\n7002 down connection refused");
    add_row(&mut observed, "7001", "unknown 10.0.0.1:7002@17002 slave id-10.0.0.1:7001 0 0 1 connected");
    assert_eq!(refused(&observed), None);
}

#[test]
fn one_id_on_two_addresses_is_refused() {
    let mut observed = cluster("7001 master alone\n7002 master alone");
    view_mut(&mut observed, "7002").id = id("7001");
    let expected = SafetyViolation::SameId { one: at("7001"), other: at("7002"), id: id("7001") };
    assert_eq!(refused(&observed), Some(expected));
}

#[test]
fn a_slot_with_two_owners_that_have_not_met_is_two_clusters() {
    let twice = cluster("7001 master 0-100 alone\n7002 master 100-200 alone");
    let expected = SafetyViolation::TwoClusters { one: at("7001"), other: at("7002"), slot: 100 };
    assert_eq!(refused(&twice), Some(expected));
    let apart = cluster("7001 master 0-100 alone\n7002 master 101-200 alone");
    assert_eq!(refused(&apart), None);
}

#[test]
fn a_slot_with_two_owners_of_which_one_knows_the_other_is_a_conflict_the_engine_resolves() {
    let mut observed = cluster("7001 master 0-100\n7002 master 100-200");
    unmeet(&mut observed, "7001", "7002");
    assert_eq!(refused(&observed), None);
}

#[test]
fn keys_of_a_node_alone_are_not_flushed() {
    let observed = cluster("7001 master keys=7 alone");
    assert_eq!(refused(&observed), Some(SafetyViolation::WouldFlush { node: at("7001"), keys: 7 }));
    assert_eq!(refused(&cluster("7001 master 0-100 keys=7 alone")), None, "it keeps the keys of its slots");
    assert_eq!(
        refused(&cluster("7001 replica 7002 keys=7 alone\n7002 down x")),
        None,
        "they are its master's"
    );
}

#[test]
fn the_file_of_a_stopped_node_speaks_for_it() {
    let file = "id-1 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-8191\n\
                alien 10.9.9.9:6379@16379 master - 0 0 2 connected 8192-16383\nvars currentEpoch 2 lastVoteEpoch 0\n";
    let observed = cluster("7001 down connection refused");
    let violation = with_disk(&observed, &BTreeMap::from([(at("7001"), file.to_owned())]));
    assert!(
        matches!(&violation, Some(SafetyViolation::Foreign { node, .. }) if *node == at("7001")),
        "{violation:?}"
    );
    let unreadable = BTreeMap::from([(at("7001"), "no table of nodes".to_owned())]);
    assert_eq!(with_disk(&observed, &unreadable), None, "the node itself will say so");
}

#[test]
fn a_running_node_counts_more_than_its_file() {
    let file = "x 10.0.0.1:7001@17001 myself,master - 0 0 1 connected\nalien 10.9.9.9:1@2 master - 0 0 2 connected\n";
    assert_eq!(with_disk(&cluster(SIX), &BTreeMap::from([(at("7001"), file.to_owned())])), None);
}
