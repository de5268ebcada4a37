//! The plan: the difference between what is desired and what was observed, as data. It is the contract: a run
//! changes what it names and nothing else, and a saved plan can be reviewed before it is applied.

mod cluster_plan;
mod desired;
mod diff;
mod error;
mod input;
mod live;
mod options;
mod render;
mod snapshot;
mod stage;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod unit_change;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use cluster_plan::ClusterPlan;
pub use desired::{Blueprint, Desired, Job};
pub use error::Error;
pub use input::PlanInput;
pub use options::{PlanOptions, Rollout};
pub use render::{Error as RenderError, Templates};
pub use snapshot::HostSnapshot;
pub use stage::{HostChanges, HostUndo, Planned, Stage, Work};

use crate::{
    artifact::Builder,
    inventory::Fleet,
    resource::{KnownFolders, Resource, Trials},
    units::HostName,
};

/// Everything a run will do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of provision that made it; another one refuses it.
    pub provision: String,
    pub fleet: Fleet,
    /// What each host must be, and what it was when the plan was made.
    pub hosts: BTreeMap<HostName, Baseline>,
    /// Hosts that could not be reached, and why. Nothing is changed on them, and nothing that depends on them
    /// is removed.
    pub unreachable: BTreeMap<HostName, String>,
    /// What is not as desired and cannot be changed by a run, with the hosts it was found on.
    pub notices: BTreeMap<String, BTreeSet<HostName>>,
    pub rollout: Rollout,
    /// The hosts of `--limit`; `None` means all.
    pub limit: Option<BTreeSet<HostName>>,
    pub cluster: ClusterPlan,
    pub stages: Vec<Stage>,
    /// The configurations that this machine has tried.
    #[serde(default, skip_serializing_if = "Trials::is_empty")]
    pub trials: Trials,
}

/// What a plan rests on, for one host: it is applied only while this still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    pub desired: Vec<Desired>,
    /// [`Observed::fingerprint`](crate::resource::Observed::fingerprint) when the plan was made.
    pub fingerprint: String,
    /// What is known of the folders in which something is made.
    #[serde(default)]
    pub folders: KnownFolders,
}

impl Plan {
    /// A plan that undoes what the ledgers record, on the hosts that could be reached.
    pub fn undo(fleet: &Fleet, undo: Vec<HostUndo>, unreachable: BTreeMap<HostName, String>) -> Self {
        let empty = undo.iter().all(|host| host.entries.is_empty());
        let stages =
            if empty { Vec::new() } else { vec![Stage { step: "undo".into(), work: Work::Undo(undo) }] };
        let provision = env!("CARGO_PKG_VERSION").to_owned();
        let (fleet, hosts, notices) = (fleet.clone(), BTreeMap::new(), BTreeMap::new());
        let (rollout, cluster, trials) = (Rollout::default(), ClusterPlan::default(), Trials::default());
        Self { provision, fleet, hosts, unreachable, notices, rollout, limit: None, cluster, stages, trials }
    }

    /// The stages, cut where all hosts must have finished before the next begins. Nodes are restarted one
    /// after the other, and some of a cluster start only after others, so a stage with those is the last
    /// before such a cut. With `--serial`, a host
    /// cannot wait for a builder whose batch has not begun.
    pub fn between_barriers(&self) -> impl Iterator<Item = &[Stage]> {
        self.stages.chunk_by(|before, after| {
            let work = &before.work;
            let ends = work.restarts_nodes()
                || (work.starts_nodes() && self.cluster.is_of_members())
                || (work.builds() && self.rollout.serial.is_some());
            before.is_barrier() == after.is_barrier() && !ends
        })
    }

    /// The hosts that compile.
    pub fn builders(&self) -> impl Iterator<Item = &Builder> {
        self.stages.iter().flat_map(|stage| match &stage.work {
            Work::Build(builders) => builders.as_slice(),
            _ => &[],
        })
    }

    /// Whether a host gets the server in this run.
    pub fn ships_server(&self, host: &HostName) -> bool {
        let of_host = |changes: &&HostChanges| changes.host == *host;
        let mut changes = self.stages.iter().flat_map(|stage| stage.work.changes()).filter(of_host);
        changes.any(|host| host.changes.iter().any(|change| matches!(change.resource, Resource::Binary(_))))
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
