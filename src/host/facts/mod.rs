//! The facts of a host, which decide what is desired there.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::shell::{buffer_output, minify};
use crate::distro::{self, Distro};

/// The facts of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The numeric user id scripts run as; 0 is root.
    pub uid: u32,
    /// `$XDG_DATA_HOME`, or its default below the home folder.
    pub data_home: String,
    /// `$XDG_CACHE_HOME`, or its default below the home folder.
    pub cache_home: String,
    /// `uname -m`.
    pub arch: String,
    /// Processors that scripts may use, as nproc(1) counts them: allowed to them, and online.
    pub cores: u32,
    /// What starts services here.
    pub init: InitSystem,
    /// The version of systemd, 0 where the host runs another init system.
    pub systemd: u32,
    /// `ID` of os-release, then `ID_LIKE`.
    pub os: Vec<String>,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    /// `VERSION_CODENAME` of os-release, empty where there is none.
    pub codename: String,
    /// The C library and its version, as `glibc 2.36` or `musl 1.2.3`.
    pub libc: String,
    /// Shared libraries that a server may need and this host lacks.
    pub lacks: Vec<String>,
    /// The level of an x86-64 processor: 1 to 4; 1 on all others.
    pub level: u32,
    /// Where the C compiler is, empty where there is none.
    pub compiler: String,
    /// Changes with every boot.
    pub boot_id: String,
    /// The clusters with a ledger here, and the account that the servers of each run under; empty where an
    /// earlier version of provision made the cluster.
    #[serde(default)]
    pub accounts: BTreeMap<String, String>,
    /// The folders of installed servers, and what was noted in each of the directives that its server knows.
    #[serde(default)]
    pub knows: BTreeMap<String, String>,
}

/// What starts services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitSystem {
    Systemd,
    /// Something else: nodes run as processes of our own with pid files.
    Other,
}

/// The script that asks for the facts: read-only; it prints a line for each fact.
pub(super) fn script() -> String {
    buffer_output(&minify(&format!("library_folders='{}'\n{SCRIPT}", distro::library_folders())))
}

const SCRIPT: &str = include_str!("facts.sh");

impl Facts {
    /// Reads the script's answer; the error is the name of the fact that is missing.
    pub(super) fn parse(lines: &[String]) -> Result<Self, String> {
        let map: HashMap<&str, &str> = lines.iter().filter_map(|line| line.split_once('=')).collect();
        let need = |key: &str| map.get(key).copied().ok_or_else(|| format!("no {key} in {lines:?}"));
        let number = |key: &str| need(key)?.trim().parse::<u32>().map_err(|e| format!("{key}: {e}"));
        let os = |key: &str| map.get(key).map_or("", |value| value.trim_matches(['"', '\'']));
        Ok(Self {
            uid: number("uid")?,
            data_home: need("data_home")?.to_owned(),
            cache_home: need("cache_home")?.to_owned(),
            arch: need("arch")?.to_owned(),
            cores: processors(need("allowed")?, need("online")?),
            init: if need("init")? == "systemd" { InitSystem::Systemd } else { InitSystem::Other },
            systemd: map.get("systemd").and_then(|version| systemd_version(version)).unwrap_or(0),
            os: std::iter::once(os("os.ID"))
                .chain(os("os.ID_LIKE").split_whitespace())
                .map(str::to_owned)
                .collect(),
            os_version: os("os.VERSION_ID").to_owned(),
            codename: os("os.VERSION_CODENAME").to_owned(),
            libc: need("libc")?.trim().to_owned(),
            lacks: need("lacks")?.split_whitespace().map(str::to_owned).collect(),
            level: number("level")?,
            compiler: need("compiler")?.to_owned(),
            boot_id: need("boot")?.to_owned(),
            accounts: map
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix("account.")?.to_owned(), *value)))
                .filter(|(_, account)| account.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
                .map(|(cluster, account)| (cluster, account.to_owned()))
                .collect(),
            knows: map
                .iter()
                .filter_map(|(key, note)| Some((key.strip_prefix("knows.")?.to_owned(), (*note).to_owned())))
                .collect(),
        })
    }

    /// Whether a shared library is here; one that was not asked for is taken to be.
    pub fn has_library(&self, name: &str) -> bool {
        !self.lacks.iter().any(|lacking| lacking == name)
    }

    /// Whether scripts run as root.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether nodes run as units: system units are root's to make.
    pub fn runs_units(&self) -> bool {
        self.init == InitSystem::Systemd && self.is_root()
    }

    /// The distribution's entry in the table, where there is one.
    pub fn distro(&self) -> Option<&'static Distro> {
        self.os.iter().find_map(|id| distro::find(id))
    }
}

/// How many processors are in both lists, in the kernel's notation `0-3,8` (cpuset(7)); at least one. What is
/// allowed includes processors that could be plugged in: 128 in many a virtual machine.
fn processors(allowed: &str, online: &str) -> u32 {
    let (allowed, online) = (ranges(allowed), ranges(online));
    let shared = |a: &(u32, u32), b: &(u32, u32)| (a.1.min(b.1) + 1).saturating_sub(a.0.max(b.0));
    let pairs = allowed.iter().flat_map(|a| online.iter().map(move |b| shared(a, b)));
    pairs.fold(0, u32::saturating_add).max(1)
}

/// How many ranges of a list of processors count: a host may say anything.
const MAX_RANGES: usize = 256;

/// The ranges of a list of processors; what is none is left out.
fn ranges(list: &str) -> Vec<(u32, u32)> {
    // No machine has more.
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number < 1 << 16);
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some((number(from)?, number(to)?))
    };
    list.split(',').take(MAX_RANGES).filter_map(range).collect()
}

/// `252` → 252, as also `252.1` and `256~rc3`.
fn systemd_version(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
