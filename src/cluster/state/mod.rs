//! What a fleet's cluster is right now, and whether it may be changed at all. Pure, and asked before anything
//! changes.

mod ops;

use crate::inventory::NodeRef;
use std::{collections::BTreeMap, fmt};

use super::{
    config_change::{ConfigChange, Setting},
    drift,
    form::{gaps, target, target::TargetRoles},
    manifest::Manifest,
    observe::{Observed, View},
    op::{self, Op},
    premises::Premises,
    safety::{self, SafetyViolation, StartRule},
    topology::Topology,
    tuning,
};

/// What is known of a cluster before anything changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    pub state: ClusterState,
    /// Why nothing may be changed, if so.
    pub refusal: Option<SafetyViolation>,
    /// What is wrong besides, a sentence each: it is no reason to refuse, and not all of it is repaired.
    pub findings: Vec<String>,
    /// What the next run sends to the cluster, as far as it can be told: more where nodes have yet to start.
    pub ops: Vec<Op>,
    /// When each node that does not run may start.
    pub starts: BTreeMap<NodeRef, StartRule>,
    /// How the configurations of running nodes differ, where they do.
    pub config: BTreeMap<NodeRef, ConfigChange>,
}

impl Assessment {
    /// Whether nothing is wrong and nothing to be done.
    pub fn is_healthy(&self) -> bool {
        self.state == ClusterState::Formed
            && self.refusal.is_none()
            && self.findings.is_empty()
            && self.drift().is_empty()
    }

    /// The values that nodes run with and that their files do not say, a sentence each.
    pub fn drift(&self) -> Vec<String> {
        let mut groups: Vec<(&Setting, Vec<NodeRef>)> = Vec::new();
        for (node, change) in self.config.iter().filter(|(_, change)| !change.file_differs) {
            for setting in &change.live {
                match groups.iter_mut().find(|(other, _)| *other == setting) {
                    Some((_, nodes)) => nodes.push(*node),
                    None => groups.push((setting, vec![*node])),
                }
            }
        }
        let sentence = |(setting, nodes): (&Setting, Vec<NodeRef>)| {
            let (directive, was, value) =
                (&setting.directive, op::shown(&setting.was), op::shown(&setting.value));
            let (verb, whose) =
                if nodes.len() == 1 { ("runs", "its file says") } else { ("run", "their files say") };
            format!("{} {verb} with {directive} {was}, and {whose} {value}", named(&nodes))
        };
        groups.into_iter().map(sentence).collect()
    }

    /// The values that engines lowered by themselves, a sentence each: no run can raise them.
    pub fn lowered(&self) -> Vec<String> {
        let lowered = self.config.iter().filter_map(|(node, change)| Some((node, change.lowered.as_ref()?)));
        let sentence = |(node, Setting { directive, value, was }): (_, &Setting)| {
            let files = was.parse::<u64>().map_or(0, |was| was + drift::RESERVED_FILES);
            format!(
                "{node} lowered {directive} from {value} to {was} when it started, since it may open {files} files: \
                 raise that limit (`ulimit -Hn`), or set {directive} to {was}"
            )
        };
        lowered.map(sentence).collect()
    }

    /// What a run would set on running nodes.
    pub fn settings(&self) -> Vec<Op> {
        let live = self.config.iter().filter(|(_, change)| change.at_start.is_empty());
        live.flat_map(|(node, change)| change.live.iter().map(|setting| Op::set(*node, setting.clone())))
            .collect()
    }
}

/// The first few, and how many more there are.
fn named(nodes: &[NodeRef]) -> String {
    let first: Vec<String> = nodes.iter().take(3).map(ToString::to_string).collect();
    match nodes.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

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

/// Says what the cluster is, whether it may be changed, and what a run will do.
pub fn assess(premises: &Premises<'_>, observed: &Observed) -> Assessment {
    let Premises { fleet, disk, .. } = *premises;
    let topology = Topology::place(fleet);
    let starts = safety::start_rules(premises, observed);
    let checked = safety::check(fleet, observed, disk);
    let down: Vec<String> = observed.down().map(|(node, reason)| format!("{node}: {reason}")).collect();
    let all_up = down.is_empty();
    let target = all_up.then(|| target::decide(premises, &topology, observed));
    let is_blank = checked.as_ref().is_ok_and(safety::Members::is_blank) && disk.manifest.is_none();
    let state = match &target {
        _ if is_blank => ClusterState::Unformed { no_process_running: observed.views().next().is_none() },
        None => ClusterState::Degraded { down },
        Some(target) => completeness(premises, observed, target),
    };
    let refusal = checked.err().or_else(|| {
        let refused = starts.values().find_map(|rule| match rule {
            StartRule::Refused(violation) => Some(violation.clone()),
            _ => None,
        });
        let refused = refused.or_else(|| no_majority(premises, observed, &starts));
        refused.or_else(|| target.as_ref().and_then(|target| target.refuse_loss(fleet)))
    });
    let findings = observed.open_slots.iter().map(ToString::to_string).collect();
    let ops = if is_blank { Vec::new() } else { ops::of(premises, observed, target.as_ref(), &starts) };
    Assessment { state, refusal, findings, ops, starts, config: BTreeMap::new() }
}

/// Refuses to wait for an election that cannot come: after all starts that need none, most masters are still
/// missing.
fn no_majority(
    premises: &Premises<'_>,
    observed: &Observed,
    starts: &BTreeMap<NodeRef, StartRule>,
) -> Option<SafetyViolation> {
    let Premises { fleet, disk, consent } = *premises;
    let waiting = fleet.nodes().find_map(|node| match starts.get(&node.key)? {
        StartRule::AfterLeader { slots, .. } => Some((node, slots.clone())),
        _ => None,
    });
    let (node, slots) = waiting.filter(|_| !consent.takeover)?;
    let comes_back = |node: NodeRef| {
        let own = disk.stopped.get(&node).and_then(super::StoppedNode::myself);
        own.is_some_and(|row| row.is_master() && !row.slots.is_empty())
    };
    let started = starts.iter().filter(|(node, rule)| {
        matches!(rule, StartRule::Now | StartRule::WithoutKeys { .. }) && comes_back(**node)
    });
    let voting = observed.slot_owners().count() + started.count();
    let masters = disk.manifest.as_ref().map_or_else(|| fleet.masters(), Manifest::shards);
    let (key, member) = (node.key, Box::new(node.member()));
    (2 * voting <= masters).then_some(SafetyViolation::NoMajority { node: key, member, slots })
}

/// How complete a cluster is whose nodes all answer.
fn completeness(premises: &Premises<'_>, observed: &Observed, target: &TargetRoles) -> ClusterState {
    let fleet = premises.fleet;
    let gaps = gaps::find(fleet, observed, target);
    let mut left: Vec<String> = tuning::not_restored(fleet, observed)
        .into_iter()
        .map(|(node, directive, value)| {
            format!("{node} still has {} as formation set it, and not {value}", directive.name())
        })
        .collect();
    left.extend(observed.closable_slots().map(|open| format!("{open}, and nobody makes this move")));
    if gaps.is_empty() && left.is_empty() {
        let recorded = Manifest::of(fleet, observed, premises.disk.manifest.as_ref());
        if recorded == premises.disk.manifest && premises.disk.outdated.is_empty() {
            return ClusterState::Formed;
        }
        let missing = vec!["the manifest of its members is missing or old on some hosts".to_owned()];
        return ClusterState::Partial { missing, converging: false };
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
