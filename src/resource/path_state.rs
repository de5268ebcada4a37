//! What stands at a path of a host.

use serde::{Deserialize, Serialize};

/// What stands at a path.
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
        /// Empty where it was not asked, or must not be known.
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

impl PathState {
    /// Reads a line of the probe: `%F|%a|%U|%G|%u|%g|%s|%n` of `stat`.
    pub(super) fn parse(line: &str) -> Option<(String, Self)> {
        let parts: Vec<&str> = line.splitn(8, '|').collect();
        let [what, mode, user, group, uid, gid, size, path] = parts[..] else { return None };
        let mode = u32::from_str_radix(mode, 8).ok()?;
        let (user, group) = (user.to_owned(), group.to_owned());
        let owner = Owner { user, group, uid: uid.parse().ok()?, gid: gid.parse().ok()? };
        let state = match what {
            "directory" => Self::Directory { mode, owner },
            "regular file" | "regular empty file" => {
                Self::File { mode, owner, size: size.parse().ok()?, sha256: String::new() }
            }
            other => Self::Other { what: other.to_owned() },
        };
        Some((path.to_owned(), state))
    }

    /// What stands above a path that is there, of which no more is known.
    pub(super) fn folder_or_link() -> Self {
        Self::Other { what: "directory or symbolic link".to_owned() }
    }

    /// Whether a path can lead on from here.
    pub(super) fn leads_on(&self) -> bool {
        match self {
            Self::Directory { .. } => true,
            Self::File { .. } => false,
            Self::Other { what } => what == "symbolic link" || *self == Self::folder_or_link(),
        }
    }

    /// What it is called.
    pub(super) fn what(&self) -> &str {
        match self {
            Self::Directory { .. } => "directory",
            Self::File { .. } => "file",
            Self::Other { what } => what,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// The same state with another digest.
    pub(super) fn with_sha256(self, sha256: &str) -> Self {
        match self {
            Self::File { mode, owner, size, .. } => {
                Self::File { mode, owner, size, sha256: sha256.to_owned() }
            }
            other => other,
        }
    }

    /// The digest of a file.
    pub(super) fn sha256(&self) -> Option<&str> {
        match self {
            Self::File { sha256, .. } => Some(sha256),
            _ => None,
        }
    }
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

/// How mode and owner differ from what is wanted, in words.
pub(super) fn attributes(
    mode: Option<u32>,
    owner: Option<&str>,
    seen_mode: u32,
    seen_owner: &Owner,
) -> Option<String> {
    let mut why = Vec::new();
    if let Some(mode) = mode.filter(|mode| *mode != seen_mode) {
        why.push(format!("its mode is {seen_mode:04o} and must be {mode:04o}"));
    }
    if let Some(owner) = owner.filter(|owner| !seen_owner.is(owner)) {
        why.push(format!("it belongs to {seen_owner} and must belong to {owner}"));
    }
    (!why.is_empty()).then(|| why.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<PathState> {
        PathState::parse(line).map(|(_, state)| state)
    }

    #[test]
    fn a_path_is_read_with_whatever_its_name_holds() {
        let (path, state) = PathState::parse("regular file|640|root|redis|0|103|12|/a|b c").unwrap();
        assert_eq!(path, "/a|b c");
        let PathState::File { mode, owner, size, sha256 } = state else { panic!("{state:?}") };
        assert_eq!((mode, owner.numbers(), size, sha256.as_str()), (0o640, "0:103".to_owned(), 12, ""));
    }

    #[test]
    fn files_folders_and_others_are_told_apart() {
        assert_eq!(parse("regular empty file|644|a|b|1|2|0|/a").unwrap().what(), "file");
        assert_eq!(parse("directory|1777|a|b|1|2|0|/a").unwrap().what(), "directory");
        assert_eq!(parse("symbolic link|777|a|b|1|2|0|/a").unwrap().what(), "symbolic link");
    }

    #[test]
    fn a_line_that_is_no_answer_is_none() {
        assert_eq!(PathState::parse("directory|755|a|b|1|2|0"), None);
        assert_eq!(PathState::parse("directory|rwx|a|b|1|2|0|/a"), None);
        assert_eq!(PathState::parse("directory|755|a|b|x|2|0|/a"), None);
    }

    #[test]
    fn an_owner_is_meant_by_name_by_number_and_without_its_group() {
        let owner = Owner { user: "redis".into(), group: "cache".into(), uid: 103, gid: 7 };
        for wanted in ["redis", "103", "redis:cache", "103:7", ":cache", "redis:7", ""] {
            assert!(owner.is(wanted), "{wanted}");
        }
        for wanted in ["root", "redis:root", "7:103", ":103"] {
            assert!(!owner.is(wanted), "{wanted}");
        }
        assert_eq!(owner.to_string(), "redis:cache");
    }

    #[test]
    fn attributes_that_differ_are_named_with_both_values() {
        let owner = Owner { user: "a".into(), group: "a".into(), uid: 1, gid: 1 };
        assert_eq!(attributes(None, None, 0o755, &owner), None);
        assert_eq!(attributes(Some(0o755), Some("a:a"), 0o755, &owner), None);
        let why = attributes(Some(0o600), Some("root"), 0o4755, &owner).unwrap();
        assert_eq!(why, "its mode is 4755 and must be 0600, it belongs to a:a and must belong to root");
    }
}
