//! The error of a configuration that the server refuses.

use crate::inventory::{self, Fleet};

/// A configuration that the server does not start on, in its own words.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RefusedConfig {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Directive(#[from] inventory::LoadError),
    #[error("{by} does not start on the configuration of its nodes:{}", .words.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    #[diagnostic(help(
        "correct what its words name, in [cluster.config] or in a template of your own; no node was touched"
    ))]
    Other { by: String, words: Vec<String> },
}

impl RefusedConfig {
    /// The error of the server `by`, which said these words.
    pub(super) fn new(fleet: &Fleet, by: String, words: Vec<String>) -> Self {
        match inventory::refused(&fleet.inventory, &by, &words) {
            Some(error) => Self::Directive(error),
            None => Self::Other { by, words },
        }
    }
}
