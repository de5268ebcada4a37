//! The findings of one look, each with the op that repairs it.

use std::collections::BTreeMap;

use crate::{
    cluster::{
        config_change::{ConfigChange, Setting},
        drift::RESERVED_FILES,
        finding::{self, Finding, FindingKind, Severity, Subject},
        form::{
            gaps,
            target::{LostSlots, TargetRoles},
        },
        observe::Observed,
        op::Op,
        premises::Premises,
        safety::{SafetyViolation, StartRule},
        spread,
        topology::Topology,
        tuning,
        verify::broken_by_reading,
    },
    inventory::{Fleet, NodeRef},
    redis::show_slots,
};

use super::{ClusterState, ops};

/// The nodes that do not answer. The start of one is told where it is no plain one.
pub(super) fn silent(
    premises: &Premises<'_>,
    observed: &Observed,
    starts: &BTreeMap<NodeRef, StartRule>,
) -> Vec<Finding> {
    let start = |node: NodeRef| {
        let member = premises.fleet.nodes().find(|other| other.key == node)?.member();
        match starts.get(&node)? {
            StartRule::AfterLeader { slots, .. } => {
                Some(Op::StartAfterLeader { node, member, slots: slots.clone() })
            }
            StartRule::WithoutKeys { slots } => {
                Some(Op::StartWithoutKeys { node, member, slots: slots.clone() })
            }
            StartRule::Now | StartRule::Refused(_) => None,
        }
    };
    let with_start = |finding: Finding| match finding.subject {
        Subject::Node(node) => finding.repaired_by(start(node)),
        _ => finding,
    };
    gaps::silent(observed).map(with_start).collect()
}

/// What forming has to close in a cluster whose nodes all answer.
pub(super) fn missing(premises: &Premises<'_>, observed: &Observed, target: &TargetRoles) -> Vec<Finding> {
    let gaps = gaps::find(premises.fleet, observed, target);
    let mut missing: Vec<Finding> = gaps.into_iter().map(|gap| gap.finding).collect();
    missing.extend(settings_left(premises.fleet, observed));
    missing.extend(open_slots(observed).filter(|finding| finding.repair.is_some()));
    missing.extend(misplaced(premises.fleet, observed));
    if missing.is_empty() {
        missing.extend(manifest(premises, observed));
    }
    missing
}

/// Masters of which one host or zone holds most, although replicas elsewhere could lead.
fn misplaced(fleet: &Fleet, observed: &Observed) -> impl Iterator<Item = Finding> {
    spread::misplaced(fleet, observed).into_iter().map(|(node, master)| {
        let text = format!("{master} leads where most masters are, and {node} could lead elsewhere");
        let lead = Op::Lead { node, instead_of: master };
        Finding::broken(FindingKind::MisplacedMaster, Subject::Node(master), text).repaired_by(lead)
    })
}

fn settings_left<'a>(fleet: &Fleet, observed: &'a Observed) -> impl Iterator<Item = Finding> + 'a {
    tuning::not_restored(fleet, observed).into_iter().map(|(node, directive, value)| {
        let text = format!("{node} still has {} as formation set it, and not {value}", directive.name());
        let was = observed.view(node).and_then(|view| view.tuning.get(directive));
        let was = was.map_or_else(String::new, ToString::to_string);
        let set = Op::Set { node, directive: directive.name().to_owned(), value, was };
        Finding::broken(FindingKind::SettingLeft, Subject::Node(node), text).repaired_by(set)
    })
}

/// Of a cluster that lacks nothing else.
fn manifest(premises: &Premises<'_>, observed: &Observed) -> Option<Finding> {
    let record = ops::record(premises, observed, false)?;
    let text = "the manifest of its members is missing or old on some hosts";
    let finding = Finding::broken(FindingKind::Manifest, Subject::Cluster, text).repaired_by(record);
    Some(Finding { severity: Severity::Notice, ..finding })
}

fn open_slots(observed: &Observed) -> impl Iterator<Item = Finding> + '_ {
    observed.open_slots.iter().map(|open| {
        let is_closable = observed.closable_slots().any(|closable| closable == open);
        let why = if is_closable { ", and nobody makes this move" } else { "" };
        let close = Op::Stabilise { node: open.node, slot: open.slot, side: open.side };
        let text = format!("{open}{why}");
        Finding::broken(FindingKind::OpenSlot, Subject::Node(open.node), text)
            .repaired_by(is_closable.then_some(close))
    })
}

/// The findings that a state consists of.
pub(super) fn of_state(state: &ClusterState) -> Vec<Finding> {
    match state {
        ClusterState::Formed => Vec::new(),
        ClusterState::Unformed { .. } => {
            vec![Finding::broken(FindingKind::Unformed, Subject::Cluster, state.to_string())]
        }
        ClusterState::Partial { missing: found } | ClusterState::Degraded { down: found } => found.clone(),
    }
}

/// What is wrong besides: no part of what forming has to close.
pub(super) fn beside(observed: &Observed, target: Option<&TargetRoles>) -> Vec<Finding> {
    // Of a cluster whose nodes all answer, slots that are closed by a run are among what is missing.
    let is_told = |finding: &Finding| target.is_some() && finding.repair.is_some();
    let open = open_slots(observed).filter(|finding| !is_told(finding));
    // Where all nodes answer it is among what is missing.
    let serving = target.is_none().then(|| not_serving(observed)).into_iter().flatten();
    open.chain(serving).chain(target.into_iter().flat_map(|target| target.lost.iter().map(lost))).collect()
}

