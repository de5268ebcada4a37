//! The nodes of a host: their folders, configurations and passwords, their unit, and their processes.

use super::target::{HostTarget, above, parent};
use crate::{
    inventory::Node,
    plan::render::{self, Error},
    resource::{Config, Content, Directory, File, ManifestFile, PASSWORD, Process, Resource},
};

impl HostTarget<'_> {
    pub(super) fn configure(&self) -> Result<Vec<Resource>, Error> {
        let mut resources = Vec::new();
        let layout = &self.layout;
        for folder in [&layout.etc, &layout.data, &layout.log, &layout.run] {
            resources.extend(above(folder).chain([Directory::parent(folder)]).map(Resource::Directory));
        }
        for node in &self.host.nodes {
            resources.extend(self.node(node)?);
        }
        if self.facts.runs_units() {
            let (unit, binary) = (&self.templates.unit, self.binary.path());
            let text = render::unit(unit, self.fleet, layout, &binary, self.facts.systemd)?;
            let (path, content) = (layout.unit_file(), Content::Text(text));
            resources.push(Resource::File(File { path, content, mode: 0o644, owner: None }));
        }
        Ok(resources)
    }

    /// The folders of a node, its password file, and its configuration.
    fn node(&self, node: &Node) -> Result<Vec<Resource>, Error> {
        let (paths, read, own) = (self.layout.node(node), self.readable(), self.owned());
        let folder = |path: &str, mode, owner: &Option<String>| {
            Resource::Directory(Directory::recursive(path, mode, owner.as_deref()))
        };
        let mut resources = vec![
            folder(parent(&paths.config), 0o750, &read),
            folder(&paths.data, 0o750, &own),
            folder(parent(&paths.pid), 0o755, &own),
            folder(parent(&paths.log), 0o750, &own),
        ];
        if let (Some(auth), Some(path)) = (&self.fleet.auth, self.password_file(node)) {
            let (content, owner) = (Content::Password(auth.clone()), read.clone());
            resources.push(Resource::File(File { path, content, mode: 0o640, owner }));
        }
        let text = render::config(&self.templates.config, self.fleet, node, self.layout)?;
        let (path, binary) = (paths.config, self.binary.path());
        let account = self.layout.account.clone();
        let config = Config { path, text, mode: 0o640, owner: read, binary, account };
        let known = self.facts.knows.get(&self.binary.folder);
        resources.push(Resource::Config(config.settle(|name| self.binary.knows(known?, name))));
        Ok(resources)
    }

    pub(super) fn start(&self) -> Vec<Resource> {
        let binary = self.binary.path();
        let process = |node: &Node| {
            let mut process = Process::new(node, &self.layout.node(node), self.facts, &binary);
            process.account.clone_from(&self.layout.account);
            process.config.extend(self.password_file(node));
            process.config.extend(self.facts.runs_units().then(|| self.layout.unit_file()));
            Resource::Process(process)
        };
        let manifest = Resource::ManifestFile(ManifestFile::new(self.layout));
        self.host.nodes.iter().map(process).chain([manifest]).collect()
    }

    fn password_file(&self, node: &Node) -> Option<String> {
        self.fleet.auth.as_ref()?;
        Some(format!("{}/{PASSWORD}", parent(&self.layout.node(node).config)))
    }
}
