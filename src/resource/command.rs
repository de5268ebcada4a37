//! A shell command, with or without a guard.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Observed, Questions, Script, quote};

/// A command the user wants run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub run: String,
    /// A path: the command runs only while it does not exist.
    pub creates: Option<String>,
    /// A command that only reads: the command runs only while this one fails.
    pub unless: Option<String>,
}

impl Kind for Command {
    fn title(&self) -> String {
        let first = self.run.lines().next().unwrap_or_default();
        format!("command `{first}`")
    }

    fn ask(&self, questions: &mut Questions) {
        if let Some(path) = &self.creates {
            questions.path(path);
        }
        if let Some(guard) = &self.unless {
            questions.guard(guard);
        }
    }

    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        let made = self.creates.as_ref().map(|path| seen.paths.contains_key(path));
        let guarded = self.unless.as_ref().map(|guard| seen.guards.contains(guard));
        match (made, guarded) {
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

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        script.remember(&Entry::RanCommand { run: self.run.clone() });
        // A shell of its own, so that a slip in the command cannot end ours.
        script.push(&format!("sh -euc {}", quote(&self.run)));
        Ok(())
    }
}

/// A command can do anything; what it did is the user's to undo.
pub(super) fn undo(run: &str) -> String {
    format!("echo {}", quote(&format!("what the command `{run}` did is left as it is")))
}
