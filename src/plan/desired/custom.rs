//! Steps that are not built in: what the user wrote into the playbook.

use super::target::{HostTarget, above};
use crate::{
    plan::render::{self, Error},
    playbook::Action,
    resource::{Command, Content, Directory, File, Line, Package, Resource, Unit, User},
};

impl HostTarget<'_> {
    /// The resource of the step, after the folders above it: what is created is removed again.
    pub(super) fn user_step(&self, action: &Action) -> Result<Vec<Resource>, Error> {
        let Some(resource) = self.user_resource(action)? else { return Ok(Vec::new()) };
        let folders: Vec<Directory> = match &resource {
            Resource::Directory(Directory { path, .. })
            | Resource::File(File { path, .. })
            | Resource::Line(Line { path, absent: false, .. }) => above(path).collect(),
            _ => Vec::new(),
        };
        Ok(folders.into_iter().map(Resource::Directory).chain([resource]).collect())
    }

    fn user_resource(&self, action: &Action) -> Result<Option<Resource>, Error> {
        Ok(Some(match action.clone() {
            Action::Package { names } => {
                let distro = self.facts.distro().map_or("", |distro| distro.id).to_owned();
                Resource::Package(Package { names, distro })
            }
            Action::Directory { path, mode, owner } => {
                Resource::Directory(Directory { path, mode: Some(mode), owner, recursive: false })
            }
            Action::File { path, content, mode, owner } => {
                Resource::File(File { path, content: Content::Text(content), mode, owner })
            }
            Action::Template { path, template, source, mode, owner } => {
                let text = render::template(&source, &template, self.fleet, self.host, self.layout)?;
                Resource::File(File { path, content: Content::Text(text), mode, owner })
            }
            Action::Line { path, line, absent } => Resource::Line(Line { path, line, absent }),
            Action::User { name, home } => Resource::User(User { name, home }),
            Action::Command { run, creates, unless } => Resource::Command(Command { run, creates, unless }),
            Action::Unit { name } => Resource::Unit(Unit { name }),
            Action::Build
            | Action::Install
            | Action::Configure
            | Action::Ship
            | Action::Start
            | Action::Form
            | Action::Verify => return Ok(None),
        }))
    }
}
