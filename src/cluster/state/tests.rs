use super::*;
use crate::cluster::testing::{SIX, add_row, at, cluster, row_mut, six, unmeet, view_mut};
use crate::cluster::{NextStart, OnDisk, StoppedNode};

/// What a cluster is whose manifest all hosts have.
fn judge(observed: &Observed) -> ClusterState {
    let fleet = six();
    let disk = OnDisk { manifest: Manifest::of(&fleet, observed, None), ..OnDisk::default() };
    assessed(&disk, observed).state
}

fn assessed(disk: &OnDisk, observed: &Observed) -> Assessment {
    assess(&Premises { disk, ..Premises::of(&six()) }, observed)
}

#[test]
fn blank_nodes_are_unformed() {
    let down: String = (7001..=7006).map(|port| format!("{port} down connection refused\n")).collect();
    assert_eq!(judge(&cluster(&down)), ClusterState::Unformed { no_process_running: true });
    let warm = cluster(&down.replace("down connection refused", "master alone"));
    assert_eq!(judge(&warm), ClusterState::Unformed { no_process_running: false });
}

#[test]
fn nodes_in_a_handshake_do_not_know_each_other_yet() {
    let mut observed = cluster("7001 master alone\n7002 master alone");
    add_row(&mut observed, "7001", "tmp 10.0.0.1:7002@17002 handshake - 0 0 0 connected");
    assert_eq!(judge(&observed), ClusterState::Unformed { no_process_running: false });
}

#[test]
fn a_healthy_cluster_is_formed() {
    assert_eq!(judge(&cluster(SIX)), ClusterState::Formed);
}

#[test]
fn a_silent_node_degrades_a_cluster() {
    let observed = cluster(&SIX.replace("7006 replica 7003", "7006 down connection refused"));
    let down = vec!["10.0.0.1:7006: connection refused".to_owned()];
    assert_eq!(judge(&observed), ClusterState::Degraded { down });
}

#[test]
fn the_file_of_a_stopped_node_tells_that_there_is_a_cluster() {
    let observed = cluster("7001 down connection refused\n7002 down connection refused");
    let file = "id-1 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-8191\n".to_owned();
    let stopped = StoppedNode { nodes_conf: Some(file), next_start: NextStart::Reads };
    let disk = OnDisk { stopped: BTreeMap::from([(at("7001"), stopped)]), ..OnDisk::default() };
    let state = assessed(&disk, &observed).state;
    assert!(matches!(state, ClusterState::Degraded { .. }), "{state:?}");
}

#[test]
fn what_gossip_may_still_close_is_converging() {
    let mut observed = cluster(SIX);
    row_mut(&mut observed, "7006", "7002").epoch = 1;
    let ClusterState::Partial { missing, converging } = judge(&observed) else { panic!() };
    assert!(converging);
    assert_eq!(missing.len(), 1, "{missing:?}");
}

#[test]
fn nodes_that_have_not_met_and_missing_roles_do_not_converge() {
    let mut apart = cluster(SIX);
    unmeet(&mut apart, "7006", "7002");
    assert!(matches!(judge(&apart), ClusterState::Partial { converging: false, .. }));
    let role = cluster(&SIX.replace("7006 replica 7003", "7006 replica 7002"));
    assert!(matches!(judge(&role), ClusterState::Partial { converging: false, .. }));
}

#[test]
fn a_setting_that_formation_left_is_missing_and_does_not_converge() {
    let mut observed = cluster(SIX);
    view_mut(&mut observed, "7002").tuning.set(crate::cluster::tunable::Tunable::SyncDelay, "0");
    let missing =
        vec!["10.0.0.1:7002 still has repl-diskless-sync-delay as formation set it, and not 5".to_owned()];
    assert_eq!(judge(&observed), ClusterState::Partial { missing, converging: false });
}

#[test]
fn every_state_is_a_sentence() {
    let missing = |count: usize| (0..count).map(|n| format!("gap {n}")).collect::<Vec<_>>();
    for (state, text) in [
        (ClusterState::Formed, "formed, and nothing is missing"),
        (ClusterState::Unformed { no_process_running: true }, "no node runs yet"),
        (ClusterState::Unformed { no_process_running: false }, "the nodes do not know each other yet"),
        (ClusterState::Partial { missing: missing(1), converging: true }, "gap 0"),
        (
            ClusterState::Partial { missing: missing(3), converging: true },
            "3 things are missing, the first: gap 0",
        ),
        (ClusterState::Degraded { down: missing(2) }, "2 nodes are down, the first: gap 0"),
    ] {
        assert_eq!(state.to_string(), text);
    }
}

#[test]
fn what_a_node_runs_with_against_its_file_is_drift_and_a_new_file_is_a_change() {
    let setting = |was: &str| Setting { directive: "maxmemory".into(), value: "1gb".into(), was: was.into() };
    let change = |file_differs, was| ConfigChange {
        file_differs,
        live: vec![setting(was)],
        ..ConfigChange::default()
    };
    let mut assessment = assessed(&OnDisk::default(), &cluster(SIX));
    assert!(assessment.drift().is_empty());
    assessment.config = BTreeMap::from([
        (at("7001"), change(false, "0")),
        (at("7002"), change(false, "5")),
        (at("7003"), change(true, "0")),
    ]);
    let expected = [
        "10.0.0.1:7001 runs with maxmemory 0, and its file says 1gb",
        "10.0.0.1:7002 runs with maxmemory 5, and its file says 1gb",
    ];
    assert_eq!(assessment.drift(), expected);
    assert_eq!(assessment.settings().len(), 3);
    for node in ["7004", "7005", "7006"] {
        assessment.config.insert(at(node), change(false, "0"));
    }
    let many = "10.0.0.1:7001, 10.0.0.1:7004, 10.0.0.1:7005 and 1 more run with maxmemory 0, and their files say 1gb";
    assert_eq!(assessment.drift()[0], many);
    assert!(!assessment.is_healthy());
}
