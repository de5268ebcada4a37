//! What every invariant was found to be, and since when.

use std::{collections::HashMap, time::Duration};

use super::{
    check::Check,
    evidence::{Evidence, Invariant, Status},
    invariants::InvariantCheck,
};
use crate::{event::millis, inventory::Environment};

/// An invariant, and what its check found.
pub(super) type Judged = (&'static InvariantCheck, Check);

/// The result of each invariant in the latest look, and the milliseconds after which it was first seen.
#[derive(Debug, Default)]
pub(super) struct Record(HashMap<&'static str, (Status, u64)>);

impl Record {
    pub(super) fn note(&mut self, judged: &[Judged], elapsed: Duration) {
        for (invariant, check) in judged {
            let (status, now) = (status(check), millis(elapsed));
            let since = self.0.entry(invariant.id).or_insert((status, now));
            if since.0 != status {
                *since = (status, now);
            }
        }
    }

    /// The proof of the latest look. What failed was waited for until the end.
    pub(super) fn evidence(
        &self,
        environment: Environment,
        judged: Vec<Judged>,
        elapsed: Duration,
    ) -> Evidence {
        let took_ms = millis(elapsed);
        let invariants = judged.into_iter().map(|(InvariantCheck { id, title, .. }, check)| {
            let (status, by_choice) = (status(&check), matches!(check, Check::NotAsked(_)));
            let (Check::Holds(evidence)
            | Check::Broken(evidence)
            | Check::NotApplicable(evidence)
            | Check::NotProven(evidence)
            | Check::NotAsked(evidence)) = check;
            let (id, title) = ((*id).to_owned(), (*title).to_owned());
            let mut invariant = Invariant { id, title, status, by_choice, evidence, took_ms };
            if !invariant.fails() {
                invariant.took_ms = self.0.get(&*invariant.id).map_or(took_ms, |(_, since)| *since);
            }
            invariant
        });
        Evidence { environment, invariants: invariants.collect(), took_ms }
    }
}

fn status(check: &Check) -> Status {
    match check {
        Check::Holds(_) => Status::Holds,
        Check::Broken(_) => Status::Broken,
        Check::NotApplicable(_) => Status::NotApplicable,
        Check::NotProven(_) | Check::NotAsked(_) => Status::NotProven,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::invariants::TABLE, *};

    fn took(checks: &[(u64, Check)]) -> (Status, bool, u64) {
        let mut record = Record::default();
        for (ms, check) in checks {
            record.note(&[(&TABLE[0], check.clone())], Duration::from_millis(*ms));
        }
        let last = checks[checks.len() - 1].clone();
        let end = Duration::from_millis(last.0 + 1);
        let evidence = record.evidence(Environment::SingleHost, vec![(&TABLE[0], last.1)], end);
        let Invariant { status, by_choice, took_ms, .. } = &evidence.invariants[0];
        (*status, *by_choice, *took_ms)
    }

    #[test]
    fn what_holds_took_until_it_first_held_and_what_fails_until_the_end() {
        let [holds, broken] = [Check::Holds(String::new()), Check::Broken(String::new())];
        let looks = [(5, broken.clone()), (10, holds.clone()), (20, holds.clone())];
        assert_eq!(took(&looks), (Status::Holds, false, 10));
        assert_eq!(took(&[(5, holds), (10, broken)]), (Status::Broken, false, 11));
        assert_eq!(took(&[(5, Check::NotProven(String::new()))]), (Status::NotProven, false, 6));
        assert_eq!(took(&[(5, Check::NotAsked(String::new()))]), (Status::NotProven, true, 5));
    }
}
