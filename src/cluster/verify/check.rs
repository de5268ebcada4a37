//! The outcome of one check, and how it follows from what was looked at.

/// How many faults a text lists; the rest becomes a number.
const LISTED: usize = 4;

/// The outcome of one check, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Holds(String),
    Broken(String),
    NotApplicable(String),
    NotProven(String),
    /// Not proven because the user chose so.
    NotAsked(String),
}

impl Check {
    pub(super) fn not_applicable(why: &str) -> Self {
        Self::NotApplicable(why.to_owned())
    }

    /// Whether another look may change it for the better.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::NotProven(_))
    }
}

/// What was looked at, what is wrong with it, and what could not be seen. An invariant holds only where
/// something was looked at and nothing is missing.
#[derive(Debug, Default)]
pub(super) struct Tally {
    seen: usize,
    wrong: Vec<String>,
    unseen: Vec<String>,
}

impl Tally {
    /// One more thing was looked at, with these faults.
    pub(super) fn saw(&mut self, faults: impl IntoIterator<Item = String>) {
        self.seen += 1;
        self.wrong.extend(faults);
    }

    /// One more thing could not be looked at, for this reason.
    pub(super) fn missed(&mut self, why: String) {
        self.unseen.push(why);
    }

    /// The outcome; `fine` is the evidence where it holds.
    pub(super) fn check(self, fine: impl Into<String>) -> Check {
        if !self.wrong.is_empty() {
            return Check::Broken(list(self.wrong));
        }
        if !self.unseen.is_empty() {
            return Check::NotProven(list(self.unseen));
        }
        match self.seen {
            0 => Check::NotProven("there was nothing to look at".to_owned()),
            _ => Check::Holds(fine.into()),
        }
    }
}

fn list(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(LISTED);
    texts.truncate(LISTED);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("fault {n}")).collect()
    }

    fn tally(seen: usize, wrong: usize, unseen: usize) -> Check {
        let mut tally = Tally::default();
        (0..seen).for_each(|_| tally.saw(None));
        if wrong > 0 {
            tally.saw(faults(wrong));
        }
        for why in faults(unseen) {
            tally.missed(why);
        }
        tally.check("fine")
    }

    #[test]
    fn it_holds_where_all_was_seen_and_is_fine() {
        assert_eq!(tally(2, 0, 0), Check::Holds("fine".to_owned()));
    }

    #[test]
    fn nothing_to_look_at_proves_nothing() {
        assert_eq!(tally(0, 0, 0), Check::NotProven("there was nothing to look at".to_owned()));
    }

    #[test]
    fn what_was_not_seen_is_not_proven_and_a_fault_counts_all_the_same() {
        assert_eq!(tally(2, 0, 1), Check::NotProven("fault 0".to_owned()));
        assert_eq!(tally(2, 1, 1), Check::Broken("fault 0".to_owned()));
    }

    #[test]
    fn four_faults_are_listed_and_the_rest_is_counted() {
        let text = "fault 0; fault 1; fault 2; fault 3; and 2 more";
        assert_eq!(tally(0, 6, 0), Check::Broken(text.to_owned()));
    }
}
