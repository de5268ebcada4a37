//! The ledger: what we did to a host, one JSON object a line, written before the change it tells of. Undoing reads it
//! backwards; every undo may be repeated, so that an interrupted one is simply run again.

use serde::{Deserialize, Serialize};

use super::{command, directory, file, kernel, package, process, quote, unit, user};

/// One change we made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Entry {
    CreatedDirectory {
        path: String,
        ours: bool,
    },
    ChangedMode {
        path: String,
        mode: u32,
        owner: String,
    },
    CreatedFile {
        path: String,
        /// Of what we wrote; earlier versions did not note it, and a password has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    ReplacedFile {
        path: String,
        backup: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    CreatedUser {
        name: String,
    },
    InstalledPackages {
        names: String,
    },
    RanCommand {
        run: String,
    },
    StartedUnit {
        name: String,
        was: String,
    },
    ChangedSetting {
        path: String,
        was: String,
        set: String,
    },
    StartedNode {
        name: String,
        data: String,
        started: String,
        unit: Option<String>,
    },
}

impl Entry {
    /// A shell line that remembers the packages in `$missing`, which is known only on the host.
    pub(super) fn installed_packages() -> String {
        r#"[ -z "$missing" ] || ledger "{\"did\":\"installed-packages\",\"names\":\"${missing# }\"}""#
            .to_owned()
    }

