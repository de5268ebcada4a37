//! The plan: the difference between what is desired and what was observed, as data. It is the contract: the
//! executor reads nothing else, and a saved plan can be reviewed before it is applied.

mod desired;
mod diff;
mod error;
mod input;
mod render;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use desired::{Blueprint, Desired, Job, Templates};
pub use error::Error;
pub use input::PlanInput;
pub use render::Error as RenderError;
pub use snapshot::HostSnapshot;

use crate::{
    artifact::Builder,
    cluster::Topology,
    inventory::Fleet,
    resource::{Action, Difference, Entry, Resource},
};

/// Everything a run will do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of provision that made it; another one refuses it.
    pub provision: String,
    pub fleet: Fleet,
    /// What each host must be, and what it was when the plan was made.
    pub hosts: BTreeMap<String, Baseline>,
    /// Hosts that could not be reached, and why. Nothing is changed on them, and nothing that depends on them
    /// is removed.
    pub unreachable: BTreeMap<String, String>,
    /// What is not as desired and cannot be changed by a run, with the hosts it was found on.
    pub notices: BTreeMap<String, BTreeSet<String>>,
    pub rollout: Rollout,
    /// The hosts that are meant; `None` means all.
    pub limit: Option<BTreeSet<String>>,
    pub stages: Vec<Stage>,
}

/// How many hosts a run changes at a time, and when it stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The number of hosts that are changed at a time; `None` means all.
    pub serial: Option<usize>,
    /// The run stops once more hosts than this have failed.
    pub max_failures: usize,
}

/// What a plan rests on, for one host: it is applied only while this still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    pub desired: Vec<Desired>,
    /// [`Observed::fingerprint`](crate::resource::Observed::fingerprint) when the plan was made.
    pub fingerprint: String,
}

/// The part of a plan that one step of the playbook gives. A step with nothing to do gives none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub step: String,
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
    pub host: String,
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
    pub host: String,
    pub entries: Vec<Entry>,
}

/// What of a plan the user wants, and how.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Steps to select, by name or tag; empty selects all.
    pub tags: Vec<String>,
    /// Hosts to change; `None` means all.
    pub limit: Option<BTreeSet<String>>,
    pub rollout: Rollout,
}

impl Plan {
    /// The difference between what is desired and what is. Pure: equal inputs give equal plans. Fails where
    /// it is known that the plan could not be carried out.
    pub fn new(input: &PlanInput<'_>) -> Result<Self, Error> {
        input.check_preconditions()?;
        let stages = input.stages();
        input.check_binaries_available(&stages)?;
        let hosts = input.hosts.iter().map(|(name, snapshot)| (name.clone(), snapshot.baseline())).collect();
        Ok(Self {
            provision: env!("CARGO_PKG_VERSION").to_owned(),
            fleet: input.fleet.clone(),
            hosts,
            unreachable: input.unreachable.clone(),
            notices: input.notices(),
            rollout: input.options.rollout,
            limit: input.options.limit.clone(),
            stages,
        })
    }

    /// A plan that undoes what the ledgers record, on the hosts that could be reached.
    pub fn undo(fleet: &Fleet, undo: Vec<HostUndo>, unreachable: BTreeMap<String, String>) -> Self {
        let empty = undo.iter().all(|host| host.entries.is_empty());
        let stages =
            if empty { Vec::new() } else { vec![Stage { step: "undo".to_owned(), work: Work::Undo(undo) }] };
        let provision = env!("CARGO_PKG_VERSION").to_owned();
        let (fleet, hosts, notices) = (fleet.clone(), BTreeMap::new(), BTreeMap::new());
        let rollout = Rollout::default();
        Self { provision, fleet, hosts, unreachable, notices, rollout, limit: None, stages }
    }

    /// The stages, cut where all hosts must have finished before the next begins. Nodes are restarted one
    /// after the other, so a stage with restarts is the last before such a cut. With `--serial`, a host
    /// cannot wait for a builder whose batch has not begun.
    pub fn between_barriers(&self) -> impl Iterator<Item = &[Stage]> {
        self.stages.chunk_by(|before, after| {
            let together = before.is_barrier() == after.is_barrier();
            together
                && !before.work.restarts_nodes()
                && !(before.work.builds() && self.rollout.serial.is_some())
        })
    }

    /// The hosts that compile.
    pub fn builders(&self) -> impl Iterator<Item = &Builder> {
        self.stages.iter().flat_map(|stage| match &stage.work {
            Work::Build(builders) => builders.as_slice(),
            _ => &[],
        })
    }

    /// Whether nothing was missing in the cluster when the plan was made.
    pub fn is_whole(&self) -> bool {
        !self.stages.iter().any(|stage| matches!(stage.work, Work::Form { whole: false, .. }))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
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
    fn builds(&self) -> bool {
        matches!(self, Self::Build(_))
    }

    fn changes(&self) -> &[HostChanges] {
        if let Self::Change(hosts) = self { hosts } else { &[] }
    }

    fn restarts_nodes(&self) -> bool {
        let mut changes = self.changes().iter().flat_map(|host| &host.changes);
        changes.any(|change| change.difference.action == Action::Restart)
    }
}
