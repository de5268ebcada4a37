//! What every kind of resource can do, and how a host may differ from a resource.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Answers, PathState, ProbeScript, Script};
use crate::units::NodeName;

/// One kind of resource. Its file has everything about it: what it asks a host, how it reads the answer, how
/// the answer differs from what is desired, the change, and what undoes the change.
pub trait ResourceKind {
    /// What a host says of the resource. Two equal serializations mean that a plan made on the first is still
    /// right; a field that may differ, such as a process id, or that must not be written down is skipped in
    /// it.
    type Answer: Serialize;

    /// What it is, for people: `file /etc/motd`.
    fn title(&self) -> String;

    /// The name its answer is kept under. Two resources with the same name have the same answer.
    fn key(&self) -> String {
        self.title()
    }

    /// Adds what must be asked of the host to compare it.
    fn ask(&self, probe: &mut ProbeScript);

    /// Reads its own answer out of all that a host said.
    fn read(&self, answers: &Answers) -> Self::Answer;

    /// How the host differs, if it does. `changing` holds the paths that resources before this one will
    /// change.
    fn compare(&self, answer: &Self::Answer, changing: &BTreeSet<String>) -> Option<Difference>;

    /// What keeps it from being changed: a plan with such a change is refused.
    fn obstacle(&self, _: &Self::Answer) -> Option<Obstacle> {
        None
    }

    /// What is not as it should be and cannot be changed from here, as a fragment for people.
    fn notice(&self, _: &Self::Answer) -> Option<String> {
        None
    }

    /// Writes into a script what must hold before the first change of it is made.
    fn check(&self, _: &mut Script) {}

    /// Writes the change into a script: first what the ledger records, then the change, then the handlers it
    /// needs. It must be safe to run again from any point.
    fn change(&self, difference: &Difference, script: &mut Script);

    /// The paths a change of this resource writes.
    fn writes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How a host differs from one desired resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub action: Action,
    /// Why the change is needed, as a fragment: `mode is 0644, must be 0640`.
    pub why: String,
    /// A unified diff, where the resource is a text that may be shown.
    pub diff: Option<String>,
    /// What stands there now; a change made on other ground than this is refused.
    pub before: Option<PathState>,
}

impl Difference {
    pub fn new(action: Action, why: impl Into<String>) -> Self {
        Self { action, why: why.into(), diff: None, before: None }
    }
}

/// What a change does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Update,
    Start,
    Restart,
    /// A command without a guard: it runs every time.
    Run,
}

/// A process already listening on a port a node needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortInUse {
    pub node: NodeName,
    pub port: u16,
    /// `nginx (pid 412)`, or why that cannot be told.
    pub owner: String,
}

/// What keeps a resource from being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Something else stands at its path.
    InTheWay {
        path: String,
        wanted: &'static str,
        found: String,
    },
    PortInUse(PortInUse),
    /// A node's next start would read files of other names than those that hold its keys.
    RenamedData {
        /// The node's configuration.
        path: String,
        directive: &'static str,
        is: String,
        wanted: String,
    },
}

impl Obstacle {
    /// Something else than a `wanted` at a path.
    pub(super) fn at(path: &str, wanted: &'static str, found: &PathState) -> Self {
        Self::InTheWay { path: path.to_owned(), wanted, found: found.what().to_owned() }
    }
}
