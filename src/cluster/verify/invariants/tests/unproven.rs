//! What was not seen is not proven, and what is not wanted does not apply.

use std::time::Duration;

use super::world::{World, leaning};
use crate::cluster::{
    observe::State,
    testing::hosts,
    verify::{check::Check, host_checks::LogFacts, redirect::Answer, syncs::SyncCount},
};

#[test]
fn where_no_node_answers_nothing_holds() {
    let mut world = World::healthy();
    for node in world.observed.nodes.iter().map(|(node, _)| *node).collect::<Vec<_>>() {
        world.state(node, State::Down("refused".to_owned()));
    }
    world.redirects.clear();
    assert_eq!(world.with(|check| matches!(check, Check::Holds(_))), ["I36"], "a unit needs no process");
    assert_eq!(world.broken(), ["I38"]);
}

#[test]
fn masters_without_slots_prove_nothing_of_shards() {
    let lines = (1..=3).flat_map(|host| [format!("{host}:7001 master\n"), format!("{host}:7002 master\n")]);
    let world = World::of(hosts(&[2, 2, 2], 1), &lines.collect::<String>());
    let of_shards =
        ["I16", "I17", "I19", "I20", "I21", "I22", "I23", "I24", "I25", "I26", "I27", "I30", "I31", "I39"];
    assert_eq!(world.unproven(), of_shards);
    assert_eq!(world.broken(), ["I10", "I15"]);
}

#[test]
fn without_replicas_what_is_said_of_them_does_not_apply() {
    let lines = (1..=3)
        .map(|host| format!("{host}:7001 master {}\n", ["0-5460", "5461-10922", "10923-16383"][host - 1]));
    let world = World::of(hosts(&[1, 1, 1], 0), &lines.collect::<String>());
    world.assert_fine();
    assert_eq!(world.not_applicable(), ["I19", "I20", "I22", "I23", "I24", "I25", "I26", "I27"]);
}

#[test]
fn what_a_machine_cannot_have_does_not_apply() {
    let mut single = World::planned(hosts(&[6], 1));
    for facts in single.hosts.values_mut().flatten() {
        (facts.binary, facts.unit) = (None, None);
    }
    single.assert_fine();
    assert_eq!(single.not_applicable(), ["I5", "I21", "I36"]);
}

#[test]
fn what_an_old_engine_lacks_does_not_apply_or_is_asked_in_another_way() {
    let mut world = World::healthy();
    world.details.values_mut().for_each(|details| details.links = None);
    for view in world.views() {
        view.info.replication.master_replid = None;
        (view.info.memory.max, view.info.memory.policy) = (None, None);
    }
    for config in world.configs.values_mut() {
        config.running.insert("maxmemory-policy".to_owned(), "noeviction".to_owned());
    }
    world.assert_fine();
    assert_eq!(world.not_applicable(), ["I8", "I24"]);
    let master = world.master(0);
    world.view(master).info.memory.used = Some(1 << 30);
    assert_eq!(world.broken(), ["I39"]);
}

#[test]
fn a_host_that_does_not_answer_leaves_unproven_what_only_it_knows() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.hosts.insert(node, Err("there is no connection to h0".to_owned()));
    world.configs.remove(&node);
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I5", "I32", "I33", "I35", "I36"]));
}

#[test]
fn a_node_without_details_is_not_one_that_disagrees() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.details.remove(&node);
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I8", "I28"]));
}

#[test]
fn an_answer_without_its_counts_proves_nothing() {
    let mut world = World::healthy();
    let (master, replica) = (world.master(0), world.replica(0));
    world.view(replica).cluster.slots_fail = None;
    world.view(master).info.memory.used = None;
    world.syncs.remove(&master);
    world.config(replica).running.clear();
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I13", "I27", "I35", "I39"]));
}

#[test]
fn a_log_without_lines_of_the_process_proves_nothing_and_an_empty_one_was_rotated() {
    let mut world = World::healthy();
    let node = world.replica(0);
    for log in [LogFacts::NoLines, LogFacts::Unreadable] {
        world.host(node).log = log;
        assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I32"]));
    }
    world.host(node).log = LogFacts::Empty;
    world.assert_fine();
}

#[test]
fn a_master_that_was_not_probed_yet_is_unproven() {
    let mut world = World::healthy();
    world.probes.remove(&world.master(0));
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I25", "I26", "I29", "I31"]));
}

#[test]
fn a_key_of_which_nobody_knows_whether_it_is_gone_is_unproven() {
    let mut world = World::healthy();
    world.probe(0).removed = Err("the connection broke".to_owned());
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I31"]));
}

#[test]
fn full_syncs_must_stand_still_for_a_while_where_there_were_more_than_replicas() {
    let mut world = World::healthy();
    let (master, count) = (world.master(0), |first, seconds| SyncCount {
        first,
        last: 5,
        steady: Duration::from_secs(seconds),
    });
    world.syncs.insert(master, count(5, 0));
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I27"]));
    world.syncs.insert(master, count(4, 2));
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I27"]), "one more may have been due");
    world.syncs.insert(master, count(3, 3));
    world.assert_fine();
}

#[test]
fn read_only_leaves_unproven_what_only_a_write_shows_and_that_is_a_choice() {
    let mut world = World::healthy();
    world.read_only = true;
    world.probes.clear();
    world.assert_fine();
    assert_eq!(world.with(|check| matches!(check, Check::NotAsked(_))), ["I25", "I26", "I29"]);
    assert_eq!(world.not_applicable(), ["I31"]);
    let node = world.replica(0);
    world.view(node).cluster.state = "fail".to_owned();
    assert_eq!(world.broken(), ["I29"], "what reading shows is judged all the same");
}

#[test]
fn a_slot_on_the_move_leaves_its_redirect_unproven() {
    let mut world = World::healthy();
    *world.answer(0) = Answer::Later("it answered ASK 7 10.0.0.2:7001".to_owned());
    assert_eq!((world.broken(), world.unproven()), (vec![], vec!["I30"]));
}

#[test]
fn what_hosts_cannot_avoid_is_told() {
    let mut fleet = hosts(&[3, 3], 1);
    let text = "7001 master 0-5460\n2:7001 replica 7001\n7002 master 5461-10922\n2:7002 replica 7002\n\
                2:7003 master 10923-16383\n7003 replica 2:7003\n";
    let world = World::of(fleet.clone(), text);
    world.assert_fine();
    let Check::Holds(text) = world.check("I21") else { panic!() };
    assert!(text.contains("host h0 holds 2 of 3 masters: its loss stops the cluster"), "{text}");
    fleet.hosts.iter_mut().for_each(|host| host.zone = Some("east".to_owned()));
    let Check::Holds(text) = World::planned(fleet).check("I21") else { panic!() };
    assert!(text.contains("zone east holds 3 of 3 masters"), "{text}");
}

#[test]
fn the_evidence_tells_live_roles_and_not_planned_ones() {
    let world = World::of(hosts(&[2, 2, 2], 1), &leaning());
    let Check::Broken(text) = world.check("I21") else { panic!() };
    assert!(!text.contains("no host holds so many"), "{text}");
}
