//! One host, with all that decides its resources, and the folders and owners that are the same for all steps.

use crate::{
    host::Facts,
    inventory::{Fleet, Host},
    plan::render::Templates,
    resource::{Binary, Directory, Layout, Resource},
};

/// The one host whose resources are desired, with all that decides them.
pub(super) struct HostTarget<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) host: &'a Host,
    pub(super) facts: &'a Facts,
    pub(super) layout: &'a Layout,
    pub(super) templates: &'a Templates,
    pub(super) binary: Binary,
    pub(super) packages: &'a [String],
}

impl HostTarget<'_> {
    /// The owner of what the servers write.
    pub(super) fn owned(&self) -> Option<String> {
        self.layout.account.as_ref().map(|account| format!("{account}:{account}"))
    }

    /// The owner of what the servers only read.
    pub(super) fn readable(&self) -> Option<String> {
        self.layout.account.as_ref().map(|account| format!("root:{account}"))
    }
}

/// A folder of ours, after all the folders above it.
pub(super) fn folders(path: &str, owner: Option<&str>, mode: u32) -> Vec<Resource> {
    above(path).chain([Directory::recursive(path, mode, owner)]).map(Resource::Directory).collect()
}

/// The folders above a path, outermost first, without those that every host has.
pub(super) fn above(path: &str) -> impl Iterator<Item = Directory> {
    let folders = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
    folders.filter(|folder| !FHS_DIRECTORIES.contains(folder)).map(Directory::parent)
}

/// See hier(7): without these no host would have booted.
pub(super) const FHS_DIRECTORIES: [&str; 5] = ["/etc", "/run", "/var", "/var/lib", "/var/log"];

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}
