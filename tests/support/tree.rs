//! The file tree as a value, to compare before and after.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Every path below some folders, with what `ls -l` would say and the time of its last change.
pub type Tree = BTreeMap<PathBuf, String>;

/// Whether the time of the last change counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Kept,
    Ignored,
}

pub fn of(folders: &[&Path], times: Times, skip: &dyn Fn(&Path) -> bool) -> Tree {
    let mut tree = Tree::new();
    for folder in folders {
        walk(folder, times, skip, &mut tree);
    }
    tree
}

fn walk(path: &Path, times: Times, skip: &dyn Fn(&Path) -> bool, tree: &mut Tree) {
    let Ok(meta) = path.symlink_metadata() else { return };
    if skip(path) {
        return;
    }
    let size = if meta.is_file() { meta.size() } else { 0 };
    let mut line = format!("{:o} {}:{} {size}", meta.mode(), meta.uid(), meta.gid());
    if times == Times::Kept {
        line.push_str(&format!(" {}.{:09}", meta.mtime(), meta.mtime_nsec()));
    }
    tree.insert(path.to_owned(), line);
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            walk(&entry.path(), times, skip, tree);
        }
    }
}

/// Asserts that nothing came, went or changed.
#[track_caller]
pub fn same(before: &Tree, after: &Tree) {
    let mut differences = Vec::new();
    for (path, line) in before {
        match after.get(path) {
            None => differences.push(format!("gone: {}", path.display())),
            Some(other) if other != line => {
                differences.push(format!("{}: {line} -> {other}", path.display()));
            }
            Some(_) => {}
        }
    }
    differences.extend(
        after.keys().filter(|path| !before.contains_key(*path)).map(|p| format!("new: {}", p.display())),
    );
    assert!(differences.is_empty(), "the tree changed:\n{}", differences.join("\n"));
}
