//! The ledger: what we did to a host, one JSON object a line, written before the change it tells of. Undoing
//! reads it backwards; every undo may be repeated, so that an interrupted one is simply run again.

use serde::{Deserialize, Serialize};

use crate::units::NodeName;

/// One change we made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Entry {
    CreatedDirectory {
        path: String,
        /// Whether it goes with all its content.
        #[serde(rename = "ours", alias = "recursive")]
        recursive: bool,
    },
    ChangedMode {
        path: String,
        mode: u32,
        owner: String,
    },
    CreatedFile {
        path: String,
        /// Of what we wrote; earlier versions did not record it, and a password has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    ReplacedFile {
        path: String,
        backup: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    AddedLine {
        path: String,
        line: String,
        /// Whether the file was created for it.
        created: bool,
    },
    RemovedLine {
        path: String,
        line: String,
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
        name: NodeName,
        data: String,
        started: String,
        unit: Option<String>,
    },
}

impl Entry {
    /// What undoing it does, for people.
    pub fn title(&self) -> String {
        match self {
            Self::CreatedDirectory { path, recursive: true } => {
                format!("remove directory {path} and all that is in it")
            }
            Self::CreatedDirectory { path, recursive: false } => {
                format!("remove directory {path} if it is empty")
            }
            Self::ChangedMode { path, mode, owner } => {
                format!("give {path} back mode {mode:04o} and owner {owner}")
            }
            Self::CreatedFile { path, .. } => format!("remove file {path}"),
            Self::ReplacedFile { path, .. } => format!("put the former {path} back"),
            Self::AddedLine { path, line, .. } => format!("remove the line `{line}` from {path}"),
            Self::RemovedLine { path, line } => format!("put the line `{line}` back into {path}"),
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

    /// The file it tells of, and the digest of what was written there.
    pub(super) fn file(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::CreatedFile { path, sha256 } | Self::ReplacedFile { path, sha256, .. } => {
                Some((path, sha256.as_deref()))
            }
            _ => None,
        }
    }

    /// Whether it is the oldest entry of its file. `all` has the newest first.
    pub(super) fn is_oldest(&self, all: &[Self]) -> bool {
        let path = self.file().map(|(path, _)| path);
        all.iter().rfind(|entry| entry.file().map(|(path, _)| path) == path) == Some(self)
    }

    /// Reads a ledger; what to undo comes first. A line that a power cut left incomplete tells of nothing
    /// that was done, since it is written before the change; later ones may follow it. Only the oldest of
    /// equal entries counts. The error is a whole line that means nothing to this version.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        mutated::mutated,
        resource::{
            Script,
            testing::{created, folder, layout},
        },
    };

    #[test]
    fn the_ledger_is_read_backwards_and_a_torn_line_is_no_change() {
        let (folder, file) = (folder("/a"), Entry::CreatedFile { path: "/a/b".into(), sha256: None });
        let line = |entry: &Entry| serde_json::to_string(entry).unwrap();
        let text = format!("{}\n{}\n{}\n{{\"did\":\"crea", line(&folder), line(&file), line(&folder));
        assert_eq!(Entry::read(&text).unwrap(), [file, folder]);
        assert!(Entry::read("{\"did\":\"something-newer\"}").is_err());
    }

    #[test]
    fn a_torn_line_may_stand_anywhere_and_a_line_that_is_garbled_is_an_error() {
        let file = created("/a", "one");
        let line = serde_json::to_string(&file).unwrap();
        assert_eq!(Entry::read(&format!("{{\"did\":\"cr\n\n\0\0\n{line}\n")).unwrap(), [file]);
        let garbled = r#"{"did":"started-unit","name":"a","was":"b"c"}"#;
        assert_eq!(Entry::read(&format!("{garbled}\n{line}\n")), Err(garbled.to_owned()));
        assert_eq!(Entry::read(&format!("{line}\n{garbled}\n")), Err(garbled.to_owned()));
    }

