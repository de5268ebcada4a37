use super::*;
use crate::cluster::{
    NextStart, OnDisk, OpenSlot, Setting, Severity, Side, StoppedNode, Subject, finding_sentences,
    testing::{SIX, add_row, at, cluster, hosts, id, row_mut, six, unmeet, view_mut},
};

/// What a cluster is whose manifest all hosts have.
fn formed(observed: &Observed) -> Assessment {
    let fleet = six();
    let disk = OnDisk { manifest: Manifest::of(&fleet, observed, None), ..OnDisk::default() };
    assessed(&disk, observed)
}

fn judge(observed: &Observed) -> ClusterState {
    formed(observed).state
}

/// Whether a run has something to do, which no waiting does.
fn is_stuck(observed: &Observed) -> bool {
    let assessment = formed(observed);
    matches!(assessment.state, ClusterState::Partial { .. }) && !assessment.converging
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
    let ClusterState::Degraded { down } = judge(&observed) else { panic!() };
    let text = "10.0.0.1:7006: connection refused";
    assert_eq!(down, [Finding::broken(FindingKind::Down, Subject::Node(at("7006")), text)]);
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
    let assessment = formed(&observed);
    assert!(assessment.converging);
    assert_eq!(assessment.findings.len(), 1, "{:?}", assessment.findings);
}

#[test]
fn nodes_that_have_not_met_and_missing_roles_do_not_converge() {
    let mut apart = cluster(SIX);
    unmeet(&mut apart, "7006", "7002");
    assert!(is_stuck(&apart));
    let role = cluster(&SIX.replace("7006 replica 7003", "7006 replica 7002"));
    assert!(is_stuck(&role));
}

#[test]
fn a_setting_that_formation_left_is_missing_and_does_not_converge() {
    let mut observed = cluster(SIX);
    view_mut(&mut observed, "7002").tuning.set(crate::cluster::tunable::Tunable::SyncDelay, "0");
    assert!(is_stuck(&observed));
    let text = "10.0.0.1:7002 still has repl-diskless-sync-delay as formation set it, and not 5";
    assert_eq!(judge(&observed).to_string(), text);
    let set = Op::Set {
        node: at("7002"),
        directive: "repl-diskless-sync-delay".into(),
        value: "5".into(),
        was: "0".into(),
    };
    assert_eq!(formed(&observed).findings[0].repair, Some(set));
    assert!(formed(&observed).ops.iter().all(|op| matches!(op, Op::Record { .. })), "forming sets it");
}