/// What a cluster does not serve while nodes are down or load their data.
fn not_serving(observed: &Observed) -> Vec<Finding> {
    let failed = observed.views().filter(|(_, view)| !view.cluster.is_ok());
    let failed: Vec<Finding> = failed
        .map(|(node, view)| {
            let text = format!("{node} says cluster_state:{}", view.cluster.state);
            Finding::broken(FindingKind::State, Subject::Node(node), text)
        })
        .collect();
    if failed.is_empty() && observed.views().next().is_none() {
        return vec![Finding::broken(FindingKind::State, Subject::Cluster, "no node serves clients")];
    }
    failed
}

fn lost(lost: &LostSlots) -> Finding {
    let LostSlots { id, slots, accepted, .. } = lost;
    let text = format!("slots {} were of {id}, and no copy of their keys is left", show_slots(slots));
    let consent =
        accepted.clone().map(|member| Op::LoseKeys { member, id: id.clone(), slots: slots.clone() });
    Finding::broken(FindingKind::LostKeys, Subject::Slots(slots.clone()), text).repaired_by(consent)
}

/// The broken invariants that nothing else tells, and whether gossip may still make each hold.
///
/// While forming has something to close, that is told: what converges depends on it, and the run that closes
/// it ends with the proof of all of them.
pub(super) fn invariants(
    fleet: &Fleet,
    topology: &Topology,
    observed: &Observed,
    told: &[Finding],
) -> Vec<(Finding, bool)> {
    let any = |is: fn(&FindingKind) -> bool| told.iter().any(|finding| is(&finding.kind));
    let is_incomplete = any(|kind| !matches!(kind, FindingKind::Manifest | FindingKind::OpenSlot));
    let has_open_slots = any(|kind| *kind == FindingKind::OpenSlot);
    let is_misplaced = any(|kind| *kind == FindingKind::MisplacedMaster);
    broken_by_reading(fleet, topology, observed)
        .into_iter()
        .filter(|broken| {
            let is_told = broken.id == "I12" && has_open_slots || broken.id == "I21" && is_misplaced;
            !(broken.converges && is_incomplete || is_told)
        })
        .map(|broken| {
            let kind = FindingKind::Invariant(broken.id.to_owned());
            (Finding::broken(kind, Subject::Cluster, broken.evidence), broken.converges)
        })
        .collect()
}

/// What running nodes have against their files.
pub(super) fn drift(config: &BTreeMap<NodeRef, ConfigChange>) -> impl Iterator<Item = Finding> + '_ {
    let drifted = config.iter().filter(|(_, change)| !change.file_differs);
    drifted.flat_map(|(node, change)| {
        change.live.iter().map(|setting| {
            let text = finding::drift(&[*node], &setting.directive, &setting.value, &setting.was);
            Finding::broken(FindingKind::Drift, Subject::Node(*node), text)
                .repaired_by(Op::set(*node, setting.clone()))
        })
    })
}

/// The values that engines lowered by themselves: no run can raise them.
pub(super) fn lowered(config: &BTreeMap<NodeRef, ConfigChange>) -> impl Iterator<Item = Finding> + '_ {
    let lowered = config.iter().filter_map(|(node, change)| Some((node, change.lowered.as_ref()?)));
    lowered.map(|(node, Setting { directive, value, was })| {
        let files = was.parse::<u64>().map_or(0, |was| was + RESERVED_FILES);
        let text = format!(
            "{node} lowered {directive} from {value} to {was} when it started, since it may open {files} files: \
             raise that limit (`ulimit -Hn`), or set {directive} to {was}"
        );
        Finding::broken(FindingKind::Lowered, Subject::Node(*node), text)
    })
}

/// Why nothing may be changed.
pub(super) fn refusal(violation: &SafetyViolation) -> Finding {
    use SafetyViolation as V;
    let kind = match violation {
        V::LostShard { .. } => FindingKind::LostKeys,
        V::AuthMismatch(_) => FindingKind::PasswordRejected,
        _ => FindingKind::Refused,
    };
    let subject = match violation {
        V::LostShard { slots, .. } => Subject::Slots(slots.clone()),
        V::Foreign { id, .. } | V::Moved { id, .. } => Subject::Member(id.clone()),
        V::OtherNodes { host, .. } => Subject::Host(host.clone()),
        V::AuthMismatch(mismatch) => Subject::Node(mismatch.node),
        V::OtherCluster { node, .. }
        | V::SameId { one: node, .. }
        | V::TwoClusters { one: node, .. }
        | V::WouldFlush { node, .. }
        | V::UnknownCopy { node, .. }
        | V::TwoSnapshots { node, .. }
        | V::WouldIgnore { node, .. }
        | V::LostIdentity { node, .. }
        | V::NoMajority { node, .. } => Subject::Node(*node),
        V::OtherEngine { .. } | V::Downgrade { .. } | V::OtherCount { .. } | V::TwoManifests(_) => {
            Subject::Cluster
        }
    };
    let fix = if let V::AuthMismatch(mismatch) = violation { &*mismatch.fix } else { "" };
    let text = if fix.is_empty() { violation.to_string() } else { format!("{violation}; {fix}") };
    Finding::broken(kind, subject, text)
}

/// Whether gossip may close it: an epoch, a link, a synchronisation.
pub(super) fn is_news(finding: &Finding) -> bool {
    use FindingKind::{Epoch, Link, NotMet, StaleId, State, Sync};
    matches!(finding.kind, Epoch | Link | NotMet | StaleId | State | Sync)
}
