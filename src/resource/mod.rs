//! Resources: what must be true on a host, one file a kind. A kind knows what to ask, how to compare the answer with
//! what is desired, how to change it, and what the ledger must remember to undo it.

mod binary;
mod command;
mod directory;
mod file;
mod kernel;
mod layout;
mod ledger;
mod observed;
mod package;
mod process;
mod questions;
mod script;
mod unit;
mod user;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use binary::Binary;
pub use command::Command;
pub use directory::Directory;
pub use file::{Content, File};
pub(crate) use kernel::HUGE_PAGES;
pub use kernel::KernelSetting;
pub use layout::{Layout, NodePaths, PASSWORD};
pub use ledger::Entry;
pub use observed::{Listener, Observed, Owner, PathState, ProcessState, SettingState, UnitState};
pub use package::Package;
pub use process::Process;
pub use questions::Questions;
pub use script::{Mark, Script, mark};

pub use crate::host::quote;
pub use unit::Unit;
pub use user::User;

/// One thing that must be true on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Resource {
    User(User),
    Directory(Directory),
    File(File),
    Binary(Binary),
    Package(Package),
    Command(Command),
    Unit(Unit),
    KernelSetting(KernelSetting),
    Process(Process),
}

/// What every kind of resource can do.
pub trait Kind {
    /// What it is, for people: `file /etc/motd`.
    fn title(&self) -> String;
    /// Adds what must be asked of the host to compare it.
    fn ask(&self, questions: &mut Questions);
    /// How the host differs, if it does. `changing` holds the paths that resources before this one will change.
    fn compare(&self, seen: &Observed, changing: &BTreeSet<String>) -> Option<Difference>;
    /// What is not as it should be and cannot be changed from here, as a fragment for people.
    fn notice(&self, _: &Observed) -> Option<String> {
        None
    }
    /// Writes the change into a script: first what the ledger must remember, then the change. It must be safe to run
    /// again at any point.
    fn change(&self, difference: &Difference, script: &mut Script) -> Result<(), crate::secret::Error>;
    /// The paths a change of this resource writes.
    fn writes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Resource {
    pub fn kind(&self) -> &dyn Kind {
        match self {
            Self::User(it) => it,
            Self::Directory(it) => it,
            Self::File(it) => it,
            Self::Binary(it) => it,
            Self::Package(it) => it,
            Self::Command(it) => it,
            Self::Unit(it) => it,
            Self::KernelSetting(it) => it,
            Self::Process(it) => it,
        }
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
