//! The plan: the difference between what is desired and what was observed, as data. It is the contract: the executor
//! reads nothing else, and a saved plan can be reviewed before it is applied.

mod desire;
mod error;
mod placement;
mod render;
mod survey;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use desire::{Desired, Job, Templates, desire};
pub use error::Error;
pub use render::Error as RenderError;
pub use survey::{Error as SurveyError, Flow, Survey, cached, look_again, servers, sides, standing, survey};
pub use text::Detail;

use crate::{
    build::Builder,
    cluster::Topology,
    host::{InitSystem, distro},
    inventory::Fleet,
    resource::{Action, Difference, Entry, Observed, PathState, Resource},
};

/// Everything a run will do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of provision that made it; another one refuses it.
    pub provision: String,
    pub fleet: Fleet,
    /// What each host must be, and what it was when the plan was made.
    pub hosts: BTreeMap<String, HostState>,
    /// Hosts that could not be reached, and why. Nothing of theirs is changed, and nothing is taken from them.
    pub unreachable: BTreeMap<String, String>,
    /// What is not as it should be and cannot be changed by a run, with the hosts where it is so.
    pub notices: BTreeMap<String, BTreeSet<String>>,
    pub pace: Pace,
    /// The hosts that are meant; `None` means all.
    pub limit: Option<BTreeSet<String>>,
    pub stages: Vec<Stage>,
}

/// How carefully a run goes over the hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// So many hosts at once; all where it is not given.
    pub serial: Option<usize>,
    /// So many hosts may fail before the others are left alone.
    pub max_failures: usize,
}

/// The ground a plan stands on, for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    pub desired: Vec<Desired>,
    /// [`Observed::fingerprint`] when the plan was made.
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

/// Everything a plan is computed from. No connection, no clock, no environment.
#[derive(Debug)]
pub struct Situation<'a> {
    pub fleet: &'a Fleet,
    pub hosts: &'a BTreeMap<String, HostView>,
    /// Who compiles the server, where it is neither installed nor in the cache.
    pub builders: &'a [Builder],
    /// Hosts that could not be reached, and why.
    pub unreachable: &'a BTreeMap<String, String>,
    pub topology: &'a Topology,
    /// What forming the cluster has to do, in words; `None` where it is formed.
    pub form: Option<String>,
    pub choice: &'a Choice,
}

/// What of a plan the user wants, and how.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Steps to keep, by name or tag; empty keeps all.
    pub tags: Vec<String>,
    /// Hosts to change; `None` means all.
    pub limit: Option<BTreeSet<String>>,
    pub pace: Pace,
}

/// What is desired of a host, and what was observed there.
#[derive(Debug, Clone)]
pub struct HostView {
    pub desired: Vec<Desired>,
    pub observed: Observed,
    pub init: InitSystem,
}

