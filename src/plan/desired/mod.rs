//! What must be true: fleet + playbook + facts of a host → resources, step by step.

mod custom;
mod kernel;
mod nodes;
mod target;

use serde::{Deserialize, Serialize};

use self::target::{HostTarget, folders};
use super::render::{Error, Templates};
use crate::{
    artifact::ArtifactSpec,
    host::Facts,
    inspect,
    inventory::{Fleet, Host},
    playbook::{Action, Playbook, Step},
    resource::{Binary, Directory, Layout, Package, Resource, User, optional_directives},
    units::StepName,
};

/// What one step of the playbook desires of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    pub step: StepName,
    pub tags: Vec<String>,
    pub job: Job,
    pub resources: Vec<Resource>,
}

impl Desired {
    /// Whether this word of `--tags` selects the step.
    pub fn answers_to(&self, tag: &str) -> bool {
        self.step == *tag || self.tags.iter().any(|own| own == tag)
    }
}

impl inspect::Resources for Vec<Desired> {
    fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.iter().flat_map(|step| &step.resources)
    }
}

/// What a step does besides its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    Resources,
    Build,
    Start,
    Form,
    Verify,
}

/// What decides the resources of every host, besides the host itself.
#[derive(Debug, Clone, Copy)]
pub struct Blueprint<'a> {
    pub fleet: &'a Fleet,
    pub playbook: &'a Playbook,
    pub templates: &'a Templates,
}

impl Blueprint<'_> {
    /// What the playbook desires of a host, in its order. `packages` are what a build needs from the
    /// distribution; none where nothing has to be compiled. Fails where a template cannot be rendered.
    pub fn desired_resources(
        &self,
        host: &Host,
        facts: &Facts,
        layout: &Layout,
        packages: &[String],
    ) -> Result<Vec<Desired>, Error> {
        let Self { fleet, playbook, templates } = *self;
        let binary = Binary {
            directives: optional_directives(&templates.config),
            ..Binary::new(fleet, layout, &ArtifactSpec::of(fleet).recipe.id())
        };
        let target = HostTarget { fleet, host, facts, layout, templates, binary, packages };
        playbook.steps.iter().map(|step| target.step(step)).collect()
    }
}

impl HostTarget<'_> {
    fn step(&self, step: &Step) -> Result<Desired, Error> {
        let (job, resources) = match &step.action {
            Action::Build => (Job::Build, self.build()),
            Action::Install => (Job::Resources, self.install()?),
            Action::Configure => (Job::Resources, self.configure()?),
            Action::Ship => (Job::Resources, vec![Resource::Binary(self.binary.clone())]),
            Action::Start => (Job::Start, self.start()),
            Action::Form => (Job::Form, Vec::new()),
            Action::Verify => (Job::Verify, Vec::new()),
            other => (Job::Resources, self.user_step(other)?),
        };
        Ok(Desired { step: step.name.clone(), tags: step.tags.clone(), job, resources })
    }

    /// The ledger's folder comes before anything the ledger records.
    fn build(&self) -> Vec<Resource> {
        // The state folder is not removed whole: the ledger goes last, when everything else is undone.
        let mut resources = folders(&self.layout.state, None, 0o755);
        resources.pop();
        let state = Directory::parent(&self.layout.state);
        resources.push(Resource::Directory(Directory { mode: Some(0o755), ..state }));
        if let (false, Some(distro)) = (self.packages.is_empty(), self.facts.distro()) {
            let (names, distro) = (self.packages.to_vec(), distro.id.to_owned());
            resources.push(Resource::Package(Package { names, distro }));
        }
        resources
    }

    fn install(&self) -> Result<Vec<Resource>, Error> {
        let layout = &self.layout;
        let mut resources = Vec::new();
        if let Some(name) = &layout.account {
            resources.push(Resource::User(User { name: name.clone(), home: Some(layout.data.clone()) }));
        }
        resources.extend(folders(&layout.bin, None, 0o755));
        // Servers write in the folders of their nodes only: no server can replace the folder of another.
        for folder in [&layout.etc, &layout.data, &layout.log] {
            resources.extend(folders(folder, self.readable().as_deref(), 0o750));
        }
        resources.extend(folders(&layout.run, None, 0o755));
        if self.facts.runs_units() {
            resources.extend(self.kernel()?);
        }
        Ok(resources)
    }
}

#[cfg(test)]
mod tests;
