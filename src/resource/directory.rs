//! A directory, with its mode and owner.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Action, Answers, Difference, Entry, Handler, Obstacle, PathState, ProbeScript, ResourceKind, Script,
    path_state::attributes, quote,
};

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    pub path: String,
    /// `None`: the mode it has, and 0755 where it must be created: a folder above ours is not ours to change.
    pub mode: Option<u32>,
    /// `user:group`; `None` is the account that runs the script.
    pub owner: Option<String>,
    /// Whether all its content is ours, so that undoing removes it with its content.
    #[serde(rename = "ours", alias = "recursive")]
    pub recursive: bool,
}

impl Directory {
    /// A folder above our own: created where it is missing, and removed again if it is empty then.
    pub fn parent(path: impl Into<String>) -> Self {
        Self { path: path.into(), mode: None, owner: None, recursive: false }
    }

    /// A folder whose content is ours.
    pub fn recursive(path: impl Into<String>, mode: u32, owner: Option<&str>) -> Self {
        Self { path: path.into(), mode: Some(mode), owner: owner.map(str::to_owned), recursive: true }
    }

    /// The path with mode and owner: two plans of one folder are the same only if these are.
    fn wanted(&self) -> String {
        let mode = self.mode.unwrap_or(0o755);
        format!("{} {mode:04o} {}", self.path, self.owner.as_deref().unwrap_or_default())
    }

    /// A link above our folders may lead where the machine's owner wants.
    fn may_be(&self, state: &PathState) -> bool {
        matches!(state, PathState::Directory { .. }) || self.mode.is_none() && state.leads_on()
    }
}

impl ResourceKind for Directory {
    type Answer = Option<PathState>;

    fn title(&self) -> String {
        format!("directory {}", self.path)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        match self.mode {
            Some(_) => probe.path(&self.path),
            None => probe.above(&self.path),
        }
    }

    fn read(&self, answers: &Answers) -> Option<PathState> {
        let state = match self.mode {
            Some(_) => answers.path(&self.path).cloned(),
            None => answers.above(&self.path),
        };
        // A file that stands there is asked for its digest by another resource.
        state.map(|state| state.with_sha256(""))
    }

    fn compare(&self, before: &Option<PathState>, changing: &BTreeSet<String>) -> Option<Difference> {
        let again = changing.contains(&self.path);
        if again && (self.mode.is_none() || changing.contains(&self.wanted())) {
            return None;
        }
        let mut difference = match before {
            None if again => Difference::new(Action::Update, "it is created with another mode or owner"),
            None => Difference::new(Action::Create, "it does not exist"),
            Some(PathState::Directory { mode, owner }) => {
                let why = attributes(self.mode, self.owner.as_deref(), *mode, owner);
                let why = why.or_else(|| again.then(|| "it is given another mode or owner".to_owned()))?;
                Difference::new(Action::Update, why)
            }
            Some(state) if self.may_be(state) => return None,
            Some(_) => Difference::new(Action::Create, "something else stands there, which will be refused"),
        };
        difference.before.clone_from(before);
        Some(difference)
    }

    fn obstacle(&self, before: &Option<PathState>) -> Option<Obstacle> {
        let state = before.as_ref().filter(|state| !self.may_be(state))?;
        Some(Obstacle::at(&self.path, "directory", state))
    }

    fn change(&self, difference: &Difference, script: &mut Script) {
        let path = self.path.clone();
        match &difference.before {
            None => script.record(&Entry::CreatedDirectory { path, recursive: self.recursive }),
            Some(PathState::Directory { mode, owner }) => {
                script.record(&Entry::ChangedMode { path, mode: *mode, owner: owner.numbers() });
            }
            Some(_) => script.push(&format!("echo {} is not a directory; exit 1", quote(&path))),
        }
        script.folder(&self.path, self.mode, self.owner.as_deref());
        if difference.before.is_none() {
            script.notify(Handler::Restorecon(self.path.clone()));
        }
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone(), self.wanted()]
    }
}

/// Undoes the creation: with all content, or only where it is empty.
pub(super) fn undo(path: &str, recursive: bool, script: &mut Script) {
    let function = if recursive { "clear_out" } else { "vacate" };
    script.push(&format!("{function} {}", quote(path)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        answers::tests::answers,
        testing::{layout, lines},
    };

    const PATH: &str = "=path directory|755|root|root|0|0|40|/srv/a";

    fn directory() -> Directory {
        Directory::recursive("/srv/a", 0o750, Some("root:redis"))
    }

    fn compare(directory: &Directory, said: &[&str], changing: &[String]) -> Option<Difference> {
        directory.compare(&directory.read(&answers(said)), &changing.iter().cloned().collect())
    }

    #[test]
    fn a_folder_is_created_or_given_its_mode_and_owner() {
        assert_eq!(compare(&directory(), &[], &[]).unwrap().action, Action::Create);
        let why = compare(&directory(), &[PATH], &[]).unwrap().why;
        let expected =
            "its mode is 0755 and must be 0750, it belongs to root:root and must belong to root:redis";
        assert_eq!(why, expected);
        let same = PATH.replace("755|root|root", "750|root|redis");
        assert_eq!(compare(&directory(), &[&same], &[]), None);
    }

    #[test]
    fn a_folder_above_may_have_any_mode_and_may_be_a_link() {
        let parent = Directory::parent("/srv/a");
        assert_eq!(compare(&parent, &[PATH], &[]), None);
        let link = PATH.replace("directory", "symbolic link");
        assert_eq!(compare(&parent, &[&link], &[]), None);
        assert_eq!(parent.obstacle(&parent.read(&answers(&[&link]))), None);
        assert!(directory().obstacle(&directory().read(&answers(&[&link]))).is_some());
        let below = PATH.replace("/srv/a", "/srv/a/b");
        assert_eq!(compare(&parent, &[&below], &[]), None, "what stands below it tells that it is there");
        assert_eq!(parent.obstacle(&parent.read(&answers(&[&below]))), None);
        assert_eq!(compare(&directory(), &[&below], &[]).unwrap().action, Action::Create);
        let file = PATH.replace("directory", "regular file");
        assert!(parent.obstacle(&parent.read(&answers(&[&file]))).is_some());
    }

    #[test]
    fn a_folder_that_is_planned_twice_is_changed_once_unless_it_is_wanted_otherwise() {
        let before = directory().writes();
        assert_eq!(compare(&directory(), &[], &before), None);
        assert_eq!(compare(&Directory::parent("/srv/a"), &[], &before), None);
        let other = Directory::recursive("/srv/a", 0o700, None);
        assert_eq!(compare(&other, &[], &before).unwrap().action, Action::Update);
    }

    #[test]
    fn the_ledger_has_what_a_folder_was_before() {
        let mut script = Script::new(&layout());
        directory().change(&compare(&directory(), &[PATH], &[]).unwrap(), &mut script);
        let all = lines(&script);
        assert_eq!(all.last().unwrap(), "folder /srv/a 00750 root:redis");
        let entry = &shlex::split(&all[all.len() - 2]).unwrap()[1];
        assert_eq!(entry, r#"{"did":"changed-mode","path":"/srv/a","mode":493,"owner":"0:0"}"#);
    }

    #[test]
    fn a_saved_plan_keeps_the_word_that_earlier_versions_wrote() {
        let text = serde_json::to_string(&directory()).unwrap();
        assert!(text.contains(r#""ours":true"#), "{text}");
        assert_eq!(serde_json::from_str::<Directory>(&text).unwrap(), directory());
    }
}