    #[test]
    fn a_ledger_of_an_earlier_version_is_read() {
        let text = r#"{"did":"created-directory","path":"/a","ours":true}
{"did":"changed-mode","path":"/b","mode":493,"owner":"0:0"}
{"did":"created-file","path":"/c"}
{"did":"replaced-file","path":"/d","backup":"d-0123"}
{"did":"created-user","name":"redis"}
{"did":"installed-packages","names":"gcc make"}
{"did":"ran-command","run":"true"}
{"did":"started-unit","name":"a","was":"disabled inactive"}
{"did":"started-node","name":"7001","data":"/e","started":"/f","unit":null}"#;
        let entries = Entry::read(text).unwrap();
        assert_eq!(entries.len(), 9);
        assert_eq!(entries[8], folder("/a"));
        assert_eq!(entries[6], Entry::CreatedFile { path: "/c".into(), sha256: None });
    }

    #[test]
    fn an_earlier_version_reads_what_is_written_now() {
        let written = serde_json::to_string(&folder("/a")).unwrap();
        assert_eq!(written, r#"{"did":"created-directory","path":"/a","ours":true}"#);
        let written = serde_json::to_string(&Entry::CreatedFile { path: "/c".into(), sha256: None }).unwrap();
        assert_eq!(written, r#"{"did":"created-file","path":"/c"}"#);
    }

    #[test]
    fn a_kernel_setting_that_an_earlier_version_noted_with_its_tabs_is_read() {
        let line = "{\"did\":\"changed-setting\",\"path\":\"/p\",\"was\":\"1\t2\",\"set\":\"3 4\"}";
        let setting = Entry::ChangedSetting { path: "/p".into(), was: "1 2".into(), set: "3 4".into() };
        assert_eq!(Entry::read(line).unwrap(), [setting]);
    }

    #[test]
    fn the_entries_a_host_writes_itself_are_read() {
        for (program, call, entry) in [
            (
                include_str!("unit.sh"),
                "systemctl() { echo 'a \"b\"'; }; start_unit 'x@1'",
                Entry::StartedUnit { name: "x@1".into(), was: "a \"b\" a \"b\"".into() },
            ),
            (
                include_str!("package.sh"),
                "installed() { :; }; install_packages() { :; }; install_missing gcc make",
                Entry::InstalledPackages { names: "gcc make".into() },
            ),
        ] {
            let prelude = include_str!("prelude.sh").split_once("# Writes a line down").unwrap().1;
            let json = prelude.lines().find(|line| line.starts_with("json()")).unwrap();
            let text = format!("{json}\nledger() {{ printf '%s\\n' \"$1\"; }}\n{program}\n{call}");
            assert_eq!(Entry::read(&sh(&text)).unwrap(), [entry]);
        }
    }

    const LEDGER: &str = r#"{"did":"created-directory","path":"/a","ours":true}
{"did":"changed-mode","path":"/b","mode":493,"owner":"0:0"}
{"did":"replaced-file","path":"/d","backup":"d-0123","sha256":"0123456789abcdef"}
{"did":"added-line","path":"/e","line":"a line","created":true}
{"did":"changed-setting","path":"/proc/sys/vm/x","was":"1","set":"0"}
{"did":"started-node","name":"7001","data":"/e","started":"/f","unit":null}
"#;

    proptest! {
        #[test]
        fn a_damaged_ledger_is_read_or_refused_and_undone_in_the_folders_of_its_entries(text in mutated(LEDGER)) {
            if let Ok(entries) = Entry::read(&text) {
                let mut script = Script::undoing(&layout());
                for entry in &entries {
                    entry.undo(&entries, &mut script);
                }
                prop_assert!(script.text().is_ok());
            }
        }
    }

    /// What a shell prints, up to the first entry.
    fn sh(text: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "a program of ours is run as a host runs it")]
        let output = std::process::Command::new("sh").args(["-c", text]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find(|line| line.starts_with('{')).unwrap().to_owned()
    }
}
