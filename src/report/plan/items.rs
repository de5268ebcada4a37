//! The changes of a plan, one by one, as they go into groups.

pub(super) use super::group::Item;
use crate::{
    plan::{HostUndo, Planned},
    resource::{Action, Entry, Resource},
    units::HostName,
};

/// A change of a host.
pub(super) fn change(host: &HostName, change: &Planned) -> Item {
    let noun = match &change.resource {
        Resource::Directory(_) => "directory",
        Resource::File(_) | Resource::Config(_) => "file",
        Resource::Process(_) => "node",
        Resource::Unit(_) => "unit",
        _ => "",
    };
    let title = change.resource.title();
    let subject = title.strip_prefix(noun).unwrap_or(&title).trim_start().to_owned();
    let difference = &change.difference;
    Item {
        host: host.clone(),
        action: Some(difference.action),
        noun,
        subject,
        why: difference.why.clone(),
        diff: difference.diff.clone(),
    }
}

/// Whether it only makes a directory.
pub(super) fn is_new_directory(change: &Planned) -> bool {
    change.difference.action == Action::Create && matches!(change.resource, Resource::Directory(_))
}

/// The new directories of a host as a number.
pub(super) fn directories(host: &HostName, count: usize) -> Option<Item> {
    let subject = match count {
        0 => return None,
        1 => "one directory".to_owned(),
        n => format!("{n} directories"),
    };
    let (why, diff) = (String::new(), None);
    Some(Item { host: host.clone(), action: Some(Action::Create), noun: "", subject, why, diff })
}

/// What is undone besides stopping nodes, without what goes together with the folder it is in.
pub(super) fn undone(hosts: &[HostUndo]) -> Vec<Item> {
    let entries = hosts.iter().flat_map(|host| outermost(host).map(move |entry| (&host.host, entry)));
    let quiet = entries.filter(|(_, entry)| !matches!(entry, Entry::StartedNode { .. }));
    quiet.map(|(host, entry)| undo(host, entry.title())).collect()
}

/// The nodes that are stopped.
pub(super) fn stopped(hosts: &[HostUndo]) -> Vec<Item> {
    let entries = hosts.iter().flat_map(|host| host.entries.iter().map(move |entry| (&host.host, entry)));
    let stop = |(host, entry): (&HostName, &Entry)| match entry {
        Entry::StartedNode { name, .. } => Some(Item { noun: "node", ..undo(host, name.to_string()) }),
        _ => None,
    };
    entries.filter_map(stop).collect()
}

fn undo(host: &HostName, subject: String) -> Item {
    Item { host: host.clone(), action: None, noun: "", subject, why: String::new(), diff: None }
}

fn outermost(host: &HostUndo) -> impl Iterator<Item = &Entry> {
    let inside = |path: &str| {
        host.entries.iter().any(|entry| match entry {
            Entry::CreatedDirectory { path: folder, recursive: true } => {
                path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        })
    };
    host.entries.iter().filter(move |entry| match entry {
        Entry::CreatedDirectory { recursive: false, .. } => false,
        Entry::CreatedDirectory { path, .. }
        | Entry::CreatedFile { path, .. }
        | Entry::ReplacedFile { path, .. } => !inside(path),
        _ => true,
    })
}
