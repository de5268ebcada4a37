//! The proof as data.

use serde::{Deserialize, Serialize};

use crate::inventory::Environment;

/// What was found when every invariant was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How much of the real thing the hosts are.
    pub environment: Environment,
    pub invariants: Vec<Invariant>,
    pub took_ms: u64,
}

/// One numbered statement about the cluster, and what speaks for or against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// `I1` to `I37`.
    pub id: String,
    pub title: String,
    pub status: Status,
    pub evidence: String,
    /// From the start of the verification until it was first seen to hold, or was given up.
    pub took_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Pass,
    Fail,
    NotApplicable,
}

impl Evidence {
    /// Whether nothing speaks against the cluster.
    pub fn holds(&self) -> bool {
        self.failed().next().is_none()
    }

    pub fn failed(&self) -> impl Iterator<Item = &Invariant> {
        self.invariants.iter().filter(|invariant| invariant.status == Status::Fail)
    }

    pub fn get(&self, id: &str) -> Option<&Invariant> {
        self.invariants.iter().find(|invariant| invariant.id == id)
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Pass(String),
    Fail(String),
    NotApplicable(String),
}

impl Check {
    /// Fails with what was found wrong, passes with `fine` when that is nothing.
    pub(super) fn of(wrong: Vec<String>, fine: impl Into<String>) -> Self {
        if wrong.is_empty() {
            return Self::Pass(fine.into());
        }
        let more = wrong.len().saturating_sub(4);
        let mut told: Vec<String> = wrong.into_iter().take(4).collect();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        Self::Fail(told.join("; "))
    }

    pub(super) fn not_applicable(why: &str) -> Self {
        Self::NotApplicable(why.to_owned())
    }
}
