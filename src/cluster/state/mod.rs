//! What a fleet's cluster is right now, and whether it may be changed at all. Pure, and asked before anything
//! changes.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use super::{
    form::{gaps, target},
    observe::{Observed, View},
    safety::{self, SafetyViolation},
    topology::Topology,
    tuning,
};
use crate::inventory::Fleet;

/// How complete a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterState {
    /// Nothing to do.
    Formed,
    /// No node knows another one.
    Unformed { no_process_running: bool },
    /// All nodes answer and this is missing; `converging` where gossip may still close all of it.
    Partial { missing: Vec<String>, converging: bool },
    /// A cluster with nodes that do not answer.
    Degraded { down: Vec<String> },
}

/// Says what the cluster is; `disk` holds the text of `nodes.conf` of nodes that do not run.
pub fn assess(
    fleet: &Fleet,
    observed: &Observed,
    disk: &BTreeMap<SocketAddr, String>,
) -> Result<ClusterState, SafetyViolation> {
    if safety::check(fleet, observed, disk)?.is_blank() {
        return Ok(ClusterState::Unformed { no_process_running: observed.views().next().is_none() });
    }
    let down: Vec<String> = observed.down().map(|(node, reason)| format!("{node}: {reason}")).collect();
    if !down.is_empty() {
        return Ok(ClusterState::Degraded { down });
    }
    Ok(completeness(fleet, &Topology::place(fleet), observed))
}

/// How complete a cluster is whose nodes all answer.
fn completeness(fleet: &Fleet, topology: &Topology, observed: &Observed) -> ClusterState {
    let target = target::decide(fleet, topology, observed);
    let gaps = gaps::find(fleet, observed, &target);
    let left: Vec<String> = tuning::not_restored(fleet, observed)
        .into_iter()
        .map(|(node, directive, value)| {
            format!("{node} still has {} as formation set it, and not {value}", directive.name())
        })
        .collect();
    if gaps.is_empty() && left.is_empty() {
        return ClusterState::Formed;
    }
    let knows_all = |view: &View| observed.views().all(|(_, peer)| view.row(&peer.id).is_some());
    let converging = left.is_empty()
        && gaps.iter().all(|gap| gap.kind >= gaps::GapKind::Link)
        && observed.views().all(|(_, view)| knows_all(view));
    let missing = gaps.into_iter().map(|gap| gap.text).chain(left).collect();
    ClusterState::Partial { missing, converging }
}

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Formed => f.write_str("formed, and nothing is missing"),
            Self::Unformed { no_process_running: true } => f.write_str("no node runs yet"),
            Self::Unformed { no_process_running: false } => {
                f.write_str("the nodes do not know each other yet")
            }
            Self::Partial { missing, .. } => some(f, missing, "things are missing"),
            Self::Degraded { down } => some(f, down, "nodes are down"),
        }
    }
}

/// The one thing there is, or how many there are and the first of them.
fn some(f: &mut fmt::Formatter<'_>, all: &[String], what: &str) -> fmt::Result {
    match all {
        [] => write!(f, "no {what}"),
        [one] => f.write_str(one),
        [first, ..] => write!(f, "{} {what}, the first: {first}", all.len()),
    }
}

#[cfg(test)]
mod tests;
