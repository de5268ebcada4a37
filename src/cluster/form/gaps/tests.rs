use super::*;
use crate::cluster::Premises;
use crate::cluster::{
    form::target::decide,
    testing::{SIX, add_row, cluster, row_mut, six, unmeet, view_mut},
    topology::Topology,
};

fn gaps(observed: &Observed) -> Vec<Gap> {
    let fleet = six();
    find(&fleet, observed, &decide(&Premises::of(&fleet), &Topology::place(&fleet), observed))
}

/// The only gap there is.
fn gap(observed: &Observed) -> (GapKind, String) {
    let mut found = gaps(observed);
    assert_eq!(found.len(), 1, "{found:#?}");
    let Gap { kind, finding } = found.remove(0);
    (kind, finding.to_string())
}

fn text_of(kind: GapKind, observed: &Observed) -> Vec<String> {
    gaps(observed).into_iter().filter(|gap| gap.kind == kind).map(|gap| gap.finding.to_string()).collect()
}

#[test]
fn a_formed_cluster_has_no_gap() {
    assert_eq!(gaps(&cluster(SIX)), []);
}

#[test]
fn a_silent_node_is_a_gap_and_comes_first() {
    let observed = cluster(&SIX.replace("7006 replica 7003", "7006 down connection refused"));
    let gaps = gaps(&observed);
    assert_eq!(gaps[0].kind, GapKind::Process);
    assert_eq!(gaps[0].finding.to_string(), "10.0.0.1:7006: connection refused");
    assert_eq!(gaps[0].finding.kind, FindingKind::Down);
}

#[test]
fn slots_without_an_owner_are_a_gap() {
    let observed = cluster(&SIX.replace("0-5460", "0-5450"));
    let text = text_of(GapKind::Slots, &observed);
    assert_eq!(text, ["10 slots planned for 10.0.0.1:7001 have no owner"]);
    assert_eq!(text_of(GapKind::Link, &observed)[0], "10.0.0.1:7001 knows the owners of 16374 slots only");
}

#[test]
fn an_election_to_come_is_a_gap() {
    let mut observed = cluster(&SIX.replace("7001 master 0-5460", "7001 master"));
    add_row(&mut observed, "7002", "old 10.0.0.1:7001@17001 master,fail - 0 0 1 disconnected 0-5460");
    row_mut(&mut observed, "7004", "7004").master = Some("old".into());
    let text = text_of(GapKind::Slots, &observed);
    assert_eq!(text, ["10.0.0.1:7004 has not taken over the slots of its lost master old yet"]);
}

#[test]
fn a_replica_that_follows_another_master_is_a_gap() {
    let observed = cluster(&SIX.replace("7006 replica 7003", "7006 replica 7002"));
    let text = text_of(GapKind::Role, &observed);
    assert_eq!(text, ["10.0.0.1:7006 is not a replica of 10.0.0.1:7003 yet"]);
}

#[test]
fn a_master_with_too_few_replicas_is_a_gap() {
    let mut fleet = six();
    fleet.replicas = 2;
    let observed = cluster(
        "7001 master 0-8191\n7002 master 8192-16383\n7003 replica 7001\n7004 replica 7001\n7005 replica 7002",
    );
    let found = find(&fleet, &observed, &decide(&Premises::of(&fleet), &Topology::place(&fleet), &observed));
    let roles: Vec<_> = found
        .into_iter()
        .filter(|gap| gap.kind == GapKind::Role)
        .map(|gap| gap.finding.to_string())
        .collect();
    assert_eq!(roles, ["10.0.0.1:7002 has 1 of its 2 replicas"]);
}

#[test]
fn a_handshake_is_a_gap() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7001", "tmp 10.0.0.1:7005@17005 handshake - 0 0 0 disconnected");
    let expected = "10.0.0.1:7001 is shaking hands with 10.0.0.1:7005 (bus port 17005)";
    assert_eq!(gap(&observed), (GapKind::Link, expected.to_owned()));
}

