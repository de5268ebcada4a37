//! What tests of this room start from.

use std::collections::BTreeMap;

use super::{Entry, Layout, Script};
use crate::host::{Facts, InitSystem};

/// A root account's view of a host without systemd and without a known distribution.
pub(super) fn facts() -> Facts {
    Facts {
        uid: 0,
        data_home: "/root/.local/share".into(),
        cache_home: "/root/.cache".into(),
        arch: "x86_64".into(),
        cores: 2,
        init: InitSystem::Other,
        systemd: 0,
        os: vec!["other".into()],
        os_version: String::new(),
        codename: String::new(),
        libc: "glibc 2.36".into(),
        lacks: Vec::new(),
        level: 1,
        compiler: String::new(),
        boot_id: String::new(),
        accounts: BTreeMap::new(),
        knows: BTreeMap::new(),
    }
}

/// The paths of a cluster `orders` of root's.
pub(super) fn layout() -> Layout {
    Layout::of("orders", "redis", &facts())
}

/// The lines of a script.
pub(super) fn lines(script: &Script) -> Vec<String> {
    script.text().unwrap().lines().map(str::to_owned).collect()
}

/// A file we created, with the digest of what we wrote.
pub(super) fn created(path: &str, sha256: &str) -> Entry {
    Entry::CreatedFile { path: path.into(), sha256: Some(sha256.into()) }
}

/// A folder we created, which goes with all that is in it.
pub(super) fn folder(path: &str) -> Entry {
    Entry::CreatedDirectory { path: path.into(), recursive: true }
}
