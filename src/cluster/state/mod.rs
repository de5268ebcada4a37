//! What a fleet's cluster is right now, and whether it may be changed at all. Pure, and asked before anything
//! changes.

mod findings;
mod ops;

use crate::inventory::NodeRef;
use std::{collections::BTreeMap, fmt};

use super::{
    config_change::ConfigChange,
    finding::{Finding, FindingKind},
    form::target::{self, TargetRoles},
    manifest::Manifest,
    observe::{Observed, View},
    op::Op,
    premises::Premises,
    safety::{self, SafetyViolation, StartRule},
    topology::Topology,
};

/// What is known of a cluster before anything changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    pub state: ClusterState,
    /// Why nothing may be changed, if so; the first of the findings says it, too.
    pub refusal: Option<SafetyViolation>,
    /// All that is not as it should be.
    pub findings: Vec<Finding>,
    /// Whether another look, a moment later, may find less: nodes have yet to hear of each other.
    pub converging: bool,
    /// What the next run sends to the cluster, as far as it can be told: the repairs of the findings. More
    /// follows where nodes have yet to start.
    pub ops: Vec<Op>,
    /// When each node that does not run may start.
    pub starts: BTreeMap<NodeRef, StartRule>,
    /// How the configurations of running nodes differ, where they do.
    pub config: BTreeMap<NodeRef, ConfigChange>,
}

impl Assessment {
    /// Whether nothing is broken.
    pub fn is_healthy(&self) -> bool {
        !self.findings.iter().any(Finding::is_broken)
    }

    /// The same with how the configurations of running nodes differ: what runs with another value than its
    /// file says is a finding.
    #[must_use]
    pub fn with_config(mut self, config: BTreeMap<NodeRef, ConfigChange>) -> Self {
        self.findings.extend(findings::drift(&config));
        self.findings.extend(findings::lowered(&config));
        self.config = config;
        self
    }

    /// The same where this forbids any change. Whatever else was found to forbid one counts less.
    #[must_use]
    pub fn refused(mut self, violation: SafetyViolation) -> Self {
        let why = findings::refusal(&violation);
        let is_same = |other: &Finding| other.kind == why.kind && other.subject == why.subject;
        self.findings.retain(|finding| finding.kind != FindingKind::Refused && !is_same(finding));
        self.findings.insert(0, why);
        self.ops.clear();
        self.refusal = Some(violation);
        self
    }

    /// What a run would set on running nodes: nothing, where it refuses.
    pub fn settings(&self) -> Vec<Op> {
        if self.refusal.is_some() {
            return Vec::new();
        }
        let live = self.config.iter().filter(|(_, change)| change.at_start.is_empty());
        live.flat_map(|(node, change)| change.live.iter().map(|setting| Op::set(*node, setting.clone())))
            .collect()
    }
}

/// How complete a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterState {
    /// Nothing to do.
    Formed,
    /// No node knows another one.
    Unformed { no_process_running: bool },
    /// All nodes answer and this is missing, which forming closes.
    Partial { missing: Vec<Finding> },
    /// A cluster with nodes that do not answer.
    Degraded { down: Vec<Finding> },
}

/// Says what the cluster is, whether it may be changed, and what a run will do.
pub fn assess(premises: &Premises<'_>, observed: &Observed) -> Assessment {
    let Premises { fleet, disk, .. } = *premises;
    let topology = Topology::place(fleet);
    let starts = safety::start_rules(premises, observed);
    let checked = safety::check(fleet, observed, disk);
    let target = observed.all_up().then(|| target::decide(premises, &topology, observed));
    let is_blank = checked.as_ref().is_ok_and(safety::Members::is_blank) && disk.manifest.is_none();
    let state = match &target {
        _ if is_blank => ClusterState::Unformed { no_process_running: observed.views().next().is_none() },
        None => ClusterState::Degraded { down: findings::silent(premises, observed, &starts) },
        Some(target) => completeness(premises, observed, target),
    };
    let refusal = checked.err().or_else(|| refusal(premises, observed, &starts, target.as_ref()));
    let findings = findings::of_state(&state);
    let converging = is_converging(observed, &state);
    let (ops, config) = (Vec::new(), BTreeMap::new());
    let mut assessment = Assessment { state, refusal: None, findings, converging, ops, starts, config };
    if !is_blank {
        assessment.findings.extend(findings::beside(observed, target.as_ref()));
    }
    match refusal {
        Some(violation) => return assessment.refused(violation),
        None if is_blank => return assessment,
        None => {}
    }
    for (finding, converges) in findings::invariants(fleet, &topology, observed, &assessment.findings) {
        assessment.converging |= converges;
        assessment.findings.push(finding);
    }
    assessment.ops = ops::of(premises, observed, target.as_ref(), &assessment.findings);
    assessment
}

/// Why no node may be changed, whose members are all of this cluster.
fn refusal(
    premises: &Premises<'_>,
    observed: &Observed,
    starts: &BTreeMap<NodeRef, StartRule>,
    target: Option<&TargetRoles>,
) -> Option<SafetyViolation> {
    let refused = starts.values().find_map(|rule| match rule {
        StartRule::Refused(violation) => Some(violation.clone()),
        _ => None,
    });
    let refused = refused.or_else(|| no_majority(premises, observed, starts));
    refused.or_else(|| target.and_then(|target| target.refuse_loss(premises.fleet)))
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
    let missing = findings::missing(premises, observed, target);
    if missing.is_empty() { ClusterState::Formed } else { ClusterState::Partial { missing } }
}

/// Whether gossip may still close all that is missing.
fn is_converging(observed: &Observed, state: &ClusterState) -> bool {
    let ClusterState::Partial { missing } = state else { return false };
    let knows_all = |view: &View| observed.views().all(|(_, peer)| view.row(&peer.id).is_some());
    missing.iter().all(findings::is_news) && observed.views().all(|(_, view)| knows_all(view))
}

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Formed => f.write_str("formed, and nothing is missing"),
            Self::Unformed { no_process_running: true } => f.write_str("no node runs yet"),
            Self::Unformed { no_process_running: false } => {
                f.write_str("the nodes do not know each other yet")
            }
            Self::Partial { missing } => some(f, missing, "things are missing"),
            Self::Degraded { down } => some(f, down, "nodes are down"),
        }
    }
}

/// The one thing there is, or how many there are and the first of them.
fn some(f: &mut fmt::Formatter<'_>, all: &[Finding], what: &str) -> fmt::Result {
    match all {
        [] => write!(f, "no {what}"),
        [one] => write!(f, "{one}"),
        [first, ..] => write!(f, "{} {what}, the first: {first}", all.len()),
    }
}

#[cfg(test)]
mod tests;
