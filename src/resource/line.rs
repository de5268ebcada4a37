//! A line that must stand in a file, or must not. The smallest kind: it shows all a kind has to do.

use std::{collections::BTreeSet, fmt::Write};

use serde::{Deserialize, Serialize};

use super::{
    Action, Answers, Difference, Entry, Handler, Obstacle, PathState, ProbeScript, ResourceKind, Script,
    quote,
};
use crate::host::Facts;

/// A whole line of a file. The rest of the file is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub path: String,
    pub line: String,
    /// Whether it must not stand there.
    pub absent: bool,
}

/// What a host says of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineState {
    file: Option<PathState>,
    is_there: bool,
}

const EDIT: &str = include_str!("line.sh");

/// An item is the line and the path as shell words; the answer repeats them, to tell answers apart.
fn question(items: &BTreeSet<String>, _: &Facts) -> String {
    let mut text = String::new();
    for item in items {
        let _ = writeln!(text, "grep -qxF -e {item} && echo '=line '{}", quote(item));
    }
    text
}

impl Line {
    fn item(&self) -> String {
        format!("{} -- {}", quote(&self.line), quote(&self.path))
    }
}

impl ResourceKind for Line {
    type Answer = LineState;

    fn title(&self) -> String {
        let verb = if self.absent { "not " } else { "" };
        format!("line {verb}in {}: {}", self.path, self.line)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.digest(&self.path);
        probe.group("line", question, self.item());
    }

    fn read(&self, answers: &Answers) -> LineState {
        LineState { file: answers.path(&self.path).cloned(), is_there: answers.has("line", &self.item()) }
    }

    fn compare(&self, state: &LineState, changing: &BTreeSet<String>) -> Option<Difference> {
        if state.is_there != self.absent {
            return None;
        }
        let (action, why) = match (&state.file, self.absent) {
            (None, true) => return None,
            (None, false) if changing.contains(&self.path) => {
                (Action::Update, "the file is created without it")
            }
            (None, false) => (Action::Create, "the file does not exist"),
            (Some(_), true) => (Action::Update, "it stands there"),
            (Some(_), false) => (Action::Update, "it is missing"),
        };
        // A change of ours comes first, after which the file has another digest.
        let before = state.file.clone().filter(|_| !changing.contains(&self.path));
        Some(Difference { before, ..Difference::new(action, why) })
    }

    fn obstacle(&self, state: &LineState) -> Option<Obstacle> {
        let state = state.file.as_ref().filter(|state| !state.is_file())?;
        Some(Obstacle::at(&self.path, "file", state))
    }

    fn change(&self, difference: &Difference, script: &mut Script) {
        let created = difference.action == Action::Create;
        let (path, line) = (self.path.clone(), self.line.clone());
        let sha256 = difference.before.as_ref().and_then(|state| state.sha256());
        let sha256 = sha256.unwrap_or(if created { "none" } else { "''" });
        script.record(&if self.absent {
            Entry::RemovedLine { path, line }
        } else {
            Entry::AddedLine { path, line, created }
        });
        let function = if self.absent { "drop_line" } else { "add_line" };
        edit(function, &self.path, &self.line, sha256, script);
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path.clone()]
    }
}

fn edit(function: &str, path: &str, line: &str, last: &str, script: &mut Script) {
    script.needs(EDIT);
    script.push(&format!("{function} {} {} {last}", quote(path), quote(line)));
    Handler::of_file(path).for_each(|handler| script.notify(handler));
}

/// Removes a line that was added, and the file if it was created for it and nothing is left in it.
pub(super) fn undo_add(path: &str, line: &str, created: bool, script: &mut Script) {
    edit("drop_line", path, line, if created { "created" } else { "''" }, script);
}

/// Adds a line that was removed, at the end: where it stood is not known any more.
pub(super) fn undo_remove(path: &str, line: &str, script: &mut Script) {
    edit("add_line", path, line, "''", script);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        answers::tests::answers,
        testing::{facts, layout, lines},
    };

    const FILE: &str = "=path regular file|644|root|root|0|0|6|/etc/hosts";
    const THERE: &str = "=line '10.0.0.1 db' -- /etc/hosts";

    fn line(absent: bool) -> Line {
        Line { path: "/etc/hosts".into(), line: "10.0.0.1 db".into(), absent }
    }

    fn compare(absent: bool, said: &[&str]) -> Option<Difference> {
        line(absent).compare(&line(absent).read(&answers(said)), &BTreeSet::new())
    }

    #[test]
    fn a_line_is_added_where_it_is_missing_and_removed_where_it_stands() {
        assert_eq!(compare(false, &[FILE, THERE]), None);
        assert_eq!(compare(false, &[FILE]).unwrap().why, "it is missing");
        assert_eq!(compare(false, &[]).unwrap().action, Action::Create);
        assert_eq!(compare(true, &[FILE, THERE]).unwrap().why, "it stands there");
        assert_eq!(compare(true, &[FILE]), None);
        assert_eq!(compare(true, &[]), None);
    }

    #[test]
    fn a_second_line_of_the_same_file_is_not_guarded_by_the_digest_from_before_the_first() {
        let change = |said: &[&str]| {
            let state = line(false).read(&answers(said));
            let difference = line(false).compare(&state, &["/etc/hosts".to_owned()].into()).unwrap();
            let mut script = Script::new(&layout());
            line(false).change(&difference, &mut script);
            lines(&script).into_iter().rfind(|line| line.starts_with("add_line ")).unwrap()
        };
        assert_eq!(change(&[FILE, "=sum abc  /etc/hosts"]), "add_line /etc/hosts '10.0.0.1 db' ''");
        assert_eq!(change(&[]), "add_line /etc/hosts '10.0.0.1 db' ''");
    }

    #[test]
    fn its_question_and_its_answer_are_quoted_alike() {
        let mut probe = ProbeScript::default();
        line(false).ask(&mut probe);
        let script = probe.script(&facts());
        let asked =
            r#"grep -qxF -e '10.0.0.1 db' -- /etc/hosts && echo '=line '"'10.0.0.1 db' -- /etc/hosts""#;
        assert!(script.contains(asked), "{script}");
    }

    #[test]
    fn a_change_is_guarded_by_the_file_s_digest_and_recorded_first() {
        let digest = "=sum abc  /etc/hosts";
        let mut script = Script::new(&layout());
        line(false).change(&compare(false, &[FILE, digest]).unwrap(), &mut script);
        let all = lines(&script);
        let at = all.iter().position(|line| line == "add_line /etc/hosts '10.0.0.1 db' abc").unwrap();
        let recorded = all[..at].iter().rfind(|line| line.starts_with("ledger '")).unwrap();
        let entry = Entry::read(&shlex::split(recorded).unwrap()[1]).unwrap();
        let (path, line) = ("/etc/hosts".into(), "10.0.0.1 db".into());
        assert_eq!(entry, [Entry::AddedLine { path, line, created: false }]);
    }

    #[test]
    fn undoing_is_the_opposite() {
        let undo = |undo: &dyn Fn(&mut Script)| {
            let mut script = Script::undoing(&layout());
            undo(&mut script);
            lines(&script).into_iter().rfind(|line| line.contains("_line ")).unwrap()
        };
        assert_eq!(undo(&|script| undo_add("/f", "a", true, script)), "drop_line /f a created");
        assert_eq!(undo(&|script| undo_add("/f", "a", false, script)), "drop_line /f a ''");
        assert_eq!(undo(&|script| undo_remove("/f", "a", script)), "add_line /f a ''");
    }
}