#[test]
fn every_state_is_a_sentence() {
    let gap = |n| Finding::broken(FindingKind::Link, Subject::Cluster, format!("gap {n}"));
    let missing = |count: usize| (0..count).map(gap).collect::<Vec<_>>();
    for (state, text) in [
        (ClusterState::Formed, "formed, and nothing is missing"),
        (ClusterState::Unformed { no_process_running: true }, "no node runs yet"),
        (ClusterState::Unformed { no_process_running: false }, "the nodes do not know each other yet"),
        (ClusterState::Partial { missing: missing(1) }, "gap 0"),
        (ClusterState::Partial { missing: missing(3) }, "3 things are missing, the first: gap 0"),
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
    let drift = |config: &BTreeMap<NodeRef, ConfigChange>| {
        let assessment = formed(&cluster(SIX)).with_config(config.clone());
        assert!(assessment.findings.iter().all(|finding| finding.kind == FindingKind::Drift));
        assert_eq!(assessment.is_healthy(), assessment.findings.is_empty());
        (finding_sentences(&assessment.findings), assessment.settings().len())
    };
    assert_eq!(drift(&BTreeMap::new()), (Vec::new(), 0));
    let mut config = BTreeMap::from([
        (at("7001"), change(false, "0")),
        (at("7002"), change(false, "5")),
        (at("7003"), change(true, "0")),
    ]);
    let expected = [
        "10.0.0.1:7001 runs with maxmemory 0, and its file says 1gb",
        "10.0.0.1:7002 runs with maxmemory 5, and its file says 1gb",
    ];
    assert_eq!(drift(&config), (expected.map(ToOwned::to_owned).to_vec(), 3));
    for node in ["7004", "7005", "7006"] {
        config.insert(at(node), change(false, "0"));
    }
    let many = "10.0.0.1:7001, 10.0.0.1:7004, 10.0.0.1:7005 and 1 more run with maxmemory 0, and their files say 1gb";
    assert_eq!(drift(&config).0[0], many);
}

#[test]
fn ops_are_the_repairs_of_findings_in_their_order_and_each_once() {
    let mut observed = cluster(&SIX.replace("7006 replica 7003", "7006 replica 7002 keys=4"));
    let old = "old 10.0.0.1:7009@17009 master,fail - 0 0 0 disconnected";
    add_row(&mut observed, "7003", old);
    add_row(&mut observed, "7004", old);
    let ops = formed(&observed).ops;
    let forget = Op::Forget { id: "old".into(), address: "10.0.0.1:7009".into() };
    let replicate = Op::Replicate { node: at("7006"), master: at("7003"), flushes: 4 };
    assert_eq!(ops, [forget.clone(), replicate, Op::Record { hosts: ["h0".into()].into() }]);
    let stale = formed(&observed).findings.into_iter().filter(|finding| finding.kind == FindingKind::StaleId);
    assert_eq!(stale.map(|finding| finding.repair).collect::<Vec<_>>(), [Some(forget.clone()), Some(forget)]);
}

#[test]
fn a_manifest_that_some_hosts_lack_is_a_notice_and_a_change() {
    let observed = cluster(SIX);
    let assessment = assessed(&OnDisk::default(), &observed);
    assert!(matches!(assessment.state, ClusterState::Partial { .. }) && assessment.is_healthy());
    let record = Op::Record { hosts: ["h0".into()].into() };
    assert_eq!(assessment.ops, std::slice::from_ref(&record));
    let [finding] = &assessment.findings[..] else { panic!("{:?}", assessment.findings) };
    assert_eq!((finding.severity, &finding.repair), (Severity::Notice, &Some(record)));
}

#[test]
fn what_loads_or_synchronises_ends_by_itself() {
    let loading = formed(&cluster(&SIX.replace("7006 replica 7003", "7006 loading 5")));
    assert!(loading.is_healthy() && loading.findings[0].severity == Severity::Transitional);
    let mut syncing = cluster(&SIX.replace("replica 7001", "replica 7001 link=down"));
    assert!(!formed(&syncing).is_healthy());
    view_mut(&mut syncing, "7004").info.replication.master_sync_in_progress = Some(true);
    assert!(formed(&syncing).is_healthy());
}

/// I39: a master at its limit. Forming has nothing to do about it, and no gossip changes it.
fn full(text: &str) -> Observed {
    let mut observed = cluster(text);
    let memory = &mut view_mut(&mut observed, "7001").info.memory;
    (memory.used, memory.max) = (Some(2_000_000), Some(1_000_000));
    memory.policy = Some("noeviction".to_owned());
    observed
}

fn kinds(assessment: &Assessment) -> Vec<&FindingKind> {
    assessment.findings.iter().map(|finding| &finding.kind).collect()
}

#[test]
fn an_invariant_that_nothing_else_tells_is_a_finding_for_the_user() {
    let invariant = |id: &str| FindingKind::Invariant(id.to_owned());
    let assessment = formed(&full(SIX));
    assert_eq!((&assessment.state, assessment.converging), (&ClusterState::Formed, false));
    assert_eq!(kinds(&assessment), [&invariant("I39")]);
    assert!(assessment.findings[0].is_for_the_user() && !assessment.is_healthy());
    assert!(assessment.findings[0].to_string().starts_with("I39: 10.0.0.1:7001 is at its limit"));
    let mut late = cluster(SIX);
    row_mut(&mut late, "7001", "7002").ping_sent = 1;
    view_mut(&mut late, "7001").now_ms = 5_000;
    let assessment = formed(&late);
    assert!(assessment.converging, "another look may find the answer");
    assert_eq!(kinds(&assessment), [&invariant("I9")]);
}

#[test]
fn what_a_gap_or_an_open_slot_tells_is_told_once() {
    let mut silent = full(&SIX.replace("7006 replica 7003", "7006 down connection refused"));
    view_mut(&mut silent, "7001").cluster.slots_fail = Some(5);
    let assessment = formed(&silent);
    assert_eq!(kinds(&assessment), [&FindingKind::Down, &FindingKind::Invariant("I39".to_owned())]);
    assert!(!assessment.findings[0].is_for_the_user(), "the run starts it");
    let mut moving = cluster(SIX);
    row_mut(&mut moving, "7001", "7001").moving = vec![format!("[93->-{}]", id("7002"))];
    let (node, peer) = (at("7001"), id("7002"));
    moving.open_slots = vec![OpenSlot { node, slot: 93, side: Side::Migrating, peer, imported: Some(2) }];
    let assessment = formed(&moving);
    assert_eq!(kinds(&assessment), [&FindingKind::OpenSlot]);
    assert!(assessment.findings[0].is_for_the_user());
    moving.open_slots[0].imported = Some(0);
    let assessment = formed(&moving);
    let stabilise = Op::Stabilise { node, slot: 93, side: Side::Migrating };
    assert_eq!(assessment.findings[0].repair, Some(stabilise.clone()));
    assert!(matches!(assessment.state, ClusterState::Partial { .. }) && assessment.ops[0] == stabilise);
}

#[test]
fn a_refusal_is_the_first_finding_and_nothing_is_sent() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7003", "new 10.0.0.9:7001@17001 master - 0 0 0 connected");
    let assessment = formed(&observed);
    assert_eq!(assessment.findings[0].kind, FindingKind::Refused);
    assert_eq!(assessment.findings[0].subject, Subject::Member("new".into()));
    assert!(assessment.refusal.is_some() && assessment.ops.is_empty());
    let two = crate::cluster::TwoManifests { one: "a".into(), other: "b".into() };
    let assessment = assessment.refused(SafetyViolation::TwoManifests(two.clone()));
    let refused = assessment.findings.iter().filter(|finding| finding.kind == FindingKind::Refused);
    assert_eq!(refused.map(ToString::to_string).collect::<Vec<_>>(), [two.to_string()]);
}

