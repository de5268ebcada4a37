use super::*;
use crate::cluster::Premises;
use crate::cluster::{
    form::target::decide,
    testing::{SIX, add_row, at, cluster, hosts, id, row_mut, six, unmeet, view_mut},
    topology::Topology,
};
use crate::inventory::NodeRef;

/// The next steps in a fleet of six, without the tuning.
fn steps(observed: &Observed) -> Vec<(NodeRef, Step)> {
    let mut steps = all_steps(&six(), observed);
    steps.retain(|(_, step)| !matches!(step, Step::Tune(..)));
    steps
}

fn all_steps(fleet: &Fleet, observed: &Observed) -> Vec<(NodeRef, Step)> {
    next(fleet, observed, &decide(&Premises::of(fleet), &Topology::place(fleet), observed))
}

fn blank() -> String {
    (7001..=7006).map(|port| format!("{port} master alone\n")).collect()
}

fn claim_of(epoch: u64, first: u16, last: u16) -> Step {
    Step::Claim { epoch: Some(epoch), slots: vec![SlotRange::new(first, last)] }
}

fn resp(step: &Step, view: Option<&View>) -> Vec<String> {
    commands(step, view).into_iter().map(|command| command.join(" ")).collect()
}

#[test]
fn a_formed_cluster_needs_no_command() {
    assert_eq!(all_steps(&six(), &cluster(SIX)), []);
}

#[test]
fn blank_nodes_claim_their_slots_with_distinct_epochs() {
    let steps = steps(&cluster(&blank()));
    let claims: Vec<_> = steps.into_iter().filter(|(_, step)| matches!(step, Step::Claim { .. })).collect();
    let expected = [
        (at("7001"), claim_of(1, 0, 5460)),
        (at("7002"), claim_of(2, 5461, 10_922)),
        (at("7003"), claim_of(3, 10_923, 16_383)),
    ];
    assert_eq!(claims, expected);
}

#[test]
fn replicas_of_blank_nodes_meet_their_own_master_and_masters_wait() {
    let steps = steps(&cluster(&blank()));
    let meets: Vec<_> = steps.iter().filter(|(_, step)| matches!(step, Step::Meet(_))).cloned().collect();
    let expected = [("7004", "7001"), ("7005", "7002"), ("7006", "7003")];
    assert_eq!(meets, expected.map(|(one, other)| (at(one), Step::Meet(at(other)))));
}

#[test]
fn a_replica_that_knows_its_master_follows_it() {
    let observed = cluster(&SIX.replace("7004 replica 7001", "7004 master"));
    assert_eq!(steps(&observed)[0], (at("7004"), Step::Replicate(id("7001"))));
}

#[test]
fn complete_shards_meet_each_other() {
    let mut observed = cluster(SIX);
    for (one, other) in [("7001", "7002"), ("7001", "7005"), ("7004", "7002"), ("7004", "7005")] {
        unmeet(&mut observed, one, other);
        unmeet(&mut observed, other, one);
    }
    let meets = steps(&observed).into_iter().filter(|(_, step)| matches!(step, Step::Meet(_)));
    let expected = [(at("7001"), Step::Meet(at("7002")))];
    assert_eq!(meets.collect::<Vec<_>>(), expected, "replicas wait until they know both masters");
}

#[test]
fn an_incomplete_shard_meets_no_other() {
    let text = SIX.replace("7004 replica 7001", "7004 master");
    let mut observed = cluster(&text);
    unmeet(&mut observed, "7001", "7002");
    unmeet(&mut observed, "7002", "7001");
    assert!(steps(&observed).iter().all(|(_, step)| !matches!(step, Step::Meet(_) | Step::MeetAgain(_))));
}

#[test]
fn a_pair_that_knows_each_other_wrongly_is_introduced_again_by_the_node_that_is_right() {
    let mut observed = cluster(SIX);
    row_mut(&mut observed, "7001", "7002").slots.clear();
    assert_eq!(
        all_steps(&six(), &observed),
        [(at("7002"), Step::MeetAgain(at("7001")))],
        "and nothing is tuned"
    );
}

