//! What is wrong with a cluster, as data: the one catalogue behind `status`, `plan` and the formation. Texts
//! are made from it, and the ops of a plan are the repairs of its findings.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::op::Op;
use crate::{
    inventory::NodeRef,
    redis::SlotRange,
    units::{HostName, NodeId},
};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub kind: FindingKind,
    pub subject: Subject,
    pub severity: Severity,
    /// What was seen, as a sentence that names its subject.
    pub evidence: String,
    /// What the next `apply` sends for it, where that is one op: more of them close by starts and by forming.
    pub repair: Option<Op>,
}

/// The cause of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// There is no cluster yet: no node knows another one.
    Unformed,
    /// A node does not answer.
    Down,
    /// A node reads its data, and answers no question yet.
    Loading,
    /// A node runs with another password than the inventory's.
    PasswordRejected,
    /// Slots without an owner.
    UnownedSlots,
    /// A replica has yet to take over the slots of its lost master.
    Election,
    /// Two masters claim a slot, and one has not noticed yet.
    SlotConflict,
    /// A node has another role, or a master fewer replicas, than it must have.
    Role,
    /// Two nodes do not know each other.
    NotMet,
    /// What a node knows of another one is old, or it has no link to it.
    Link,
    /// A config epoch is missing, or is not known on all nodes.
    Epoch,
    /// Nodes list an id that no node has.
    StaleId,
    /// A replica is not online at its master.
    Sync,
    /// A node says that the cluster serves nothing.
    State,
    /// Slots whose keys are gone with every copy.
    LostKeys,
    /// A slot is marked as moving.
    OpenSlot,
    /// A directive that formation changed was not put back.
    SettingLeft,
    /// A node runs with another value than its file says.
    Drift,
    /// The engine itself lowered a value when it started, since a limit of its host forbids more.
    Lowered,
    /// A master leads on the host or in the zone that holds most masters, where a replica elsewhere could.
    MisplacedMaster,
    /// The manifest is missing or old on some hosts.
    Manifest,
    /// Why `apply` refuses to change anything.
    Refused,
    /// A numbered invariant that is broken, by its id; `verify` judges all of them.
    Invariant(String),
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    Cluster,
    /// A node of the inventory.
    Node(NodeRef),
    /// A member that the inventory does not have, by its id.
    Member(NodeId),
    Slots(Vec<SlotRange>),
    Host(HostName),
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The cluster serves as it should, and something about it is to be put right.
    Notice,
    /// It ends by itself: a node loads its data, a replica synchronises.
    Transitional,
    /// The cluster is not as it should be: `status` ends with 1.
    Broken,
}

impl Finding {
    pub(super) fn broken(kind: FindingKind, subject: Subject, evidence: impl Into<String>) -> Self {
        Self { kind, subject, severity: Severity::Broken, evidence: evidence.into(), repair: None }
    }

    pub(super) fn repaired_by(self, repair: impl Into<Option<Op>>) -> Self {
        Self { repair: repair.into(), ..self }
    }

    pub fn is_broken(&self) -> bool {
        self.severity == Severity::Broken
    }

    /// Whether the cluster is not as it should be and no run makes it so: it has no repair, and neither
    /// starting nodes nor forming closes it.
    pub fn is_for_the_user(&self) -> bool {
        use FindingKind::{Invariant, LostKeys, Lowered, OpenSlot, PasswordRejected, Refused};
        let closes =
            !matches!(self.kind, Invariant(_) | LostKeys | Lowered | OpenSlot | PasswordRejected | Refused);
        self.is_broken() && self.repair.is_none() && !closes
    }
}

/// As a sentence.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FindingKind::Invariant(id) => write!(f, "{id}: {}", self.evidence),
            _ => f.write_str(&self.evidence),
        }
    }
}

/// Findings as sentences, in their order; equal drift of several nodes is one.
pub fn finding_sentences<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<String> {
    let mut groups: Vec<(&Finding, Vec<NodeRef>)> = Vec::new();
    for finding in findings {
        let node = if let Subject::Node(node) = finding.subject { vec![node] } else { Vec::new() };
        match groups.iter_mut().find(|(first, _)| first.is_same_drift(finding)) {
            Some((_, nodes)) => nodes.extend(node),
            None => groups.push((finding, node)),
        }
    }
    let sentence = |(finding, nodes): (&Finding, Vec<NodeRef>)| match &finding.repair {
        Some(Op::Set { directive, value, was, .. }) if finding.kind == FindingKind::Drift => {
            drift(&nodes, directive, value, was)
        }
        _ => finding.to_string(),
    };
    groups.into_iter().map(sentence).collect()
}

impl Finding {
    fn is_same_drift(&self, other: &Self) -> bool {
        let same = self.repair.as_ref().zip(other.repair.as_ref()).is_some_and(|(a, b)| a.is_same_setting(b));
        self.kind == FindingKind::Drift && other.kind == FindingKind::Drift && same
    }
}

/// What nodes run with against their files.
pub(super) fn drift(nodes: &[NodeRef], directive: &str, value: &str, was: &str) -> String {
    let (was, value) = (super::op::shown(was), super::op::shown(value));
    let (verb, whose) = if nodes.len() == 1 { ("runs", "its file says") } else { ("run", "their files say") };
    format!("{} {verb} with {directive} {was}, and {whose} {value}", named(nodes))
}

/// The first few, and how many more there are.
fn named(nodes: &[NodeRef]) -> String {
    let first: Vec<String> = nodes.iter().take(3).map(ToString::to_string).collect();
    match nodes.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::at;

    #[test]
    fn json_has_the_types() {
        let claim = Op::Claim { node: at("7001"), slots: vec![SlotRange::new(0, 9)] };
        let subject = Subject::Slots(vec![SlotRange::new(0, 9)]);
        let finding = Finding::broken(FindingKind::UnownedSlots, subject, "10 slots have no owner");
        let finding = finding.repaired_by(claim);
        let node = "h0/7001@10.0.0.1:7001@17001";
        let slots = serde_json::json!([{ "first": 0, "last": 9 }]);
        let json = serde_json::json!({
            "kind": "unowned-slots",
            "subject": { "slots": slots },
            "severity": "broken",
            "evidence": "10 slots have no owner",
            "repair": { "op": "claim", "node": node, "slots": slots },
        });
        assert_eq!(serde_json::to_value(&finding).unwrap(), json);
        assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), finding);
        let kind = serde_json::to_value(FindingKind::Invariant("I21".to_owned())).unwrap();
        assert_eq!(kind, serde_json::json!({ "invariant": "I21" }));
        let subjects = serde_json::to_value([Subject::Cluster, Subject::Node(at("7001"))]).unwrap();
        assert_eq!(subjects, serde_json::json!(["cluster", { "node": node }]));
    }

    #[test]
    fn a_finding_without_a_repair_is_for_the_user_unless_starting_or_forming_closes_it() {
        let is = |kind| Finding::broken(kind, Subject::Cluster, "").is_for_the_user();
        assert!(is(FindingKind::OpenSlot) && is(FindingKind::Invariant("I9".to_owned())));
        assert!(!is(FindingKind::Down) && !is(FindingKind::NotMet) && !is(FindingKind::Unformed));
        let close = Op::Stabilise { node: at("7001"), slot: 93, side: crate::cluster::Side::Importing };
        let open = Finding::broken(FindingKind::OpenSlot, Subject::Cluster, "");
        assert!(!open.repaired_by(close).is_for_the_user());
    }
}
