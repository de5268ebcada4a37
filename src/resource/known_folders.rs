//! What the look at a host has shown of the folders in which something is made: a script need not look again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Answer, Observed, PathState, Resource};

/// Folders of one host whose state is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFolders {
    /// Only root can put anything into them, or replace them or one above them.
    closed: BTreeSet<String>,
    missing: BTreeSet<String>,
}

/// Who can write to one of these owns the host already. Not `/var/log`: on Ubuntu it is that of the group
/// syslog.
const ROOTS: [&str; 5] = ["/", "/etc", "/run", "/var", "/var/lib"];

impl KnownFolders {
    /// What the answers of these resources say.
    pub fn of<'a>(observed: &Observed, resources: impl IntoIterator<Item = &'a Resource>) -> Self {
        let mut known = Self { closed: ROOTS.map(str::to_owned).into(), missing: BTreeSet::new() };
        let mut open = BTreeSet::new();
        let mut folders: Vec<_> = resources.into_iter().filter_map(|it| it.folder(observed)).collect();
        // The one above a folder comes before it.
        folders.sort_by_key(|(path, _)| *path);
        for (path, state) in folders {
            match state {
                None => drop(known.missing.insert(path.to_owned())),
                Some(PathState::Directory { mode, owner }) if owner.uid == 0 && mode & 0o022 == 0 => {
                    known.closed.insert(path.to_owned());
                }
                Some(_) => drop(open.insert(path.to_owned())),
            }
        }
        known.closed.retain(|path| !open.contains(path));
        let is_below = |path: &str| above(path).all(|above| known.closed.contains(above));
        known.closed = known.closed.iter().filter(|path| is_below(path)).cloned().collect();
        known
    }

    /// Those of these folders that are closed, where nothing is unknown of the others: each of them is
    /// missing, or below one that is, and a script makes it itself.
    pub(super) fn closed_of<'a>(&self, folders: &'a BTreeSet<String>) -> Option<Vec<&'a String>> {
        let is_missing = |folder: &String| {
            self.missing.contains(folder) || above(folder).any(|above| self.missing.contains(above))
        };
        let (closed, others): (Vec<_>, Vec<_>) =
            folders.iter().partition(|folder| self.closed.contains(*folder));
        others.into_iter().all(is_missing).then_some(closed)
    }
}

impl Resource {
    /// A folder, and what was found there.
    fn folder<'a>(&'a self, observed: &'a Observed) -> Option<(&'a str, Option<&'a PathState>)> {
        let (Self::Directory(folder), Some(Answer::Directory(state))) = (self, observed.answer(&self.key()))
        else {
            return None;
        };
        Some((&folder.path, state.as_ref()))
    }
}

/// The folders above a path, from the root on.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end.max(1)]).filter(move |above| *above != path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Directory;

    /// Folders, each with what `stat` says of its mode, owner and number; nothing where it is missing.
    fn known(folders: &[(&str, &str)]) -> KnownFolders {
        let resource = |path: &&str| Resource::Directory(Directory::recursive(*path, 0o755, None));
        let resources: Vec<Resource> = folders.iter().map(|(path, _)| resource(path)).collect();
        let lines = folders.iter().filter(|(_, state)| !state.is_empty());
        let lines: Vec<String> =
            lines.map(|(path, state)| format!("=path directory|{state}|4096|{path}")).collect();
        KnownFolders::of(&Observed::read(&resources, &lines), &resources)
    }

    fn closed(known: &KnownFolders, folders: &[&str]) -> Option<String> {
        let folders: BTreeSet<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
        let closed = known.closed_of(&folders)?;
        Some(closed.into_iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }

    const ROOT: &str = "755|root|root|0|0";

    #[test]
    fn a_folder_of_root_below_others_of_root_is_closed() {
        let known = known(&[("/etc/a", ROOT), ("/etc/a/b", "750|root|redis|0|103"), ("/etc/a/b/c", "")]);
        assert_eq!(
            closed(&known, &["/", "/etc", "/etc/a", "/etc/a/b"]).as_deref(),
            Some("/ /etc /etc/a /etc/a/b")
        );
        assert_eq!(closed(&known, &["/etc/a/b/c", "/etc/a/b/c/d"]).as_deref(), Some(""));
        assert_eq!(closed(&known, &["/etc", "/etc/other"]), None, "nothing is known of it");
    }

    #[test]
    fn a_folder_that_another_account_can_write_to_and_all_below_it_are_not() {
        for state in
            ["755|redis|redis|103|103", "775|root|syslog|0|4", "1777|root|root|0|0", "757|root|root|0|0"]
        {
            let known = known(&[("/srv", ROOT), ("/srv/a", state), ("/srv/a/b", ROOT)]);
            assert_eq!(closed(&known, &["/", "/srv"]).as_deref(), Some("/ /srv"));
            for folder in ["/srv/a", "/srv/a/b"] {
                assert_eq!(closed(&known, &[folder]), None, "{state} {folder}");
            }
        }
        let unknown = known(&[("/srv/a", ROOT)]);
        assert_eq!(closed(&unknown, &["/srv/a"]), None, "/srv was not looked at");
        let etc = known(&[("/etc", "757|root|root|0|0"), ("/etc/a", ROOT)]);
        assert_eq!(closed(&etc, &["/etc/a"]), None, "what was seen counts");
    }
}
