//! What stays on the screen: a step that ended, a note, a failure.

use owo_colors::OwoColorize;

use super::super::{names::shortened, took};
use crate::units::{HostName, StepName};

/// One line that scrolls by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Started { what: String },
    Finished { step: StepName, changed: usize, took_ms: u64, wait: Option<Wait> },
    Failed { step: StepName, hosts: Vec<HostName> },
    Note { text: String, hosts: Vec<HostName> },
    Ended { changed: usize, took_ms: u64 },
}

/// A wait inside a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) what: String,
    pub(super) took_ms: u64,
    pub(super) floor_ms: Option<u64>,
}

impl Wait {
    /// `writable after 2.04s, the engine's own floor is 2.00s`.
    fn text(&self) -> String {
        let floor = self
            .floor_ms
            .map_or_else(String::new, |floor| format!(", the engine's own floor is {}", took(floor)));
        format!("{} after {}{floor}", self.what, took(self.took_ms))
    }
}

impl Line {
    /// Without colours and signs, for logs.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Started { what } => what.clone(),
            Self::Finished { step, .. } => format!("{step} done, {}", self.figures()),
            Self::Failed { step, hosts } => format!("{}{step} failed", at(hosts)),
            Self::Note { text, hosts } => format!("note: {}{text}", at(hosts)),
            Self::Ended { changed, took_ms } => format!("done, {changed} changed, {}", took(*took_ms)),
        }
    }

    /// For a terminal; what the plan and the evidence say already is left out.
    pub(super) fn coloured(&self) -> Option<String> {
        Some(match self {
            Self::Started { .. } | Self::Ended { .. } => return None,
            Self::Finished { step, .. } => {
                format!("{} {step} {}", "✓".green(), self.figures().dimmed())
            }
            Self::Failed { step, hosts } => format!("{} {}{step}", "✗".red(), at(hosts)),
            Self::Note { text, hosts } => format!("{} {}{text}", "note:".yellow(), at(hosts)),
        })
    }

    /// `8 changed, 2.01s (writable after 2.04s)`.
    fn figures(&self) -> String {
        let Self::Finished { changed, took_ms, wait, .. } = self else { return String::new() };
        let wait = wait.as_ref().map_or_else(String::new, |wait| format!(" ({})", wait.text()));
        format!("{changed} changed, {}{wait}", took(*took_ms))
    }
}

/// `n1…n6: ` or nothing.
fn at(hosts: &[HostName]) -> String {
    let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    if hosts.is_empty() { String::new() } else { format!("{}: ", shortened(&hosts)) }
}
