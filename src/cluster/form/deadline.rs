//! When a formation is given up: after a while without any progress.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::observe::{Activity, Observed};

/// The shortest time without progress, for fleets with a short node timeout.
const MIN_PROGRESS_TIMEOUT: Duration = Duration::from_secs(20);
/// The same while nodes load or synchronise: a fork, a slow disk, or an engine that does not count its bytes.
const ACTIVE_PROGRESS_TIMEOUT: Duration = Duration::from_mins(10);
/// The engine itself takes twice the node timeout to stop calling a master failed that was away.
const NODE_TIMEOUTS: u64 = 4;

/// Passes after `max(20 s, 4 × node timeout)` without progress, or ten minutes while nodes are busy with
/// their data: fewer gaps, or anything that a node has loaded or synchronised.
pub(super) struct ProgressDeadline {
    limit: Duration,
    since: Instant,
    fewest_gaps: usize,
    activity: Activity,
}

impl ProgressDeadline {
    pub(super) fn new(observed: &Observed) -> Self {
        let slowest = observed.views().map(|(_, view)| view.node_timeout_ms).max().unwrap_or(0);
        let limit = Duration::from_millis(slowest.saturating_mul(NODE_TIMEOUTS)).max(MIN_PROGRESS_TIMEOUT);
        Self { limit, since: Instant::now(), fewest_gaps: usize::MAX, activity: Activity::default() }
    }

    /// The limit, once it has passed.
    pub(super) fn passed(&mut self, observed: &Observed, gaps: usize, now: Instant) -> Option<Duration> {
        let activity = Activity::of(observed);
        let limit = if activity.is_none() { self.limit } else { self.limit.max(ACTIVE_PROGRESS_TIMEOUT) };
        if gaps < self.fewest_gaps || activity != self.activity {
            self.since = now;
            self.fewest_gaps = self.fewest_gaps.min(gaps);
            self.activity = activity;
        }
        (now - self.since > limit).then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{cluster, view_mut};

    const LIMIT: Duration = Duration::from_mins(1);

    #[test]
    fn the_limit_follows_the_node_timeout_but_is_never_below_twenty_seconds() {
        assert_eq!(ProgressDeadline::new(&cluster("7001 master")).limit, LIMIT);
        let mut quick = cluster("7001 master");
        view_mut(&mut quick, "7001").node_timeout_ms = 1_000;
        assert_eq!(ProgressDeadline::new(&quick).limit, MIN_PROGRESS_TIMEOUT);
    }

    #[test]
    fn it_passes_when_nothing_moves() {
        let observed = cluster("7001 master");
        let mut deadline = ProgressDeadline::new(&observed);
        let began = Instant::now();
        assert_eq!(deadline.passed(&observed, 3, began), None);
        assert_eq!(deadline.passed(&observed, 3, began + LIMIT), None);
        assert_eq!(deadline.passed(&observed, 3, began + LIMIT + Duration::from_secs(1)), Some(LIMIT));
    }

    #[test]
    fn a_closed_gap_and_a_loaded_byte_are_progress() {
        let mut deadline = ProgressDeadline::new(&cluster("7001 master"));
        let began = Instant::now();
        let after = |times: u32| began + (LIMIT + Duration::from_secs(1)) * times;
        assert_eq!(deadline.passed(&cluster("7001 master"), 3, began), None);
        assert_eq!(deadline.passed(&cluster("7001 master"), 2, after(1)), None);
        assert_eq!(deadline.passed(&cluster("7001 loading 5"), 2, after(2)), None);
        assert_eq!(deadline.passed(&cluster("7001 loading 5"), 2, after(3)), None);
        let stuck = after(2) + ACTIVE_PROGRESS_TIMEOUT + Duration::from_secs(1);
        assert_eq!(deadline.passed(&cluster("7001 loading 5"), 2, stuck), Some(ACTIVE_PROGRESS_TIMEOUT));
    }

    #[test]
    fn a_node_that_has_loaded_does_not_hide_the_one_that_still_does() {
        let mut deadline = ProgressDeadline::new(&cluster("7001 master"));
        let began = Instant::now();
        deadline.passed(&cluster("7001 loading 900\n7002 loading 5"), 2, began);
        let later = began + ACTIVE_PROGRESS_TIMEOUT;
        assert_eq!(deadline.passed(&cluster("7001 master\n7002 loading 5"), 2, later), None);
        assert_eq!(deadline.passed(&cluster("7001 master\n7002 loading 6"), 2, later + LIMIT), None);
    }

    #[test]
    fn a_gap_that_opens_again_is_no_progress() {
        let observed = cluster("7001 master");
        let mut deadline = ProgressDeadline::new(&observed);
        let began = Instant::now();
        deadline.passed(&observed, 1, began);
        deadline.passed(&observed, 4, began + LIMIT);
        assert_eq!(deadline.passed(&observed, 3, began + LIMIT * 2), Some(LIMIT));
    }
}
