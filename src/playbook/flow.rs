//! The flow: an ordered list of typed steps.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{inventory::suggest, units::StepName};

/// A loaded flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playbook {
    /// The name it was loaded by.
    pub name: String,
    pub steps: Vec<Step>,
}

/// A word of `--tags` that means no step.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no step of the playbook {playbook} has the name or tag `{tag}`")]
#[diagnostic(help("{help}"))]
pub struct UnknownTag {
    playbook: String,
    tag: String,
    help: String,
}

impl Playbook {
    /// Refuses a tag no step has: it would select no step, and a plan without steps looks like success.
    pub fn refuse_unknown(&self, tags: &[String]) -> Result<(), UnknownTag> {
        let tags_of_steps = self.steps.iter().flat_map(|step| &step.tags).map(String::as_str);
        let names = self.steps.iter().map(|step| step.name.as_str());
        let known: BTreeSet<&str> = tags_of_steps.chain(names).collect();
        let Some(tag) = tags.iter().find(|tag| !known.contains(tag.as_str())) else { return Ok(()) };
        let help = suggest(tag, &known.into_iter().collect::<Vec<_>>());
        Err(UnknownTag { playbook: self.name.clone(), tag: tag.clone(), help })
    }
}

/// One step of the flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in the playbook.
    pub name: StepName,
    /// Words of `--tags` that select it, besides its name.
    pub tags: Vec<String>,
    pub action: Action,
}

/// What a step does. The first seven are built in and occur once each, in this order; the others are the
/// user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Have the artifact: from the cache, or compiled once, with the packages that needs.
    Build,
    /// Accounts, folders and kernel settings on every host.
    Install,
    /// The configuration of every node.
    Configure,
    /// The binary on every host.
    Ship,
    /// Every node runs, with the binary and the configuration it should have.
    Start,
    /// The nodes are one cluster.
    Form,
    /// The numbered invariants hold.
    Verify,
    Package {
        names: Vec<String>,
    },
    Directory {
        path: String,
        mode: u32,
        owner: Option<String>,
    },
    /// `content` is taken as it is.
    File {
        path: String,
        content: String,
        mode: u32,
        owner: Option<String>,
    },
    /// A whole line that must stand in a file, or must not.
    Line {
        path: String,
        line: String,
        absent: bool,
    },
    /// `template` is the text of a Tera template, already loaded; `source` is the file it came from.
    Template {
        path: String,
        template: String,
        source: String,
        mode: u32,
        owner: Option<String>,
    },
    /// A system account.
    User {
        name: String,
        home: Option<String>,
    },
    /// A shell command. Without `creates` (a path) or `unless` (a command) it runs every time.
    Command {
        run: String,
        creates: Option<String>,
        unless: Option<String>,
    },
    /// A systemd unit that must be enabled and running.
    Unit {
        name: String,
    },
}
