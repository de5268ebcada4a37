use std::collections::BTreeMap;

use super::*;
use crate::{
    event::{Event, Events},
    inspect::LockedSessions,
    plan::{
        HostUndo, Plan,
        testing::{Scene, cache_at},
    },
    resource::Entry,
};

/// Runs a plan in which no host has a session; returns what happened.
async fn without_sessions(plan: &Plan, cancel: &Cancel) -> (Outcome, Result<(), Error>, Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, cache) = (LockedSessions::default(), cache_at(folder.path()));
    let (events, mut receiver) = Events::channel();
    let (outcome, result) = execute(RunContext::new(&sessions, &cache, &events, cancel), plan).await;
    drop(events);
    let mut all = Vec::new();
    while let Some(event) = receiver.recv().await {
        all.push(event);
    }
    (outcome, result, all)
}

/// The steps that failed, each with its host.
fn failures(events: &[Event]) -> Vec<(&str, &str)> {
    let failed = events.iter().filter_map(|event| match event {
        Event::StepFailed { step, host: Some(host), .. } => Some((step.as_str(), host.as_str())),
        _ => None,
    });
    failed.collect()
}

fn undo(hosts: &[&str]) -> Plan {
    let entries = vec![Entry::CreatedFile { path: "/etc/motd".to_owned(), sha256: None }];
    let undo = |host: &&str| HostUndo { host: (*host).into(), entries: entries.clone() };
    Plan::undo(&Scene::converged(&["a"]).fleet, hosts.iter().map(undo).collect(), BTreeMap::new())
}

fn ends_in_no_session(result: Result<(), Error>, host: &str) {
    let Err(Error::NoSession(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.host, host);
}

#[tokio::test]
async fn changes_on_a_host_without_a_session_fail() {
    let plan = Scene::converged(&["a"]).without_file("a", "10-provision-orders.conf").plan().unwrap();
    let (outcome, result, events) = without_sessions(&plan, &Cancel::default()).await;
    ends_in_no_session(result, "a");
    assert_eq!(outcome.changed, 0);
    assert_eq!(failures(&events), [("install", "a")]);
    assert!(!events.iter().any(|event| matches!(event, Event::StepFinished { .. })), "{events:?}");
}

#[tokio::test]
async fn a_build_on_a_host_without_a_session_fails_and_its_consumers_add_nothing() {
    let plan = Scene::bare(&["a", "b"]).tags(&["build", "ship"]).plan().unwrap();
    let (_, result, events) = without_sessions(&plan, &Cancel::default()).await;
    let Err(Error::Hosts { hosts, errors }) = result else { panic!("{result:?}") };
    assert_eq!(hosts, ["a", "b"]);
    assert!(errors.iter().all(|error| matches!(error, Error::NoSession(_))), "{errors:?}");
    assert_eq!(failures(&events), [("build", "a"), ("build", "b")]);
}

#[tokio::test]
async fn undoing_on_a_host_without_a_session_fails() {
    let (_, result, _) = without_sessions(&undo(&["a"]), &Cancel::default()).await;
    ends_in_no_session(result, "a");
    let (_, result, _) = without_sessions(&undo(&["a", "b"]), &Cancel::default()).await;
    assert!(matches!(&result, Err(Error::Hosts { hosts, .. }) if hosts == &["a", "b"]), "{result:?}");
}

#[tokio::test]
async fn a_plan_without_stages_does_nothing() {
    let plan = Scene::converged(&["a"]).plan().unwrap();
    let (outcome, result, events) = without_sessions(&plan, &Cancel::default()).await;
    assert!(result.is_ok() && outcome.changed == 0 && events.is_empty(), "{events:?}");
}

fn failing(hosts: &[&str], serial: Option<usize>, max_failures: usize) -> Plan {
    let scene = hosts
        .iter()
        .fold(Scene::converged(hosts), |scene, host| scene.without_file(host, "10-provision-orders.conf"));
    scene.rollout(serial, max_failures).plan().unwrap()
}

#[tokio::test]
async fn a_serial_rollout_stops_once_too_many_hosts_have_failed() {
    for (serial, max_failures, tried) in
        [(Some(1), 0, 1), (Some(1), 1, 2), (Some(2), 0, 2), (Some(1), 9, 4), (None, 0, 4)]
    {
        let plan = failing(&["a", "b", "c", "d"], serial, max_failures);
        let (_, result, events) = without_sessions(&plan, &Cancel::default()).await;
        assert!(result.is_err());
        assert_eq!(failures(&events).len(), tried, "serial {serial:?}, max failures {max_failures}");
    }
}

#[tokio::test]
async fn nothing_is_verified_while_a_host_has_failed() {
    let (outcome, result, events) =
        without_sessions(&failing(&["a", "b"], None, 9), &Cancel::default()).await;
    assert!(result.is_err() && outcome.evidence.is_none());
    let verify = |event: &Event| matches!(event, Event::StepStarted { step, .. } if step == "verify");
    assert!(!events.iter().any(verify), "{events:?}");
}

#[tokio::test]
async fn ctrl_c_stops_before_the_next_batch() {
    let cancel = Cancel::default();
    cancel.raise();
    let (_, result, events) = without_sessions(&failing(&["a", "b"], Some(1), 9), &cancel).await;
    // The first batch had begun; its failure says more than the interruption.
    ends_in_no_session(result, "a");
    assert_eq!(failures(&events), [("install", "a")]);
}

#[test]
fn a_raised_flag_is_seen_by_all_that_share_it() {
    let cancel = Cancel::default();
    let shared = cancel.clone();
    assert!(!shared.is_raised());
    cancel.raise();
    assert!(shared.is_raised() && !Cancel::default().is_raised());
}
