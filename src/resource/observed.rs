//! What a host answered: a plain value, so that the plan is a pure function of it.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Questions;

/// The state of one host, as far as it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub paths: BTreeMap<String, PathState>,
    /// Texts of files that are not as desired, or that were asked for in any case.
    pub texts: BTreeMap<String, String>,
    pub packages: BTreeSet<String>,
    pub users: BTreeSet<String>,
    /// The guards that succeeded.
    pub guards: BTreeSet<String>,
    pub units: BTreeMap<String, UnitState>,
    /// Kernel settings by path; one that is not here does not exist.
    pub settings: BTreeMap<String, SettingState>,
    /// By the name of the node.
    pub processes: BTreeMap<String, ProcessState>,
    /// Ports of nodes that are not running, and who listens there.
    pub taken: Vec<Listener>,
    /// `nodes.conf` of nodes that are not running, by the name of the node.
    pub nodes_conf: BTreeMap<String, String>,
}

/// What stands at a path. A path that is not in [`Observed::paths`] is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PathState {
    Directory {
        mode: u32,
        owner: Owner,
    },
    File {
        mode: u32,
        owner: Owner,
        size: u64,
        sha256: String,
    },
    /// A link, a device, a socket: what `stat` calls it.
    Other {
        what: String,
    },
}

/// Who a file belongs to, by name and by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub user: String,
    pub group: String,
    pub uid: u32,
    pub gid: u32,
}

impl Owner {
    /// Whether this is the owner that `user`, `user:group` or their numbers mean.
    pub fn is(&self, wanted: &str) -> bool {
        let (user, group) = wanted.split_once(':').unwrap_or((wanted, ""));
        let same = |wanted: &str, name: &str, id: u32| {
            wanted.is_empty() || wanted == name || wanted == id.to_string()
        };
        same(user, &self.user, self.uid) && same(group, &self.group, self.gid)
    }

    /// For `chown`, also where the account is gone.
    pub fn numbers(&self) -> String {
        format!("{}:{}", self.uid, self.gid)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

/// What systemd says of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    pub enabled: String,
    pub active: String,
}

/// A kernel setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingState {
    /// Of several choices the chosen one.
    pub value: String,
    /// Whether it can be set from here.
    pub writable: bool,
}

/// A running node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessState {
    pub pid: u32,
    /// Whether its executable is the installed one, and not one that has been replaced since.
    pub installed: bool,
    /// Whether the configuration on disk is the one the process was started with.
    pub current: bool,
    /// Whether it would be there again after a reboot; `true` where that is not asked.
    pub enabled: bool,
}

/// Somebody who listens on a port we need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub node: String,
    pub port: u16,
    /// `nginx (pid 412)`, or why that cannot be told.
    pub owner: String,
}

impl Observed {
    /// Reads the answers of [`Questions::script`]. Lines that are no answer are noise of the login shell.
    pub fn parse(questions: &Questions, lines: &[String]) -> Self {
        let mut seen = Self::default();
        let guards: Vec<&String> = questions.guards().collect();
        for line in lines {
            let Some((word, rest)) = line.strip_prefix('=').and_then(|line| line.split_once(' ')) else {
                continue;
            };
            seen.answer(word, rest, &guards);
        }
        seen
    }

    fn answer(&mut self, word: &str, rest: &str, guards: &[&String]) -> Option<()> {
        match word {
            "path" => self.path(rest)?,
            "sum" => {
                let (sum, path) = rest.split_once(' ')?;
                if let Some(PathState::File { sha256, .. }) = self.paths.get_mut(path.trim_start()) {
                    sum.clone_into(sha256);
                }
            }
            "text" => {
                let (text, path) = rest.split_once(' ')?;
                let bytes = BASE64_STANDARD.decode(text).ok()?;
                self.texts.insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
            }
            "package" => drop(self.packages.insert(rest.to_owned())),
            "user" => drop(self.users.insert(rest.to_owned())),
            "guard" => drop(self.guards.insert((*guards.get(rest.parse::<usize>().ok()?)?).clone())),
            "unit" => {
                let mut parts = rest.split(' ');
                let name = parts.next()?.to_owned();
                let [enabled, active] = [parts.next()?.to_owned(), parts.next()?.to_owned()];
                self.units.insert(name, UnitState { enabled, active });
            }
            "setting" => {
                let mut parts = rest.splitn(3, ' ');
                let (mode, path, value) = (parts.next()?, parts.next()?.to_owned(), parts.next()?.trim());
                let chosen = value.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
                let value = chosen.map_or(value, |(chosen, _)| chosen).to_owned();
                self.settings.insert(path, SettingState { value, writable: mode == "rw" });
            }
            "node" => {
                let (name, rest) = rest.split_once(' ')?;
                let mut parts = rest.split(' ');
                let pid = parts.next()?.parse().ok()?;
                let [current, installed] = [parts.next()? == "current", parts.next()? == "installed"];
                let state = ProcessState { pid, installed, current, enabled: true };
                self.processes.insert(name.to_owned(), state);
            }
            "disabled" => self.processes.get_mut(rest)?.enabled = false,
            "taken" => {
                let mut parts = rest.splitn(3, ' ');
                let (node, port, owner) =
                    (parts.next()?.to_owned(), parts.next()?.parse().ok()?, parts.next()?);
                self.taken.push(Listener { node, port, owner: owner.to_owned() });
            }
            "conf" => {
                let (name, text) = rest.split_once(' ')?;
                let bytes = BASE64_STANDARD.decode(text).ok()?;
                self.nodes_conf.insert(name.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
            }
            _ => {}
        }
        Some(())
    }

    fn path(&mut self, rest: &str) -> Option<()> {
        let parts: Vec<&str> = rest.splitn(8, '|').collect();
        let [what, mode, user, group, uid, gid, size, path] = parts[..] else { return None };
        let mode = u32::from_str_radix(mode, 8).ok()?;
        let (user, group) = (user.to_owned(), group.to_owned());
        let owner = Owner { user, group, uid: uid.parse().ok()?, gid: gid.parse().ok()? };
        let state = match what {
            "directory" => PathState::Directory { mode, owner },
            "regular file" | "regular empty file" => {
                PathState::File { mode, owner, size: size.parse().ok()?, sha256: String::new() }
            }
            other => PathState::Other { what: other.to_owned() },
        };
        self.paths.insert(path.to_owned(), state);
        Some(())
    }

    /// A digest of everything observed except process ids and passwords: two equal ones mean that a plan made on the first still
    /// says the truth about the second.
    pub fn fingerprint(&self) -> String {
        let mut copy = self.clone();
        copy.processes.values_mut().for_each(|process| process.pid = 0);
        for (path, state) in &mut copy.paths {
            if let (true, PathState::File { sha256, .. }) = (path.ends_with(super::layout::PASSWORD), state) {
                sha256.clear();
            }
        }
        let text = serde_json::to_vec(&copy).unwrap_or_default();
        hex::encode(Sha256::digest(&text))
    }
}
