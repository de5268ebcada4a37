//! One host as a plan sees it: what is desired there beside what was observed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Baseline, Desired, Error, Job, Planned, live};
use crate::{
    cluster::{ConfigChange, Op},
    distro,
    host::InitSystem,
    inventory::NodeRef,
    resource::{Action, KnownFolders, Observed, Obstacle, Process, Resource},
    units::HostName,
};

/// What is desired of a host, and what was observed there.
#[derive(Debug, Clone)]
pub struct HostSnapshot {
    pub desired: Vec<Desired>,
    pub observed: Observed,
    pub init: InitSystem,
}

impl HostSnapshot {
    /// The changes of one step, and what is set on running nodes. Packages are for the build only: with an
    /// artifact at hand nothing needs a compiler.
    pub(super) fn changes(
        &self,
        step: usize,
        changing: &mut BTreeSet<String>,
        config: &BTreeMap<NodeRef, ConfigChange>,
        builds: bool,
    ) -> (Vec<Planned>, Vec<Op>) {
        let (mut changes, mut settings) = (Vec::new(), Vec::new());
        let Some(step) = self.desired.get(step) else { return (changes, settings) };
        let of_node = |process: &Process| config.get(&process.node).cloned();
        for resource in &step.resources {
            if step.job == Job::Build && !builds && matches!(resource, Resource::Package(_)) {
                continue;
            }
            let all = self.desired.iter().flat_map(|step| &step.resources);
            let (difference, set) = live::difference(resource, &self.observed, all, of_node, changing);
            settings.extend(set);
            if let Some(difference) = difference {
                changing.extend(resource.writes());
                changes.push(Planned { resource: resource.settled(&self.observed), difference });
            }
        }
        (changes, settings)
    }

    /// Whether the host is as desired. Packages are for the build only, and some commands run every time.
    pub(super) fn is_as_desired(&self) -> bool {
        let nothing_changes = BTreeSet::new();
        let resources = self.desired.iter().flat_map(|step| &step.resources);
        resources
            .filter(|resource| !matches!(resource, Resource::Package(_)))
            .filter_map(|resource| resource.compare(&self.observed, &nothing_changes))
            .all(|difference| difference.action == Action::Run)
    }

    /// What no run can change, one fragment each.
    pub(super) fn notices(&self) -> impl Iterator<Item = String> {
        let resources = self.desired.iter().flat_map(|step| &step.resources);
        resources.filter_map(|resource| resource.notice(&self.observed))
    }

    /// Refuses a resource that is known to fail before anything changes.
    pub(super) fn check_preconditions(&self, host: &HostName, resource: &Resource) -> Result<(), Error> {
        let host = host.clone();
        match resource.obstacle(&self.observed) {
            Some(Obstacle::PortInUse(taken)) => return Err(Error::PortTaken { host, taken }),
            Some(Obstacle::InTheWay { path, wanted, found }) => {
                return Err(Error::InTheWay { host, path, wanted, found });
            }
            Some(Obstacle::RenamedData { path, directive, is, wanted }) => {
                return Err(Error::RenamedData { host, path, directive, is, wanted });
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

    pub(super) fn baseline(&self) -> Baseline {
        let resources = self.desired.iter().flat_map(|step| &step.resources);
        let folders = KnownFolders::of(&self.observed, resources);
        Baseline { desired: self.desired.clone(), fingerprint: self.observed.fingerprint(), folders }
    }
}
