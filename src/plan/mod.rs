//! The plan: the difference between what is desired and what was observed, as data. It is the contract: the executor
//! reads nothing else, and a saved plan can be reviewed before it is applied.

mod desired;
mod error;
mod input;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use desired::{Desired, Job, Templates, desired_resources};
pub use error::Error;
pub use input::{HostSnapshot, PlanInput};
pub use render::Error as RenderError;

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
    /// Hosts that could not be reached, and why. Nothing of theirs is changed, and nothing is taken from them.
    pub unreachable: BTreeMap<String, String>,
    /// What is not as it should be and cannot be changed by a run, with the hosts where it is so.
    pub notices: BTreeMap<String, BTreeSet<String>>,
    pub rollout: Rollout,
    /// The hosts that are meant; `None` means all.
    pub limit: Option<BTreeSet<String>>,
    pub stages: Vec<Stage>,
}

/// How carefully a run goes over the hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// So many hosts at once; all where it is not given.
    pub serial: Option<usize>,
    /// So many hosts may fail before the others are left alone.
    pub max_failures: usize,
}

/// The ground a plan stands on, for one host.
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
    /// Changes to hosts, which flow independently of each other.
    Change(Vec<HostChanges>),
    /// Compiling the server, once for each kind of host.
    Build(Vec<Builder>),
    /// Making the nodes one cluster.
    Form {
        topology: Topology,
        why: String,
        /// Whether nothing was missing when the plan was made: what is left to do comes from restarting nodes.
        whole: bool,
    },
    /// Proving it.
    Verify,
    /// Undoing what the ledger of each host tells.
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
    /// Steps to keep, by name or tag; empty keeps all.
    pub tags: Vec<String>,
    /// Hosts to change; `None` means all.
    pub limit: Option<BTreeSet<String>>,
    pub rollout: Rollout,
}

impl Plan {
    /// The difference between what is desired and what is. Pure: equal situations give equal plans.
    pub fn new(input: &PlanInput<'_>) -> Result<Self, Error> {
        input.check_preconditions()?;
        let stages = input.stages();
        input.check_binaries_available(&stages)?;
        let hosts = input.hosts.iter().map(|(name, view)| (name.clone(), view.state())).collect();
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

    /// A plan that undoes what the ledgers tell, on the hosts that could be reached.
    pub fn undo(fleet: &Fleet, undo: Vec<HostUndo>, unreachable: BTreeMap<String, String>) -> Self {
        let empty = undo.iter().all(|host| host.entries.is_empty());
        let stages =
            if empty { Vec::new() } else { vec![Stage { step: "undo".to_owned(), work: Work::Undo(undo) }] };
        let provision = env!("CARGO_PKG_VERSION").to_owned();
        let (fleet, hosts, notices) = (fleet.clone(), BTreeMap::new(), BTreeMap::new());
        let rollout = Rollout::default();
        Self { provision, fleet, hosts, unreachable, notices, rollout, limit: None, stages }
    }

    /// The stages, cut where all hosts must have arrived before the next begins. Nodes are restarted one after the
    /// other, so a stage with restarts is the last before such a cut; hosts that go a few at a time cannot wait for one
    /// that has yet to begin to compile.
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