#[test]
fn only_a_node_alone_sets_its_epoch() {
    let observed = cluster(&SIX.replace("5461-10922", "5461-10000"));
    let slots = vec![SlotRange::new(10_001, 10_922)];
    assert_eq!(steps(&observed)[0], (at("7002"), Step::Claim { epoch: None, slots }));
}

#[test]
fn new_epochs_begin_above_the_newest_known_one() {
    let mut observed = cluster(&blank());
    view_mut(&mut observed, "7006").cluster.current_epoch = Some(9);
    assert_eq!(steps(&observed)[0], (at("7001"), claim_of(10, 0, 5460)));
}

#[test]
fn a_slot_the_node_believes_to_have_an_owner_is_not_claimed() {
    let mut observed = cluster(&SIX.replace("0-5460", "0-5000"));
    for reader in ["7001", "7002", "7003", "7004", "7005", "7006"] {
        add_row(&mut observed, reader, "old 10.0.0.1:7001@17001 master,fail - 0 0 9 disconnected 5001-5460");
    }
    let steps = steps(&observed);
    assert!(!steps.iter().any(|(_, step)| matches!(step, Step::Claim { .. })), "{steps:?}");
    assert_eq!(steps.iter().filter(|(_, step)| *step == Step::Forget("old".into())).count(), 6);
}

#[test]
fn a_master_without_an_epoch_bumps_one_at_a_time() {
    let text = SIX.replace("0-5460", "0-5460 epoch=0").replace("5461-10922", "5461-10922 epoch=0");
    let bumps = steps(&cluster(&text)).into_iter().filter(|(_, step)| *step == Step::Bump);
    assert_eq!(bumps.map(|(node, _)| node).collect::<Vec<_>>(), [at("7001")]);
}

#[test]
fn a_node_alone_sets_its_epoch_instead_of_bumping_it() {
    let observed = cluster(&blank().replace("7001 master", "7001 master 0-5460 epoch=0"));
    let own: Vec<_> = steps(&observed).into_iter().filter(|(node, _)| *node == at("7001")).collect();
    assert_eq!(own, [(at("7001"), Step::Claim { epoch: Some(1), slots: Vec::new() })]);
}

#[test]
fn an_id_is_forgotten_only_where_it_is_listed() {
    let mut observed = cluster(SIX);
    add_row(&mut observed, "7003", "old 10.0.0.1:7006@17006 master,noaddr - 0 0 0 disconnected");
    let forgets = steps(&observed).into_iter().filter(|(_, step)| matches!(step, Step::Forget(_)));
    assert_eq!(forgets.collect::<Vec<_>>(), [(at("7003"), Step::Forget("old".into()))]);
}

#[test]
fn nodes_are_tuned_before_anything_else() {
    let steps = all_steps(&six(), &cluster(&blank()));
    let tuned = steps.iter().take_while(|(_, step)| matches!(step, Step::Tune(..))).count();
    assert_eq!(tuned, 12, "two directives the engine knows, on six nodes");
    assert_eq!(steps[0], (at("7001"), Step::Tune(Tunable::SyncDelay, "0".to_owned())));
}

#[test]
fn directives_are_put_back_to_the_inventory_or_the_default() {
    let mut fleet = six();
    fleet.config.insert("repl-diskless-sync-delay".to_owned(), vec!["7".to_owned()]);
    let mut observed = cluster(SIX);
    let tuning = &mut view_mut(&mut observed, "7002").tuning;
    tuning.set(Tunable::SyncDelay, "0");
    tuning.set(Tunable::ReplicaPingPeriod, "1");
    let restored: Vec<_> =
        restore(&fleet, &observed).into_iter().filter(|(node, _)| *node == at("7002")).collect();
    let tune = |directive, value: &str| (at("7002"), Step::Tune(directive, value.to_owned()));
    assert_eq!(restored, [tune(Tunable::SyncDelay, "7"), tune(Tunable::ReplicaPingPeriod, "10")]);
}

