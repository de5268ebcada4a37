//! A shell command, with or without a guard.

use std::{collections::BTreeSet, fmt::Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Action, Answers, Difference, Entry, ProbeScript, ResourceKind, Script, quote};
use crate::host::Facts;

/// A command the user wants run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub run: String,
    /// A path: the command runs only while it does not exist.
    pub creates: Option<String>,
    /// A command that only reads: the command runs only while this one fails.
    pub unless: Option<String>,
}

/// What the guards of a command say; `None` for a guard it does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guards {
    /// Whether the path of `creates` exists.
    exists: Option<bool>,
    /// Whether the command of `unless` succeeds.
    succeeds: Option<bool>,
}

/// The user vouches that a guard only reads.
fn question(guards: &BTreeSet<String>, _: &Facts) -> String {
    let mut text = String::new();
    for guard in guards {
        let _ = writeln!(text, "sh -c {} >/dev/null && echo '=guard {}'", quote(guard), short(guard));
    }
    text
}

/// A short name for a guard, to answer with.
fn short(guard: &str) -> String {
    hex::encode(&Sha256::digest(guard)[..6])
}

impl ResourceKind for Command {
    type Answer = Guards;

    fn title(&self) -> String {
        let first = self.run.lines().next().unwrap_or_default();
        format!("command `{first}`")
    }

    /// Commands may begin with the same line.
    fn key(&self) -> String {
        let text = |guard: &Option<String>| guard.clone().unwrap_or_default();
        ["command", &self.run, &text(&self.creates), &text(&self.unless)].join("\n")
    }

    fn ask(&self, probe: &mut ProbeScript) {
        if let Some(path) = &self.creates {
            probe.path(path);
        }
        if let Some(guard) = &self.unless {
            probe.group("guard", question, guard);
        }
    }

    fn read(&self, answers: &Answers) -> Guards {
        let exists = self.creates.as_ref().map(|path| answers.path(path).is_some());
        let succeeds = self.unless.as_ref().map(|guard| answers.has("guard", &short(guard)));
        Guards { exists, succeeds }
    }

    fn compare(&self, guards: &Guards, _: &BTreeSet<String>) -> Option<Difference> {
        match (guards.exists, guards.succeeds) {
            (Some(true), _) | (_, Some(true)) => None,
            (None, None) => Some(Difference::new(Action::Run, "it has no guard and will run every time")),
            (Some(false), _) => {
                let path = self.creates.as_deref().unwrap_or_default();
                Some(Difference::new(Action::Create, format!("{path} does not exist")))
            }
            (None, Some(false)) => {
                let guard = self.unless.as_deref().unwrap_or_default();
                Some(Difference::new(Action::Create, format!("`{guard}` fails")))
            }
        }
    }

    fn change(&self, _: &Difference, script: &mut Script) {
        script.record(&Entry::RanCommand { run: self.run.clone() });
        // A shell of its own, so that a mistake in the command cannot end ours.
        script.push(&format!("sh -euc {}", quote(&self.run)));
        // It may have opened a folder to others.
        script.push("closed=//");
    }
}

/// A command can do anything; what it did is the user's to undo.
pub(super) fn undo(run: &str, script: &mut Script) {
    script.push(&format!("echo {}", quote(&format!("what the command `{run}` did is left as it is"))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::answers::tests::answers;

    fn command(creates: Option<&str>, unless: Option<&str>) -> Command {
        let [creates, unless] = [creates, unless].map(|guard| guard.map(str::to_owned));
        Command { run: "make it\nnow".into(), creates, unless }
    }

    fn compare(command: &Command, said: &[&str]) -> Option<Difference> {
        command.compare(&command.read(&answers(said)), &BTreeSet::new())
    }

    #[test]
    fn one_guard_that_holds_is_enough() {
        let path = "=path regular file|644|root|root|0|0|2|/made";
        let guard = format!("=guard {}", short("test -e /it"));
        let both = command(Some("/made"), Some("test -e /it"));
        assert_eq!(compare(&both, &[path]), None);
        assert_eq!(compare(&both, &[&guard]), None);
        assert_eq!(compare(&both, &[]).unwrap().why, "/made does not exist");
        let unless = command(None, Some("test -e /it"));
        assert_eq!(compare(&unless, &[]).unwrap().why, "`test -e /it` fails");
    }

    #[test]
    fn a_command_without_a_guard_runs_every_time() {
        assert_eq!(compare(&command(None, None), &[]).unwrap().action, Action::Run);
    }

    #[test]
    fn commands_with_the_same_first_line_have_answers_of_their_own() {
        let (one, other) = (command(Some("/a"), None), command(Some("/b"), None));
        assert_eq!(one.title(), "command `make it`");
        assert_ne!(one.key(), other.key());
    }
}
