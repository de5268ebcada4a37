//! Undoing what the ledger tells: each entry by its own kind, and the ledger itself at the end.

use super::{Entry, Script, command, directory, file, kernel, line, package, process, quote, unit, user};

impl Entry {
    /// Writes what undoes it into a script of [`Script::undoing`]. `all` is the ledger as it was read.
    pub fn undo(&self, all: &[Self], script: &mut Script) {
        match self {
            Self::CreatedDirectory { path, recursive } => directory::undo(path, *recursive, script),
            Self::ChangedMode { path, mode, owner } => {
                script.push(&format!("give_back {} {mode:05o} {}", quote(path), quote(owner)));
            }
            Self::CreatedFile { path, .. } if self.is_oldest(all) => {
                file::undo_create(path, &written(path, all), script);
            }
            Self::ReplacedFile { path, backup, .. } if self.is_oldest(all) => {
                file::undo_replace(path, backup, &written(path, all), script);
            }
            // The oldest entry of a file tells what was there before us; an account goes at the very end,
            // because other clusters of ours may use it.
            Self::CreatedFile { .. } | Self::ReplacedFile { .. } | Self::CreatedUser { .. } => {}
            Self::AddedLine { path, line, created } => line::undo_add(path, line, *created, script),
            Self::RemovedLine { path, line } => line::undo_remove(path, line, script),
            Self::InstalledPackages { names } => package::undo(names, script),
            Self::RanCommand { run } => command::undo(run, script),
            Self::StartedUnit { name, was } => unit::undo(name, was, script),
            Self::ChangedSetting { path, was, set } => kernel::undo(path, was, set, script),
            Self::StartedNode { data, started, unit, .. } => {
                process::undo(data, started, unit.as_deref(), script);
            }
        }
    }

    /// Writes the end of an undoing: the ledger itself, and the folders that were created to hold it, if
    /// nothing else is there. `shared` are the folders above those of all clusters: another cluster's ledger
    /// may have them.
    pub fn finish(entries: &[Self], shared: &[String], script: &mut Script) {
        script.needs(user::REMOVE);
        script.push("remove_users");
        script.push("rm -rf -- \"$ledger\" \"$state/backup\" \"$state/account\"");
        script.push("rmdir -- \"$state\" 2>/dev/null || :");
        let parents = entries.iter().filter_map(|entry| match entry {
            Self::CreatedDirectory { path, recursive: false } => Some(path),
            _ => None,
        });
        parents.chain(shared).for_each(|path| directory::undo(path, false, script));
    }
}

/// The digests of all that was written to a file; none where one of them is not known, or where the file is
/// in a folder that goes with all that is in it.
fn written(path: &str, all: &[Entry]) -> String {
    let inside = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let goes =
        |entry: &Entry| matches!(entry, Entry::CreatedDirectory { path, recursive: true } if inside(path));
    if all.iter().any(goes) {
        return String::new();
    }
    let digests = all.iter().filter_map(Entry::file).filter(|(other, _)| *other == path);
    digests.map(|(_, sha256)| sha256).collect::<Option<Vec<_>>>().unwrap_or_default().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::{created, folder, layout, lines};

    /// The line that undoes an entry, if any.
    fn undo(entry: &Entry, all: &[Entry]) -> Option<String> {
        let mut script = Script::undoing(&layout());
        let before = lines(&script).len();
        entry.undo(all, &mut script);
        lines(&script).get(before).cloned()
    }

    #[test]
    fn a_file_goes_back_to_what_was_there_before_the_first_change() {
        let (path, backup, sha256) = ("/a".to_owned(), "+a".to_owned(), Some("two".to_owned()));
        let replaced = Entry::ReplacedFile { path, backup, sha256 };
        let all = [replaced.clone(), created("/a", "one")];
        assert_eq!(undo(&all[0], &all), None);
        assert_eq!(undo(&all[1], &all).unwrap(), "erase /a 'two one'");
        assert_eq!(undo(&replaced, std::slice::from_ref(&replaced)).unwrap(), "restore /a +a 'two'");
    }

    #[test]
    fn digests_count_only_where_all_are_known_and_nothing_around_goes_anyway() {
        let old: Entry = serde_json::from_str(r#"{"did":"created-file","path":"/a/b"}"#).unwrap();
        let all = [created("/a/b", "one"), old];
        assert_eq!(undo(&all[1], &all).unwrap(), "erase /a/b ''");
        let all = [created("/a/b", "one"), folder("/a")];
        assert_eq!(undo(&all[0], &all).unwrap(), "erase /a/b ''");
        let all = [created("/ab", "one"), folder("/a")];
        assert_eq!(undo(&all[0], &all).unwrap(), "erase /ab 'one'");
    }

    #[test]
    fn the_ledger_goes_last_and_shared_folders_only_when_they_are_empty() {
        let mut script = Script::undoing(&layout());
        let parent = Entry::CreatedDirectory { path: "/srv/a".into(), recursive: false };
        Entry::finish(&[folder("/b"), parent], &["/etc/provision".to_owned()], &mut script);
        let all = lines(&script);
        let end: Vec<&str> = all[all.len() - 5..].iter().map(String::as_str).collect();
        assert_eq!(end[0], "remove_users");
        assert!(end[1].starts_with("rm -rf -- \"$ledger\""));
        assert_eq!(&end[3..], ["vacate /srv/a", "vacate /etc/provision"]);
    }
}
