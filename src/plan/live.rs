//! Whether a change of a running node's configuration or unit needs a restart.

use std::collections::BTreeSet;

use super::unit_change;
use crate::{
    cluster::{ConfigChange, Op, Setting},
    resource::{Action, Difference, Observed, Process, Resource},
};

/// How a node differs, and what is set on it before its file is written.
///
/// Where every directive that differs is one that a running node takes, the node gets them and goes on. What
/// a process was started with is known of one alone that is as its files on disk say: any other is restarted.
pub(super) fn difference<'a>(
    resource: &'a Resource,
    observed: &'a Observed,
    desired: impl Iterator<Item = &'a Resource>,
    change: impl Fn(&Process) -> Option<ConfigChange>,
    changing: &BTreeSet<String>,
) -> (Option<Difference>, Vec<Op>) {
    let Resource::Process(process) = resource else {
        return (resource.compare(observed, changing), Vec::new());
    };
    let mut others = changing.clone();
    let is_reread = unit_change::reread(process, observed, desired).is_some_and(|unit| others.remove(unit));
    let (difference, ops) = of_process(process, resource, observed, change(process), &others);
    // It counts from then on as started with its unit.
    let reread = || Difference::new(Action::Update, "systemd reads its unit again, and it goes on");
    (difference.or_else(|| is_reread.then(reread)), ops)
}

fn of_process(
    process: &Process,
    resource: &Resource,
    observed: &Observed,
    change: Option<ConfigChange>,
    changing: &BTreeSet<String>,
) -> (Option<Difference>, Vec<Op>) {
    let usual = || (resource.compare(observed, changing), Vec::new());
    let (Some(change), Some(path)) = (change, process.config.first()) else { return usual() };
    let running = observed.node(process.name()).and_then(|answer| answer.running.as_ref());
    let is_written = changing.contains(path);
    if running.is_none_or(|process| !process.current)
        || change.file_differs != is_written
        || !is_written && change.live.is_empty()
    {
        return usual();
    }
    let mut others = changing.clone();
    others.remove(path);
    let restart = match resource.compare(observed, &others) {
        Some(other) if other.action == Action::Restart => Some(other),
        _ if change.at_start.is_empty() => None,
        _ => Some(Difference::new(Action::Restart, why(&change.at_start))),
    };
    if let Some(restart) = restart {
        // A restart that is to read an AOF must find one.
        return (Some(restart), ops(process, change.live.into_iter().filter(Setting::brings_aof)));
    }
    let update = Difference::new(Action::Update, "it takes its configuration while it runs");
    (Some(update), ops(process, change.live))
}

fn why(directives: &[String]) -> String {
    let verb = if directives.len() == 1 { "is" } else { "are" };
    format!("{} {verb} read at a start only", directives.join(", "))
}

fn ops(process: &Process, settings: impl IntoIterator<Item = Setting>) -> Vec<Op> {
    let node = process.node;
    settings.into_iter().map(|setting| Op::set(node, setting)).collect()
}
