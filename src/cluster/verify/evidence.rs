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
        let mut listed: Vec<String> = wrong.into_iter().take(4).collect();
        if more > 0 {
            listed.push(format!("and {more} more"));
        }
        Self::Fail(listed.join("; "))
    }

    pub(super) fn not_applicable(why: &str) -> Self {
        Self::NotApplicable(why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("fault {n}")).collect()
    }

    #[test]
    fn a_check_without_faults_passes() {
        assert_eq!(Check::of(Vec::new(), "fine"), Check::Pass("fine".to_owned()));
    }

    #[test]
    fn a_check_lists_four_faults_and_counts_the_rest() {
        assert_eq!(Check::of(faults(1), "fine"), Check::Fail("fault 0".to_owned()));
        let text = "fault 0; fault 1; fault 2; fault 3; and 2 more";
        assert_eq!(Check::of(faults(6), "fine"), Check::Fail(text.to_owned()));
    }

    #[test]
    fn evidence_holds_unless_an_invariant_fails() {
        let invariant = |id: &str, status| Invariant {
            id: id.to_owned(),
            title: String::new(),
            status,
            evidence: String::new(),
            took_ms: 0,
        };
        let mut evidence = Evidence {
            environment: Environment::SingleHost,
            invariants: vec![invariant("I1", Status::Pass), invariant("I2", Status::NotApplicable)],
            took_ms: 0,
        };
        assert!(evidence.holds());
        evidence.invariants.push(invariant("I3", Status::Fail));
        assert!(!evidence.holds());
        assert_eq!(evidence.failed().map(|invariant| invariant.id.as_str()).collect::<Vec<_>>(), ["I3"]);
        assert_eq!(evidence.get("I2").map(|invariant| invariant.status), Some(Status::NotApplicable));
    }
}
