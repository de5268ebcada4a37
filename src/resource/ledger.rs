//! The ledger: what we did to a host, one JSON object a line, written before the change it tells of. Undoing reads it
//! backwards; every undo may be repeated, so that an interrupted one is simply run again.

use serde::{Deserialize, Serialize};

use super::{command, directory, file, kernel, package, process, quote, unit, user};

/// One change we made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Entry {
    CreatedDirectory { path: String, ours: bool },
    ChangedMode { path: String, mode: u32, owner: String },
    CreatedFile { path: String },
    ReplacedFile { path: String, backup: String },
    CreatedUser { name: String },
    InstalledPackages { names: String },
    RanCommand { run: String },
    StartedUnit { name: String, was: String },
    ChangedSetting { path: String, was: String, set: String },
    StartedNode { name: String, data: String, started: String, unit: Option<String> },
}

impl Entry {
    /// A shell line that remembers the packages in `$missing`, which is known only on the host.
    pub(super) fn installed_packages() -> String {
        r#"[ -z "$missing" ] || ledger "{\"did\":\"installed-packages\",\"names\":\"${missing# }\"}""#
            .to_owned()
    }

    /// A shell line that remembers the state in `$was`, which is known only on the host.
    pub(super) fn started_unit(name: &str) -> String {
        format!(r#"ledger "{{\"did\":\"started-unit\",\"name\":\"{name}\",\"was\":\"$was\"}}""#)
    }

    /// A shell line that remembers the value in `$was`, which is known only on the host.
    pub(super) fn changed_setting(path: &str, set: &str) -> String {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let (path, set) = (quote(&json(path)), quote(&json(set)));
        format!(r#"ledger '{{"did":"changed-setting","path":'{path}',"was":"'"$was"'","set":'{set}'}}'"#)
    }

    /// What undoing it does, for people.
    pub fn title(&self) -> String {
        match self {
            Self::CreatedDirectory { path, ours: true } => {
                format!("remove directory {path} and all that is in it")
            }
            Self::CreatedDirectory { path, ours: false } => format!("remove directory {path} if it is empty"),
            Self::ChangedMode { path, mode, owner } => {
                format!("give {path} back mode {mode:04o} and owner {owner}")
            }
            Self::CreatedFile { path } => format!("remove file {path}"),
            Self::ReplacedFile { path, .. } => format!("put the former {path} back"),
            Self::CreatedUser { name } => format!("remove user {name}"),
            Self::InstalledPackages { names } => format!("keep the installed packages {names}"),
            Self::RanCommand { run } => {
                format!("leave what the command `{}` did", run.lines().next().unwrap_or_default())
            }
            Self::StartedUnit { name, .. } => format!("stop unit {name}"),
            Self::ChangedSetting { path, was, .. } => format!("give kernel setting {path} back its {was}"),
            Self::StartedNode { name, .. } => format!("stop node {name}"),
        }
    }

    /// The shell fragment that undoes it; `$state` and the functions of a [`Script`](super::Script) are there.
    pub fn undo(&self) -> String {
        match self {
            Self::CreatedDirectory { path, ours } => directory::undo(path, *ours),
            Self::ChangedMode { path, mode, owner } => {
                let path = quote(path);
                format!("[ ! -e {path} ] || {{ own {path} {}; chmod {mode:05o} {path}; }}", quote(owner))
            }
            Self::CreatedFile { path } => file::undo_create(path),
            Self::ReplacedFile { path, backup } => file::undo_replace(path, backup),
            Self::CreatedUser { name } => user::undo(name),
            Self::InstalledPackages { names } => package::undo(names),
            Self::RanCommand { run } => command::undo(run),
            Self::StartedUnit { name, was } => unit::undo(name, was),
            Self::ChangedSetting { path, was, set } => kernel::undo(path, was, set),
            Self::StartedNode { data, started, unit, .. } => process::undo(data, started, unit.as_deref()),
        }
    }

    /// The end of an undoing: the ledger itself, and the folders that were created to hold it, if nothing else is there.
    /// `shared` are the folders above those of all clusters: another cluster's ledger may have them.
    pub fn last(entries: &[Self], shared: &[String]) -> String {
        let mut text = String::from(user::LAST);
        text.push_str("rm -rf -- \"$ledger\" \"$state/backup\"\nrmdir -- \"$state\" 2>/dev/null || :\n");
        for entry in entries {
            if let Self::CreatedDirectory { path, ours: false } = entry {
                text.push_str(&directory::undo(path, false));
                text.push('\n');
            }
        }
        for path in shared {
            text.push_str(&directory::undo(path, false));
            text.push('\n');
        }
        text
    }

    /// Reads a ledger; what to undo comes first. A line that a power cut left incomplete tells of nothing that was
    /// done, since it is written before the change. Only the oldest of equal entries counts. The error is a whole line
    /// that means nothing to this version.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let mut seen = std::collections::HashSet::new();
        let mut entries = Vec::new();
        for line in text.lines() {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let entry: Self = serde_json::from_value(value).map_err(|_| line.to_owned())?;
            if seen.insert(entry.clone()) {
                entries.push(entry);
            }
        }
        entries.reverse();
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_read_backwards_and_a_torn_line_is_no_change() {
        let folder = Entry::CreatedDirectory { path: "/a".into(), ours: true };
        let file = Entry::CreatedFile { path: "/a/b".into() };
        let line = |entry: &Entry| serde_json::to_string(entry).unwrap();
        let text = format!("{}\n{}\n{}\n{{\"did\":\"crea", line(&folder), line(&file), line(&folder));
        assert_eq!(Entry::read(&text).unwrap(), [file, folder]);
        assert!(Entry::read("{\"did\":\"something-newer\"}").is_err());
    }
}
