//! What a plan does, stage by stage.

use serde::{Deserialize, Serialize};

use crate::{
    artifact::Builder,
    cluster::Topology,
    resource::{Action, Difference, Entry, Resource},
    units::{HostName, StepName},
};

/// The part of a plan that one step of the playbook gives. A step with nothing to do gives none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub step: StepName,
    pub work: Work,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Changes to hosts, which are independent of each other.
    Change(Vec<HostChanges>),
    /// Compiling the server, once for each kind of host.
    Build(Vec<Builder>),
    /// Making the nodes one cluster.
    Form {
        topology: Topology,
        why: String,
        /// Whether nothing was missing when the plan was made: what is left to do comes from restarting
        /// nodes.
        whole: bool,
    },
    /// Checking the invariants of the cluster.
    Verify,
    /// Undoing what the ledger of each host records.
    Undo(Vec<HostUndo>),
}

/// The changes to one host, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostChanges {
    pub host: HostName,
    pub changes: Vec<Planned>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub resource: Resource,
    pub difference: Difference,
}

/// What will be undone on one host, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostUndo {
    pub host: HostName,
    pub entries: Vec<Entry>,
}

impl Stage {
    /// Whether it concerns the cluster as a whole.
    pub fn is_barrier(&self) -> bool {
        !matches!(self.work, Work::Change(_) | Work::Build(_))
    }
}

impl HostChanges {
    /// Whether nodes are started, and not merely restarted.
    pub fn starts_nodes(&self) -> bool {
        self.changes.iter().any(|change| {
            matches!(change.resource, Resource::Process(_)) && change.difference.action == Action::Start
        })
    }
}

impl Work {
    pub(super) fn builds(&self) -> bool {
        matches!(self, Self::Build(_))
    }

    /// The changes of each host, where it makes any.
    pub fn changes(&self) -> &[HostChanges] {
        if let Self::Change(hosts) = self { hosts } else { &[] }
    }

    pub(super) fn starts_nodes(&self) -> bool {
        self.changes().iter().any(HostChanges::starts_nodes)
    }

    pub fn restarts_nodes(&self) -> bool {
        let mut changes = self.changes().iter().flat_map(|host| &host.changes);
        changes.any(|change| change.difference.action == Action::Restart)
    }
}