/// Thirty masters, and thirty replicas after them.
fn sixty() -> Observed {
    let line = |n: usize| match n {
        0..30 => format!("{} master {}\n", 7001 + n, n),
        _ => format!("{} replica {}\n", 7001 + n, 7001 + n - 30),
    };
    cluster(&(0..60).map(line).collect::<String>())
}

#[test]
fn in_a_large_fleet_neighbours_are_introduced_and_gossip_may_do_the_rest() {
    let (fleet, mut observed) = (hosts(&[60], 1), sixty());
    for (one, other) in [("7001", "7002"), ("7031", "7034"), ("7001", "7060"), ("7001", "7020")] {
        unmeet(&mut observed, one, other);
        unmeet(&mut observed, other, one);
    }
    unmeet(&mut observed, "7050", "7010");
    let is_meet = |step: &Step| matches!(step, Step::Meet(_) | Step::MeetLate(_) | Step::MeetAgain(_));
    let meets = all_steps(&fleet, &observed).into_iter().filter(|(_, step)| is_meet(step));
    let expected = [
        (at("7001"), Step::Meet(at("7002"))),
        (at("7001"), Step::MeetLate(at("7020"))),
        (at("7001"), Step::Meet(at("7060"))),
        (at("7010"), Step::MeetLate(at("7050"))),
        (at("7031"), Step::Meet(at("7034"))),
    ];
    assert_eq!(meets.collect::<Vec<_>>(), expected);
}

#[test]
fn a_large_fleet_that_has_not_met_is_introduced_with_few_commands() {
    let (fleet, mut observed) = (hosts(&[60], 1), sixty());
    for one in 0..60 {
        // All but the nodes of its own shard.
        for other in (0..60).filter(|other| other % 30 != one % 30) {
            unmeet(&mut observed, &(7001 + one).to_string(), &(7001 + other).to_string());
        }
    }
    let steps = all_steps(&fleet, &observed);
    assert_eq!(steps.iter().filter(|(_, step)| matches!(step, Step::Meet(_))).count(), 3 * 60);
}

#[test]
fn a_claim_is_one_transaction() {
    let observed = cluster("7001 master");
    let claim = Step::Claim { epoch: Some(3), slots: vec![SlotRange::new(0, 2), SlotRange::new(7, 7)] };
    let expected = ["MULTI", "CLUSTER SET-CONFIG-EPOCH 3", "CLUSTER ADDSLOTSRANGE 0 2 7 7", "EXEC"];
    assert_eq!(resp(&claim, observed.view(at("7001"))), expected);
    let expected = ["MULTI", "CLUSTER SET-CONFIG-EPOCH 3", "CLUSTER ADDSLOTS 0 1 2 7", "EXEC"];
    assert_eq!(resp(&claim, None), expected, "an engine without ranges");
    assert_eq!(resp(&Step::Claim { epoch: None, slots: Vec::new() }, None), ["MULTI", "EXEC"]);
}

#[test]
fn every_other_step_is_one_command() {
    for (step, expected) in [
        (Step::Tune(Tunable::SyncDelay, "0".to_owned()), "CONFIG SET repl-diskless-sync-delay 0"),
        (Step::Bump, "CLUSTER BUMPEPOCH"),
        (Step::Forget("old".into()), "CLUSTER FORGET old"),
        (Step::Meet(at("7002")), "CLUSTER MEET 10.0.0.1 7002"),
        (
            Step::MeetAgain("h1/7002@[2001:db8::1]:7002@17002".parse().unwrap()),
            "CLUSTER MEET 2001:db8::1 7002",
        ),
        (Step::Meet("h1/7002@10.0.0.2:7002@27002".parse().unwrap()), "CLUSTER MEET 10.0.0.2 7002 27002"),
        (Step::Replicate(id("7001")), "CLUSTER REPLICATE id-10.0.0.1:7001"),
    ] {
        assert_eq!(resp(&step, None), [expected]);
    }
}
