//! Resources: what must be true on a host, one file a kind. A kind knows what to ask, how to compare the
//! answer with what is desired, how to change it, and what the ledger must record to undo it.

mod answers;
mod binary;
mod command;
mod config;
mod content;
mod directory;
mod file;
mod handler;
mod kernel;
mod kind;
mod known_folders;
mod layout;
mod ledger;
mod line;
mod manifest_file;
mod observed;
mod package;
mod path_state;
mod probe_script;
mod process;
mod script;
#[cfg(test)]
mod testing;
mod undo;
mod unit;
mod user;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use answers::Answers;
pub use binary::Binary;
pub use command::Command;
pub use config::{Config, REFUSED, Trials, optional_directives};
pub use content::Content;
pub use directory::Directory;
pub use file::File;
pub use handler::Handler;
pub(crate) use kernel::HUGE_PAGES;
pub use kernel::KernelSetting;
pub use kind::{Action, Difference, Obstacle, PortInUse, ResourceKind};
pub use known_folders::KnownFolders;
pub use layout::{Layout, NodePaths, PASSWORD};
pub use ledger::Entry;
pub use line::Line;
pub use manifest_file::{ManifestAnswer, ManifestFile};
pub use observed::Observed;
pub use package::Package;
pub use path_state::{Owner, PathState};
pub use probe_script::ProbeScript;
pub use process::{CANNOT_SAVE, DOES_NOT_END, DataFile, NodeAnswer, Process, ProcessState, STOP_TIMEOUT};
pub use script::{Mark, Script, mark};
pub use unit::Unit;
pub use user::User;

pub use crate::host::quote;

/// Declares the kinds. One word here is all that another kind needs besides its own file.
macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// One thing that must be true on a host.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum Resource {
            $($kind($kind)),+
        }

        /// What a host said of a resource.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Answer {
            $($kind(<$kind as ResourceKind>::Answer)),+
        }

        /// [`ResourceKind`] for whichever kind it is, with its answer looked up in what was observed. A
        /// resource that nothing was asked for is compared as one that is not there.
        impl Resource {
            pub fn title(&self) -> String {
                match self { $(Self::$kind(it) => it.title()),+ }
            }

            pub fn key(&self) -> String {
                match self { $(Self::$kind(it) => it.key()),+ }
            }

            pub fn ask(&self, probe: &mut ProbeScript) {
                match self { $(Self::$kind(it) => it.ask(probe)),+ }
            }

            pub fn read(&self, answers: &Answers) -> Answer {
                match self { $(Self::$kind(it) => Answer::$kind(it.read(answers))),+ }
            }

            pub fn compare(&self, observed: &Observed, changing: &BTreeSet<String>) -> Option<Difference> {
                match (self, observed.answer(&self.key())) {
                    $((Self::$kind(it), Some(Answer::$kind(answer))) => it.compare(answer, changing),)+
                    $((Self::$kind(it), _) => it.compare(&it.read(&Answers::default()), changing)),+
                }
            }

            pub fn obstacle(&self, observed: &Observed) -> Option<Obstacle> {
                match (self, observed.answer(&self.key())) {
                    $((Self::$kind(it), Some(Answer::$kind(answer))) => it.obstacle(answer),)+
                    _ => None,
                }
            }

            pub fn notice(&self, observed: &Observed) -> Option<String> {
                match (self, observed.answer(&self.key())) {
                    $((Self::$kind(it), Some(Answer::$kind(answer))) => it.notice(answer),)+
                    _ => None,
                }
            }

            pub fn check(&self, script: &mut Script) {
                match self { $(Self::$kind(it) => it.check(script)),+ }
            }

            pub fn change(&self, difference: &Difference, script: &mut Script) {
                match self { $(Self::$kind(it) => it.change(difference, script)),+ }
            }

            pub fn writes(&self) -> Vec<String> {
                match self { $(Self::$kind(it) => it.writes()),+ }
            }
        }
    };
}

kinds!(
    User,
    Directory,
    File,
    Config,
    Line,
    Binary,
    Package,
    Command,
    Unit,
    KernelSetting,
    Process,
    ManifestFile,
);
