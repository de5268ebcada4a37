//! A directory, with its mode and owner.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Observed, Owner, PathState, Questions, Script, quote};

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    pub path: String,
    /// `None`: whatever it has, and 0755 where it must be created. A folder above ours is none of our business.
    pub mode: Option<u32>,
    /// `user:group`; `None` is whoever runs the script.
    pub owner: Option<String>,
    /// Whether everything in it is ours, so that undoing removes it with its content.
    pub ours: bool,
}

impl Directory {
    /// A folder above our own: created where it is missing, and removed again if it is empty then.
    pub fn parent(path: impl Into<String>) -> Self {
        Self { path: path.into(), mode: None, owner: None, ours: false }
    }

    /// A folder whose content is ours.
    pub fn ours(path: impl Into<String>, mode: u32, owner: Option<&str>) -> Self {
        Self { path: path.into(), mode: Some(mode), owner: owner.map(str::to_owned), ours: true }
    }

    /// The path with mode and owner, by which a folder that is planned twice is told from one that is wanted otherwise.
    fn wanted(&self) -> String {
        let mode = self.mode.unwrap_or(0o755);
        format!("{} {mode:04o} {}", self.path, self.owner.as_deref().unwrap_or_default())
    }
}

impl Kind for Directory {
    fn title(&self) -> String {
        format!("directory {}", self.path)
    }

    fn ask(&self, questions: &mut Questions) {
        questions.path(&self.path);
    }

    fn compare(&self, seen: &Observed, changing: &BTreeSet<String>) -> Option<Difference> {
        let again = changing.contains(&self.path);
        if again && (self.mode.is_none() || changing.contains(&self.wanted())) {
            return None;
        }
        let before = seen.paths.get(&self.path);
        let mut difference = match before {
            None if again => Difference::new(Action::Update, "it is created with another mode or owner"),
            None => Difference::new(Action::Create, "it does not exist"),
            Some(PathState::Directory { mode, owner }) => {
                let why = attributes(self.mode, self.owner.as_deref(), *mode, owner);
                let why = why.or_else(|| again.then(|| "it is given another mode or owner".to_owned()))?;
                Difference::new(Action::Update, why)
            }
            Some(PathState::Other { what }) if self.mode.is_none() && what == "symbolic link" => return None,
            Some(_) => Difference::new(Action::Create, "something else stands there, which will be refused"),
        };
        difference.before = before.cloned();
        Some(difference)
    }

    fn change(&self, difference: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        let path = quote(&self.path);
        match &difference.before {
            None => script.remember(&Entry::CreatedDirectory { path: self.path.clone(), ours: self.ours }),
            Some(PathState::Directory { mode, owner }) => script.remember(&Entry::ChangedMode {
                path: self.path.clone(),
                mode: *mode,
                owner: owner.numbers(),
            }),
            Some(_) => script.push(&format!("echo {path} is not a directory; exit 1")),
        }
        // Five digits: with fewer, chmod leaves the set-group-ID bit of a folder as it is.
        let mode = self.mode.map_or_else(|| "''".to_owned(), |mode| format!("{mode:05o}"));
        let owner = quote(self.owner.as_deref().unwrap_or_default());
        script.push(&format!("folder {path} {mode} {owner}"));
        Ok(())
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone(), self.wanted()]
    }
}

/// Undoes the creation.
pub(super) fn undo(path: &str, ours: bool) -> String {
    let path = quote(path);
    if ours { format!("clear_out {path}") } else { format!("vacate {path}") }
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
