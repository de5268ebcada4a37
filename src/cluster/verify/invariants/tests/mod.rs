//! Each invariant with a healthy cluster, and with one that breaks it.

mod broken;
mod false_alarms;
mod unproven;
mod world;

use super::*;
use world::World;

#[test]
fn every_invariant_holds_for_a_healthy_cluster() {
    for (id, check) in World::healthy().judge() {
        assert!(matches!(check, Check::Holds(_)), "{id}: {check:?}");
    }
    for (id, check) in World::with_spare().judge() {
        assert!(matches!(check, Check::Holds(_)), "{id}: {check:?}");
    }
}

#[test]
fn ids_ascend_and_no_retired_one_is_used_again() {
    let number = |id: &str| id[1..].parse::<usize>().unwrap();
    let ids: Vec<&str> = TABLE.iter().map(|invariant| invariant.id).collect();
    let expected: Vec<String> = (1..=number(ids[ids.len() - 1]))
        .map(|n| format!("I{n}"))
        .filter(|id| !RETIRED.contains(&id.as_str()))
        .collect();
    assert_eq!(ids, expected);
    let titles: std::collections::BTreeSet<_> = TABLE.iter().map(|invariant| invariant.title).collect();
    assert_eq!(titles.len(), TABLE.len());
}

#[test]
fn waiting_changes_no_binary_log_configuration_unit_or_limit() {
    let with = |converges| {
        TABLE
            .iter()
            .filter(move |check| check.converges == converges)
            .map(|check| check.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(with(Converges::Never), ["I1", "I4", "I5", "I21", "I32", "I35", "I36", "I39"]);
    assert_eq!(with(Converges::OnHosts), ["I33"]);
}

/// A check by reading must not need what one look does not bring, or it could never break there.
#[test]
fn what_is_judged_by_reading_asks_nothing_else() {
    let mut world = World::healthy();
    world.details.clear();
    world.syncs.clear();
    world.redirects.clear();
    world.hosts.clear();
    world.read_only = true;
    let open = |by_reading: bool| {
        let ids: Vec<&str> =
            TABLE.iter().filter(|check| check.by_reading == by_reading).map(|check| check.id).collect();
        let open = |(id, check): (&'static str, Check)| (ids.contains(&id) && check.is_open()).then_some(id);
        world.judge().into_iter().filter_map(open).collect::<Vec<_>>()
    };
    assert_eq!(open(true), [""; 0]);
    assert_eq!(open(false), ["I5", "I8", "I27", "I28", "I30", "I32", "I33", "I36"]);
}
