//! The computation: which changes, in which stages, lead from what was observed to what is desired.

use std::collections::{BTreeMap, BTreeSet};

use super::{Baseline, Desired, Error, HostChanges, Job, PlanOptions, Planned, Stage, Work};
use crate::{
    artifact::Builder,
    cluster::Topology,
    distro,
    host::InitSystem,
    inventory::Fleet,
    resource::{Action, Observed, Obstacle, Resource},
};

/// Everything a plan is computed from. No connection, no clock, no environment.
#[derive(Debug)]
pub struct PlanInput<'a> {
    pub fleet: &'a Fleet,
    pub hosts: &'a BTreeMap<String, HostSnapshot>,
    /// Who compiles the server, where it is neither installed nor in the cache.
    pub builders: &'a [Builder],
    /// Hosts that could not be reached, and why.
    pub unreachable: &'a BTreeMap<String, String>,
    pub topology: &'a Topology,
    /// What forming the cluster has to do, in words; `None` where it is formed.
    pub form: Option<String>,
    pub options: &'a PlanOptions,
}

/// What is desired of a host, and what was observed there.
#[derive(Debug, Clone)]
pub struct HostSnapshot {
    pub desired: Vec<Desired>,
    pub observed: Observed,
    pub init: InitSystem,
}

impl PlanInput<'_> {
    /// Refuses what is known to fail before anything changes.
    pub(super) fn check_preconditions(&self) -> Result<(), Error> {
        for (host, view) in self.hosts.iter().filter(|(host, _)| self.includes(host)) {
            let kept = view.desired.iter().filter(|step| self.is_selected(step));
            kept.flat_map(|step| &step.resources)
                .try_for_each(|resource| view.check_preconditions(host, resource))?;
        }
        Ok(())
    }

    fn is_selected(&self, step: &Desired) -> bool {
        self.options.tags.is_empty() || self.options.tags.iter().any(|tag| step.answers_to(tag))
    }

    /// Refuses to ship what nobody compiles.
    pub(super) fn check_binaries_available(&self, stages: &[Stage]) -> Result<(), Error> {
        if stages.iter().any(|stage| stage.work.builds()) {
            return Ok(());
        }
        let lacking = |host: &str| {
            self.builders.iter().any(|b| b.host == host || b.consumers.iter().any(|served| served == host))
        };
        let lacking = stages.iter().flat_map(|stage| stage.work.changes()).find_map(|changes| {
            let ships = |change: &&Planned| matches!(change.resource, Resource::Binary(_));
            let binary = changes.changes.iter().find(ships).filter(|_| lacking(&changes.host))?;
            Some(Error::NothingBuilt { host: changes.host.clone(), what: binary.resource.title() })
        });
        lacking.map_or(Ok(()), Err)
    }

    fn includes(&self, host: &str) -> bool {
        self.options.limit.as_ref().is_none_or(|limit| limit.contains(host))
    }

    pub(super) fn notices(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut notices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (host, view) in self.hosts {
            let resources = view.desired.iter().flat_map(|step| &step.resources);
            for notice in resources.filter_map(|resource| resource.notice(&view.observed)) {
                notices.entry(notice).or_default().insert(host.clone());
            }
        }
        notices
    }

    /// Whether every host will be as it should be once the changes are made: a cluster with hosts that are not ready
    /// is neither formed nor proven.
    fn is_complete(&self) -> bool {
        let ready = |(name, view): (&String, &HostSnapshot)| self.includes(name) || view.is_as_desired();
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
    pub(super) fn stages(&self) -> Vec<Stage> {
        let Some(steps) = self.hosts.values().next().map(|view| &view.desired) else { return Vec::new() };
        let mut changing: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut stages = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let kept = self.is_selected(step);
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
                if kept && self.is_complete() && !(self.options.tags.is_empty() && before.is_empty()) =>
            {
                Some(Work::Verify)
            }
            _ => None,
        }
    }
}

impl HostSnapshot {
    /// The changes of one step. Packages are for the build only: with an artifact at hand nothing needs a compiler.
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
            if let Some(difference) = resource.compare(&self.observed, changing) {
                changing.extend(resource.writes());
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
            .filter_map(|resource| resource.compare(&self.observed, &none))
            .all(|difference| difference.action == Action::Run)
    }

    fn check_preconditions(&self, host: &str, resource: &Resource) -> Result<(), Error> {
        let host = host.to_owned();
        match resource.obstacle(&self.observed) {
            Some(Obstacle::PortInUse(taken)) => return Err(Error::PortTaken { host, taken }),
            Some(Obstacle::InTheWay { path, wanted, found }) => {
                return Err(Error::InTheWay { host, path, wanted, found });
            }
            None => {}
        }
        match resource {
            Resource::Unit(unit) if self.init != InitSystem::Systemd => {
                Err(Error::NoSystemd { host, unit: unit.name.clone() })
            }
            Resource::Package(package) if distro::find(&package.distro).is_none() => {
                Err(Error::NoPackages { host, packages: package.names.join(", ") })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn state(&self) -> Baseline {
        Baseline { desired: self.desired.clone(), fingerprint: self.observed.fingerprint() }
    }
}
