use super::*;
use crate::cluster::{
    Manifest, NextStart, StoppedNode,
    testing::{SIX, add_row, at, cluster, hosts, id, row_mut, six, unmeet, view_mut},
};

fn recorded() -> OnDisk {
    OnDisk { manifest: Manifest::of(&six(), &cluster(SIX), None), ..OnDisk::default() }
}

fn stopped(disk: &mut OnDisk, node: &str, nodes_conf: Option<&str>) {
    let nodes_conf = nodes_conf.map(ToOwned::to_owned);
    disk.stopped.insert(at(node), StoppedNode { nodes_conf, next_start: NextStart::Nothing });
}

/// The one member that is not wanted, and how many there are.
fn odd(fleet: &Fleet, disk: &OnDisk, observed: &Observed) -> (Member, usize) {
    let all = members(fleet, disk, observed);
    let mut odd: Vec<Member> =
        all.iter().filter(|member| member.relation != Relation::Wanted).cloned().collect();
    assert_eq!(odd.len(), 1, "{odd:#?}");
    (odd.remove(0), all.len())
}

/// 7006 is silent, and no other node knows it.
fn without_six() -> Observed {
    let mut observed = cluster(&SIX.replace("7006 replica 7003", "7006 down connection refused"));
    for reader in ["7001", "7002", "7003", "7004", "7005"] {
        unmeet(&mut observed, reader, "7006");
    }
    observed
}

#[test]
fn a_formed_cluster_has_the_members_that_are_wanted() {
    for disk in [recorded(), OnDisk::default()] {
        let all = members(&six(), &disk, &cluster(SIX));
        assert!(all.iter().all(|member| member.relation == Relation::Wanted) && all.len() == 6);
        assert_eq!((&all[5].id, all[5].state), (&Some(id("7006")), MemberState::Up));
    }
}

#[test]
fn a_silent_member_is_wanted_under_the_id_that_manifest_or_peers_know() {
    let mut observed = without_six();
    let disk = recorded();
    assert_eq!(members(&six(), &disk, &observed)[5].id, Some(id("7006")));
    add_row(&mut observed, "7001", "old 10.0.0.1:7006@17006 slave,fail id-10.0.0.1:7003 0 0 0 disconnected");
    let all = members(&six(), &OnDisk::default(), &observed);
    let six = &all[5];
    assert_eq!((all.len(), six.relation, six.state), (6, Relation::Wanted, MemberState::Down));
    assert_eq!(six.id, Some("old".into()));
}

#[test]
fn what_was_never_in_a_cluster_is_new() {
    let blank = cluster(&SIX.replace("7006 replica 7003", "7006 master alone"));
    assert_eq!(odd(&six(), &OnDisk::default(), &blank).0.relation, Relation::New);
    let member = odd(&six(), &OnDisk::default(), &without_six()).0;
    assert_eq!((member.relation, member.id, member.state), (Relation::New, None, MemberState::Down));
}

#[test]
fn a_blank_node_whose_id_the_manifest_knows_returns() {
    let mut disk = recorded();
    stopped(&mut disk, "7006", None);
    let (member, count) = odd(&six(), &disk, &without_six());
    assert_eq!((member.relation, member.id, count), (Relation::Returning, Some(id("7006")), 6));
    stopped(&mut disk, "7006", Some("x 10.0.0.1:7006@17006 myself,master - 0 0 0 connected\n"));
    assert_eq!(odd(&six(), &disk, &without_six()).0.relation, Relation::Returning);
    let nodes_conf =
        "x :0@0 myself,slave y 0 0 0 connected\ny 10.0.0.1:7003@17003 master - 0 0 3 connected\n";
    stopped(&mut disk, "7006", Some(nodes_conf));
    assert_eq!(members(&six(), &disk, &without_six())[5].relation, Relation::Wanted);
}

#[test]
fn a_member_that_the_inventory_has_no_more_leaves_and_is_a_remnant_once_it_is_dead() {
    let (fleet, disk, mut observed) = (hosts(&[5], 1), recorded(), cluster(SIX));
    observed.nodes.pop();
    let (member, count) = odd(&fleet, &disk, &observed);
    assert_eq!((member.relation, member.state, count), (Relation::Leaving, MemberState::Up, 6));
    assert_eq!((member.name, member.id), (Some(at("7006").member().clone()), Some(id("7006"))));
    for reader in ["7001", "7002", "7003", "7004", "7005"] {
        row_mut(&mut observed, reader, "7006").flags.push("fail".to_owned());
    }
    let member = odd(&fleet, &disk, &observed).0;
    assert_eq!((member.relation, member.state), (Relation::Remnant, MemberState::Down));
    let nobody = Observed::default();
    let left = members(&fleet, &disk, &nobody).pop().unwrap();
    assert_eq!(left.relation, Relation::Leaving, "the manifest alone knows it");
    assert_eq!(left.endpoints, Some(at("7006").announced()));
}

#[test]
fn a_node_with_data_that_no_manifest_names_leaves() {
    let leftover = BTreeMap::from([("h0".into(), vec!["7501".into()])]);
    let disk = OnDisk { leftover, ..recorded() };
    let (member, _) = odd(&six(), &disk, &cluster(SIX));
    let expected = "h0/7501".parse::<MemberName>().unwrap();
    assert_eq!((member.name, member.id, member.relation), (Some(expected), None, Relation::Leaving));
}

#[test]
fn a_member_that_runs_at_another_address_has_moved() {
    let mut observed = without_six();
    let line = format!("{} 10.0.0.9:7006@17006 slave id-10.0.0.1:7003 0 0 0 connected", id("7006"));
    add_row(&mut observed, "7001", &line);
    let (member, count) = odd(&six(), &recorded(), &observed);
    assert_eq!((member.relation, count), (Relation::Moved, 6));
    assert_eq!(member.endpoints, Some(at("7006").announced()), "where the inventory has it");
    let mut replaced = cluster(&SIX.replace("7006 replica 7003", "7006 master alone"));
    view_mut(&mut replaced, "7006").id = "new".into();
    add_row(&mut replaced, "7001", &line);
    let all = members(&six(), &recorded(), &replaced);
    assert_eq!([all[5].relation, all[6].relation], [Relation::Returning, Relation::Moved]);
}

#[test]
fn an_unknown_id_is_a_stranger_while_it_runs_and_a_remnant_when_it_is_dead() {
    let with = |flags: &str| {
        let mut observed = cluster(SIX);
        let line = format!("new 10.0.0.9:7001@17001 {flags} - 0 0 0 connected");
        add_row(&mut observed, "7003", &line);
        odd(&six(), &recorded(), &observed).0
    };
    assert_eq!(with("master").relation, Relation::Stranger);
    assert_eq!(with("master,fail?").relation, Relation::Stranger);
    assert_eq!(with("master,fail").relation, Relation::Remnant);
    assert_eq!(with("master").endpoints.unwrap().to_string(), "10.0.0.9:7001@17001");
}

#[test]
fn one_node_that_calls_it_alive_counts() {
    let mut observed = cluster(SIX);
    for (reader, flags) in [("7001", "master,fail"), ("7002", "master"), ("7003", "master,fail")] {
        let line = format!("new 10.0.0.9:7001@17001 {flags} - 0 0 0 connected");
        add_row(&mut observed, reader, &line);
    }
    assert_eq!(odd(&six(), &recorded(), &observed).0.relation, Relation::Stranger);
}
