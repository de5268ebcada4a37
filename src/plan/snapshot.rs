//! One host as a plan sees it: what is desired there beside what was observed.

use std::collections::BTreeSet;

use super::{Baseline, Desired, Error, HostChanges, Job, Planned};
use crate::{
    distro,
    host::InitSystem,
    resource::{Action, Observed, PathState, Resource},
};

/// What is desired of a host, and what was observed there.
#[derive(Debug, Clone)]
pub struct HostSnapshot {
    pub desired: Vec<Desired>,
    pub observed: Observed,
    pub init: InitSystem,
}

impl HostSnapshot {
    /// The changes of one step. Packages are for the build only: with an artifact at hand nothing needs a
    /// compiler.
    pub(super) fn changes(
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

    /// Whether the host is as desired. Packages are for the build only, and some commands run every time.
    pub(super) fn is_as_desired(&self) -> bool {
        let nothing_changes = BTreeSet::new();
        let resources = self.desired.iter().flat_map(|step| &step.resources);
        resources
            .filter(|resource| !matches!(resource, Resource::Package(_)))
            .filter_map(|resource| resource.kind().compare(&self.observed, &nothing_changes))
            .all(|difference| difference.action == Action::Run)
    }

    /// What no run can change, one fragment each.
    pub(super) fn notices(&self) -> impl Iterator<Item = String> {
        let resources = self.desired.iter().flat_map(|step| &step.resources);
        resources.filter_map(|resource| resource.kind().notice(&self.observed))
    }

    /// Refuses a resource that is known to fail before anything changes.
    pub(super) fn check_preconditions(&self, host: &str, resource: &Resource) -> Result<(), Error> {
        let host = host.to_owned();
        match resource {
            Resource::Process(process) => {
                match self.observed.taken.iter().find(|taken| taken.node == process.node) {
                    Some(taken) => Err(Error::PortTaken { host, taken: taken.clone() }),
                    None => Ok(()),
                }
            }
            Resource::File(file) => self.check_path_free(host, &file.path, "file", |found| found == "file"),
            // Where a link above our folders leads to is the administrator's decision.
            Resource::Directory(directory) => {
                self.check_path_free(host, &directory.path, "directory", |found| {
                    found == "directory" || (found == "symbolic link" && directory.mode.is_none())
                })
            }
            Resource::Unit(unit) if self.init != InitSystem::Systemd => {
                Err(Error::NoSystemd { host, unit: unit.name.clone() })
            }
            Resource::Package(package) if distro::find(&package.distro).is_none() => {
                Err(Error::NoPackages { host, packages: package.names.join(", ") })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a path that holds something else than the plan will write there.
    fn check_path_free(
        &self,
        host: String,
        path: &str,
        wanted: &'static str,
        is_allowed: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let found = self.observed.paths.get(path).map(path_type);
        match found.filter(|found| !is_allowed(found)) {
            Some(found) => {
                Err(Error::InTheWay { host, path: path.to_owned(), wanted, found: found.to_owned() })
            }
            None => Ok(()),
        }
    }

    pub(super) fn baseline(&self) -> Baseline {
        Baseline { desired: self.desired.clone(), fingerprint: self.observed.fingerprint() }
    }
}

fn path_type(state: &PathState) -> &str {
    match state {
        PathState::Directory { .. } => "directory",
        PathState::File { .. } => "file",
        PathState::Other { what } => what,
    }
}