impl Plan {
    /// The difference between what is desired and what is. Pure: equal situations give equal plans.
    pub fn new(situation: &Situation<'_>) -> Result<Self, Error> {
        for (host, view) in situation.hosts.iter().filter(|(host, _)| situation.includes(host)) {
            let kept = view.desired.iter().filter(|step| situation.keeps(step));
            kept.flat_map(|step| &step.resources).try_for_each(|resource| view.possible(host, resource))?;
        }
        let stages = situation.stages();
        situation.supplied(&stages)?;
        let hosts = situation.hosts.iter().map(|(name, view)| (name.clone(), view.state())).collect();
        Ok(Self {
            provision: env!("CARGO_PKG_VERSION").to_owned(),
            fleet: situation.fleet.clone(),
            hosts,
            unreachable: situation.unreachable.clone(),
            notices: situation.notices(),
            pace: situation.choice.pace,
            limit: situation.choice.limit.clone(),
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
        let pace = Pace::default();
        Self { provision, fleet, hosts, unreachable, notices, pace, limit: None, stages }
    }

    /// The stages, cut where all hosts must have arrived before the next begins. Nodes are restarted one after the
    /// other, so a stage with restarts is the last before such a cut; hosts that go a few at a time cannot wait for one
    /// that has yet to begin to compile.
    pub fn between_barriers(&self) -> impl Iterator<Item = &[Stage]> {
        self.stages.chunk_by(|before, after| {
            let together = before.is_barrier() == after.is_barrier();
            together && !before.work.restarts_nodes() && !(before.work.builds() && self.pace.serial.is_some())
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

impl Situation<'_> {
    fn keeps(&self, step: &Desired) -> bool {
        self.choice.tags.is_empty() || self.choice.tags.iter().any(|tag| step.answers_to(tag))
    }

    /// Refuses to ship what nobody compiles.
    fn supplied(&self, stages: &[Stage]) -> Result<(), Error> {
        if stages.iter().any(|stage| stage.work.builds()) {
            return Ok(());
        }
        let lacking = |host: &str| {
            self.builders.iter().any(|b| b.host == host || b.serves.iter().any(|served| served == host))
        };
        let lacking = stages.iter().flat_map(|stage| stage.work.changes()).find_map(|changes| {
            let ships = |change: &&Planned| matches!(change.resource, Resource::Binary(_));
            let binary = changes.changes.iter().find(ships).filter(|_| lacking(&changes.host))?;
            Some(Error::NothingBuilt { host: changes.host.clone(), what: binary.resource.kind().title() })
        });
        lacking.map_or(Ok(()), Err)
    }

    fn includes(&self, host: &str) -> bool {
        self.choice.limit.as_ref().is_none_or(|limit| limit.contains(host))
    }

    fn notices(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut notices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (host, view) in self.hosts {
            let resources = view.desired.iter().flat_map(|step| &step.resources);
            for notice in resources.filter_map(|resource| resource.kind().notice(&view.observed)) {
                notices.entry(notice).or_default().insert(host.clone());
            }
        }
        notices
    }

    /// Whether every host will be as it should be once the changes are made: a cluster with hosts that are not ready
    /// is neither formed nor proven.
    fn is_complete(&self) -> bool {
        let ready = |(name, view): (&String, &HostView)| self.includes(name) || view.is_as_desired();
        self.unreachable.is_empty() && self.hosts.iter().all(ready)
    }

    /// Forming is due where something is missing, and after restarts, which change settings for a while: those bring
    /// it along whatever the tags say, since nothing else puts the settings back.
    fn form(&self, kept: bool, before: &[Stage]) -> Option<Work> {
        let restarts = before.iter().any(|stage| stage.work.restarts_nodes());
        if !self.is_complete() {
            return None;
        }
        let missing = self.form.as_deref().filter(|_| kept || restarts);
        let why = missing.or_else(|| restarts.then_some("see that it is whole again after the restarts"))?;
        Some(Work::Form { topology: self.topology.clone(), why: why.to_owned(), whole: missing.is_none() })
    }

    /// The steps are the same on every host: they come from one playbook.
    fn stages(&self) -> Vec<Stage> {
        let Some(steps) = self.hosts.values().next().map(|view| &view.desired) else { return Vec::new() };
        let mut changing: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut stages = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let kept = self.keeps(step);
            let changes = if kept { self.changes(index, &mut changing) } else { Vec::new() };
            let change = (!changes.is_empty()).then_some(Work::Change(changes));
            let stage = |work| Stage { step: step.step.clone(), work };
            stages.extend(change.map(stage));
            stages.extend(self.job(step.job, kept, &stages).map(stage));
        }
        stages
    }

    fn changes<'s>(
        &'s self,
        step: usize,
        changing: &mut BTreeMap<&'s str, BTreeSet<String>>,
    ) -> Vec<HostChanges> {
        let hosts = self.hosts.iter().filter(|(host, _)| self.includes(host)).filter_map(|(host, view)| {
            let builds = self.builders.iter().any(|builder| builder.host == *host);
            view.changes(host, step, changing.entry(host).or_default(), builds)
        });
        hosts.collect()
    }

    /// What a step does besides its changes. There is nothing to prove where nothing was done, unless it is asked for.
    fn job(&self, job: Job, kept: bool, before: &[Stage]) -> Option<Work> {
        match job {
            Job::Build if kept && !self.builders.is_empty() => Some(Work::Build(self.builders.to_vec())),
            Job::Form => self.form(kept, before),
            Job::Verify
                if kept && self.is_complete() && !(self.choice.tags.is_empty() && before.is_empty()) =>
            {
                Some(Work::Verify)
            }
            _ => None,
        }
    }
}

impl HostView {
    /// The changes of one step. Packages are for the build only: with an artefact at hand nothing needs a compiler.
    fn changes(
        &self,
        host: &str,
        step: usize,
        changing: &mut BTreeSet<String>,
        builds: bool,
    ) -> Option<HostChanges> {
        let step = self.desired.get(step)?;
        let mut changes = Vec::new();
        for resource in &step.resources {
            if step.job == Job::Build && !builds && matches!(resource, Resource::Package(_)) {
                continue;
            }
            if let Some(difference) = resource.kind().compare(&self.observed, changing) {
                changing.extend(resource.kind().writes());
                changes.push(Planned { resource: resource.clone(), difference });
            }
        }
        (!changes.is_empty()).then(|| HostChanges { host: host.to_owned(), changes })
    }

    /// Whether nothing is amiss here. Packages are for the build only, and some commands run every time.
    fn is_as_desired(&self) -> bool {
        let none = BTreeSet::new();
        let resources = self.desired.iter().flat_map(|step| &step.resources);
        resources
            .filter(|resource| !matches!(resource, Resource::Package(_)))
            .filter_map(|resource| resource.kind().compare(&self.observed, &none))
            .all(|difference| difference.action == Action::Run)
    }

    /// Refuses what is known to fail before anything changes.
    fn possible(&self, host: &str, resource: &Resource) -> Result<(), Error> {
        let host = host.to_owned();
        match resource {
            Resource::Process(process) => {
                match self.observed.taken.iter().find(|taken| taken.node == process.node) {
                    Some(taken) => Err(Error::PortTaken { host, taken: taken.clone() }),
                    None => Ok(()),
                }
            }
            Resource::File(file) => self.free(host, &file.path, "file", |found| found == "file"),
            // What a link above our folders leads to is somebody else's decision.
            Resource::Directory(directory) => self.free(host, &directory.path, "directory", |found| {
                found == "directory" || (found == "symbolic link" && directory.mode.is_none())
            }),
            Resource::Unit(unit) if self.init != InitSystem::Systemd => {
                Err(Error::NoSystemd { host, unit: unit.name.clone() })
            }
            Resource::Package(package) if distro::find(&package.distro).is_none() => {
                Err(Error::NoPackages { host, packages: package.names.join(", ") })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a path where something else stands than what may stand there.
    fn free(
        &self,
        host: String,
        path: &str,
        wanted: &'static str,
        may: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let found = self.observed.paths.get(path).map(what);
        match found.filter(|found| !may(found)) {
            Some(found) => {
                Err(Error::InTheWay { host, path: path.to_owned(), wanted, found: found.to_owned() })
            }
            None => Ok(()),
        }
    }

    fn state(&self) -> HostState {
        HostState { desired: self.desired.clone(), fingerprint: self.observed.fingerprint() }
    }
}

fn what(state: &PathState) -> &str {
    match state {
        PathState::Directory { .. } => "directory",
        PathState::File { .. } => "file",
        PathState::Other { what } => what,
    }
}