#[test]
fn a_pair_that_has_not_met_is_a_gap_with_its_bus_port() {
    let mut observed = cluster(SIX);
    unmeet(&mut observed, "7004", "7006");
    let expected = "10.0.0.1:7004 → 10.0.0.1:7006 (bus port 17006): they have not met";
    assert_eq!(gap(&observed), (GapKind::Link, expected.to_owned()));
}

#[test]
fn each_wrong_knowledge_of_a_peer_is_named() {
    type Break = fn(&mut crate::redis::NodeRow);
    let cases: [(Break, &str); 6] = [
        (|row| row.flags.push("fail?".to_owned()), "flagged fail?"),
        (|row| row.flags.push("noaddr".to_owned()), "flagged noaddr"),
        (|row| row.connected = false, "not connected"),
        (|row| row.flags = vec!["slave".to_owned()], "has not heard of its role yet"),
        (|row| row.epoch += 1, "has not heard of its config epoch yet"),
        (|row| row.slots[0].first += 1, "has not heard of its slots yet"),
    ];
    for (break_row, expected) in cases {
        let mut observed = cluster(SIX);
        break_row(row_mut(&mut observed, "7006", "7002"));
        let text = text_of(GapKind::Link, &observed);
        assert!(text.iter().any(|text| text.ends_with(expected)), "{expected}: {text:?}");
    }
}

#[test]
fn the_epoch_of_a_replica_and_the_order_of_slots_mean_nothing() {
    let mut observed = cluster(&SIX.replace("0-5460", "0-100 101-5460"));
    row_mut(&mut observed, "7006", "7005").epoch = 77;
    row_mut(&mut observed, "7006", "7001").slots.reverse();
    assert_eq!(gaps(&observed), []);
}

#[test]
fn a_stale_id_is_a_gap_on_the_node_that_lists_it() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7003", "old 10.0.0.1:7006@17006 slave id-10.0.0.1:7003 0 0 0 disconnected");
    let expected = "10.0.0.1:7003 still lists old, which is the id of no node";
    assert_eq!(gap(&observed), (GapKind::Link, expected.to_owned()));
}

#[test]
fn an_old_epoch_is_a_gap() {
    let mut observed = cluster(SIX);
    view_mut(&mut observed, "7005").cluster.current_epoch = Some(1);
    assert_eq!(gap(&observed), (GapKind::Link, "10.0.0.1:7005 is at epoch 1 and not at 3 yet".to_owned()));
}

#[test]
fn slots_without_a_config_epoch_are_a_gap() {
    let observed = cluster(&SIX.replace("0-5460", "0-5460 epoch=0"));
    let expected = "10.0.0.1:7001 owns slots and has no config epoch";
    assert_eq!(gap(&observed), (GapKind::Link, expected.to_owned()));
}

#[test]
fn a_replica_without_its_link_is_a_gap() {
    let observed = cluster(&SIX.replace("replica 7001", "replica 7001 link=down"));
    let expected = "10.0.0.1:7004 has no replication link to 10.0.0.1:7001 yet";
    assert_eq!(gap(&observed), (GapKind::Sync, expected.to_owned()));
}

#[test]
fn a_replica_its_master_does_not_have_online_is_a_gap() {
    let mut observed = cluster(SIX);
    view_mut(&mut observed, "7001").info.replication.replicas[0].online = false;
    let expected = "10.0.0.1:7001 does not count 10.0.0.1:7004 as online yet";
    assert_eq!(gap(&observed), (GapKind::Sync, expected.to_owned()));
}

#[test]
fn a_cluster_that_serves_nothing_is_a_gap() {
    let mut observed = cluster(SIX);
    view_mut(&mut observed, "7002").cluster.state = "fail".to_owned();
    assert_eq!(gap(&observed), (GapKind::State, "10.0.0.1:7002 says cluster_state:fail".to_owned()));
}

#[test]
fn every_kind_says_what_is_reached_without_it() {
    let reached: std::collections::BTreeSet<_> = GapKind::ALL.map(GapKind::reached).into();
    assert_eq!(reached.len(), GapKind::ALL.len());
    assert!(GapKind::ALL.is_sorted(), "they close in this order");
}