    /// A shell line that remembers the state in `$was`, which is known only on the host.
    pub(super) fn started_unit(name: &str) -> String {
        format!(r#"ledger "{{\"did\":\"started-unit\",\"name\":\"{name}\",\"was\":\"$(json "$was")\"}}""#)
    }

    /// A shell line that remembers the value in `$was`, which is known only on the host.
    pub(super) fn changed_setting(path: &str, set: &str) -> String {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let (path, set) = (quote(&json(path)), quote(&json(set)));
        format!(
            r#"ledger '{{"did":"changed-setting","path":'{path}',"was":"'"$(json "$was")"'","set":'{set}'}}'"#
        )
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
            Self::CreatedFile { path, .. } => format!("remove file {path}"),
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

    /// The shell fragment that undoes it, for [`Script::undoing`](super::Script::undoing). `all` is the ledger as it was read.
    pub fn undo(&self, all: &[Self]) -> String {
        match self {
            Self::CreatedDirectory { path, ours } => directory::undo(path, *ours),
            Self::ChangedMode { path, mode, owner } => {
                format!("give_back {} {mode:05o} {}", quote(path), quote(owner))
            }
            Self::CreatedFile { path, .. } if self.is_oldest(all) => {
                file::undo_create(path, &written(path, all))
            }
            Self::ReplacedFile { path, backup, .. } if self.is_oldest(all) => {
                file::undo_replace(path, backup, &written(path, all))
            }
            // The oldest entry of a file tells what was there before us.
            Self::CreatedFile { .. } | Self::ReplacedFile { .. } => ":".to_owned(),
            Self::CreatedUser { name } => user::undo(name),
            Self::InstalledPackages { names } => package::undo(names),
            Self::RanCommand { run } => command::undo(run),
            Self::StartedUnit { name, was } => unit::undo(name, was),
            Self::ChangedSetting { path, was, set } => kernel::undo(path, was, set),
            Self::StartedNode { data, started, unit, .. } => process::undo(data, started, unit.as_deref()),
        }
    }

    /// The file it tells of, and the digest of what was written there.
    fn file(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::CreatedFile { path, sha256 } | Self::ReplacedFile { path, sha256, .. } => {
                Some((path, sha256.as_deref()))
            }
            _ => None,
        }
    }

    /// Whether it is the oldest entry of its file. `all` has the newest first.
    fn is_oldest(&self, all: &[Self]) -> bool {
        let path = self.file().map(|(path, _)| path);
        all.iter().rfind(|entry| entry.file().map(|(path, _)| path) == path) == Some(self)
    }

    /// The end of an undoing: the ledger itself, and the folders that were created to hold it, if nothing else is there.
    /// `shared` are the folders above those of all clusters: another cluster's ledger may have them.
    pub fn last(entries: &[Self], shared: &[String]) -> String {
        let mut text = crate::host::minify(user::LAST);
        text.push_str("accounts\nrm -rf -- \"$ledger\" \"$state/backup\" \"$state/account\"\nrmdir -- \"$state\" 2>/dev/null || :\n");
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
    /// done, since it is written before the change; later ones may follow it. Only the oldest of equal entries counts. The
    /// error is a whole line that means nothing to this version.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let mut seen = std::collections::HashSet::new();
        let mut entries = Vec::new();
        for line in text.lines().filter(|line| !line.trim_matches(['\0', ' ']).is_empty()) {
            // Earlier versions wrote the tabs of kernel settings as they are.
            let line = line.replace('\t', " ");
            let value = match serde_json::from_str::<serde_json::Value>(&line) {
                Ok(value) => value,
                Err(error) if error.is_eof() => continue,
                Err(_) => return Err(line),
            };
            let entry: Self = serde_json::from_value(value).map_err(|_| line)?;
            if seen.insert(entry.clone()) {
                entries.push(entry);
            }
        }
        entries.reverse();
        Ok(entries)
    }
}

/// The digests of all that was written to a file; none where one of them is not known, or where the file is in a folder that
/// goes with all that is in it.
fn written(path: &str, all: &[Entry]) -> String {
    let inside = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let goes = |entry: &Entry| matches!(entry, Entry::CreatedDirectory { path, ours: true } if inside(path));
    if all.iter().any(goes) {
        return String::new();
    }
    let digests = all.iter().filter_map(Entry::file).filter(|(other, _)| *other == path);
    digests.map(|(_, sha256)| sha256).collect::<Option<Vec<_>>>().unwrap_or_default().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_read_backwards_and_a_torn_line_is_no_change() {
        let folder = Entry::CreatedDirectory { path: "/a".into(), ours: true };
        let file = Entry::CreatedFile { path: "/a/b".into(), sha256: None };
        let line = |entry: &Entry| serde_json::to_string(entry).unwrap();
        let text = format!("{}\n{}\n{}\n{{\"did\":\"crea", line(&folder), line(&file), line(&folder));
        assert_eq!(Entry::read(&text).unwrap(), [file, folder]);
        assert!(Entry::read("{\"did\":\"something-newer\"}").is_err());
    }

    #[test]
    fn a_torn_line_may_stand_anywhere_and_a_line_that_is_garbled_is_an_error() {
        let file = Entry::CreatedFile { path: "/a".into(), sha256: None };
        let line = serde_json::to_string(&file).unwrap();
        assert_eq!(Entry::read(&format!("{{\"did\":\"cr\n\n\0\0\n{line}\n")).unwrap(), [file]);
        let garbled = r#"{"did":"started-unit","name":"a","was":"b"c"}"#;
        assert_eq!(Entry::read(&format!("{garbled}\n{line}\n")), Err(garbled.to_owned()));
        assert_eq!(Entry::read(&format!("{line}\n{garbled}\n")), Err(garbled.to_owned()));
    }

    #[test]
    fn a_kernel_setting_that_an_earlier_version_noted_with_its_tabs_is_read() {
        let line = "{\"did\":\"changed-setting\",\"path\":\"/p\",\"was\":\"1\t2\",\"set\":\"3 4\"}";
        let setting = Entry::ChangedSetting { path: "/p".into(), was: "1 2".into(), set: "3 4".into() };
        assert_eq!(Entry::read(line).unwrap(), [setting]);
    }

    fn created(path: &str, sha256: &str) -> Entry {
        Entry::CreatedFile { path: path.into(), sha256: Some(sha256.into()) }
    }

    #[test]
    fn a_file_goes_back_to_what_was_there_before_the_first_change() {
        let (path, backup, sha256) = ("/a".to_owned(), "+a".to_owned(), Some("two".to_owned()));
        let replaced = Entry::ReplacedFile { path, backup, sha256 };
        let all = [replaced.clone(), created("/a", "one")];
        assert_eq!(all[0].undo(&all), ":");
        assert_eq!(all[1].undo(&all), "erase /a 'two one'");
        assert_eq!(replaced.undo(std::slice::from_ref(&replaced)), "restore /a +a 'two'");
    }

    #[test]
    fn digests_count_only_where_all_are_known_and_nothing_around_goes_anyway() {
        let old: Entry = serde_json::from_str(r#"{"did":"created-file","path":"/a/b"}"#).unwrap();
        let all = [created("/a/b", "one"), old];
        assert_eq!(all[1].undo(&all), "erase /a/b ''");
        let folder = |path: &str| Entry::CreatedDirectory { path: path.into(), ours: true };
        let all = [created("/a/b", "one"), folder("/a")];
        assert_eq!(all[0].undo(&all), "erase /a/b ''");
        let all = [created("/ab", "one"), folder("/a")];
        assert_eq!(all[0].undo(&all), "erase /ab 'one'");
    }
}