#[test]
fn masters_that_failovers_gathered_on_one_host_are_led_elsewhere_as_planned() {
    let heavy = "1:7001 master 0-5460\n1:7002 master 5461-10922\n3:7001 master 10923-16383\n\
                 2:7001 replica 1:7001\n3:7002 replica 1:7002\n2:7002 replica 3:7001\n";
    let (fleet, observed) = (hosts(&[2, 2, 2], 1), cluster(heavy));
    let disk = OnDisk { manifest: Manifest::of(&fleet, &observed, None), ..OnDisk::default() };
    let mut assessment = assess(&Premises { disk: &disk, ..Premises::of(&fleet) }, &observed);
    let lead = Op::Lead { node: at("2:7001"), instead_of: at("1:7001") };
    assert_eq!(assessment.ops[0], lead);
    let [finding] = &assessment.findings[..] else { panic!("{:?}", assessment.findings) };
    assert_eq!((&finding.kind, finding.repair.as_ref()), (&FindingKind::MisplacedMaster, Some(&lead)));
    assert!(matches!(assessment.state, ClusterState::Partial { .. }) && !assessment.converging);
    // Two hosts cannot do without: then it is told, and nothing is planned.
    let fleet = hosts(&[3, 3], 1);
    let two = "1:7001 master 0-5460\n1:7002 master 5461-10922\n2:7001 master 10923-16383\n\
               2:7002 replica 1:7001\n2:7003 replica 1:7002\n1:7003 replica 2:7001\n";
    assessment = assess(&Premises::of(&fleet), &cluster(two));
    assert!(assessment.findings.iter().all(|finding| finding.kind != FindingKind::MisplacedMaster));
}
