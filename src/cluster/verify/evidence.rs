//! The proof as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::Environment;

/// What was found when every invariant was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// How much of the real thing the hosts are.
    pub environment: Environment,
    pub invariants: Vec<Invariant>,
    pub took_ms: u64,
}

/// One numbered statement about the cluster, and what speaks for or against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invariant {
    /// `I1` to `I39`; a number is never used again, and those of retired invariants are missing.
    pub id: String,
    pub title: String,
    pub status: Status,
    /// Whether the user chose not to have it proven (`--read-only`): then it is no failure.
    pub by_choice: bool,
    pub evidence: String,
    /// From the start of the verification until it had this result, or was given up.
    pub took_ms: u64,
}

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All that had to be looked at was seen, and is as it must be.
    Holds,
    /// Something was seen that contradicts it.
    Broken,
    /// It says nothing about this cluster: replicas, where none are wanted.
    NotApplicable,
    /// Nothing contradicts it, but not all that had to be looked at was seen.
    NotProven,
}

impl Evidence {
    /// Whether the proof has succeeded: nothing is broken, and nothing unproven but what the user chose.
    pub fn holds(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The invariants that keep the proof from succeeding.
    pub fn failed(&self) -> impl Iterator<Item = &Invariant> {
        self.invariants.iter().filter(|invariant| invariant.fails())
    }

    /// The invariants that decide that the proof has failed: the broken ones, and where none is broken those
    /// that could not be proven. What is broken leaves much unproven.
    pub fn decisive(&self) -> Vec<&Invariant> {
        let broken: Vec<&Invariant> =
            self.invariants.iter().filter(|invariant| invariant.status == Status::Broken).collect();
        if broken.is_empty() { self.failed().collect() } else { broken }
    }

    pub fn get(&self, id: &str) -> Option<&Invariant> {
        self.invariants.iter().find(|invariant| invariant.id == id)
    }

    /// How many invariants have this result.
    pub fn count(&self, status: Status) -> usize {
        self.invariants.iter().filter(|invariant| invariant.status == status).count()
    }
}

impl Invariant {
    /// Whether it keeps the proof from succeeding.
    pub fn fails(&self) -> bool {
        match self.status {
            Status::Holds | Status::NotApplicable => false,
            Status::Broken => true,
            Status::NotProven => !self.by_choice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invariant(id: &str, status: Status, by_choice: bool) -> Invariant {
        let text = String::new;
        Invariant { id: id.to_owned(), title: text(), status, by_choice, evidence: text(), took_ms: 0 }
    }

    fn failed(last: Invariant) -> Vec<String> {
        let fine = [invariant("I1", Status::Holds, false), invariant("I2", Status::NotApplicable, false)];
        let invariants = fine.into_iter().chain([last]).collect();
        let evidence = Evidence { environment: Environment::SingleHost, invariants, took_ms: 0 };
        let failed: Vec<String> = evidence.failed().map(|invariant| invariant.id.clone()).collect();
        assert_eq!(evidence.holds(), failed.is_empty());
        failed
    }

    #[test]
    fn a_proof_fails_where_something_is_broken_or_could_not_be_proven() {
        assert_eq!(failed(invariant("I3", Status::Holds, false)), [""; 0]);
        assert_eq!(failed(invariant("I3", Status::Broken, false)), ["I3"]);
        assert_eq!(failed(invariant("I3", Status::NotProven, false)), ["I3"]);
    }

    #[test]
    fn what_is_broken_decides_and_without_it_what_is_not_proven() {
        let decisive = |statuses: &[Status]| {
            let invariants =
                (1..).zip(statuses).map(|(n, status)| invariant(&format!("I{n}"), *status, false));
            let invariants = invariants.collect();
            let evidence = Evidence { environment: Environment::SingleHost, invariants, took_ms: 0 };
            evidence.decisive().into_iter().map(|invariant| invariant.id.clone()).collect::<Vec<String>>()
        };
        assert_eq!(decisive(&[Status::NotProven, Status::Broken, Status::Holds]), ["I2"]);
        assert_eq!(decisive(&[Status::NotProven, Status::NotProven, Status::Holds]), ["I1", "I2"]);
    }

    #[test]
    fn what_the_user_chose_not_to_prove_is_no_failure() {
        assert_eq!(failed(invariant("I3", Status::NotProven, true)), [""; 0]);
    }
}
