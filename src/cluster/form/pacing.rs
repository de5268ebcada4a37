//! When a step is sent: not again right after it was sent, and not while gossip may still do the same.

use crate::inventory::NodeRef;
use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::commands::Step;
use crate::cluster::{observe::Observed, tunable::Tunable};

/// A MEET that led to nothing is sent again: the engine drops a failed handshake without an error.
const MEET_INTERVAL: Duration = Duration::from_secs(1);
/// How long gossip may take to spread roles and slots. The packet that ends a handshake carries none, and the
/// next one goes out within 0.1 s with `cluster-ping-interval 100`…
const GOSSIP_TIMEOUT: Duration = Duration::from_millis(400);
/// …and within seconds where the engine does not have that directive: not worth waiting for.
const SLOW_GOSSIP_TIMEOUT: Duration = Duration::from_millis(60);
/// How long gossip may take to introduce a pair. What a node knows grows by the answers to its first packets,
/// each of which is sent in the tick of 0.1 s after it has heard of a node.
const INTRODUCTION_TIMEOUT: Duration = Duration::from_millis(600);
/// How often a pair that knows each other is introduced again, which spreads roles and slots.
const MEET_AGAIN_INTERVAL: Duration = Duration::from_millis(300);

/// The engine itself gives up a manual failover after 5 s (`CLUSTER_MF_TIMEOUT`).
const PROMOTE_INTERVAL: Duration = Duration::from_millis(5_200);
/// How long an election may take once a master is known to have failed.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// When each step was first wanted, and last sent.
#[derive(Default)]
pub(super) struct Pacing {
    wanted_since: HashMap<(NodeRef, Step), Instant>,
    sent: HashMap<(NodeRef, Step), Instant>,
}

impl Pacing {
    /// The steps to send now.
    pub(super) fn due(
        &mut self,
        observed: &Observed,
        steps: Vec<(NodeRef, Step)>,
        now: Instant,
    ) -> Vec<(NodeRef, Step)> {
        let prompt = observed.views().all(|(_, view)| view.tuning.get(Tunable::PingInterval).is_some());
        let gossip = if prompt { GOSSIP_TIMEOUT } else { SLOW_GOSSIP_TIMEOUT };
        let slowest = observed.views().map(|(_, view)| view.node_timeout_ms).max().unwrap_or(0);
        let election = Duration::from_millis(slowest) + ELECTION_TIMEOUT;
        let recent = |at: Option<&Instant>, interval| at.is_some_and(|at| now - *at < interval);
        self.wanted_since.retain(|key, _| steps.contains(key));
        let mut due = Vec::new();
        for key in steps {
            let since = *self.wanted_since.entry(key.clone()).or_insert(now);
            let wait = match &key.1 {
                Step::Meet(_) => recent(self.sent.get(&key), MEET_INTERVAL),
                Step::MeetLate(_) => {
                    now - since < INTRODUCTION_TIMEOUT || recent(self.sent.get(&key), MEET_INTERVAL)
                }
                Step::MeetAgain(_) => {
                    now - since < gossip || recent(self.sent.get(&key), MEET_AGAIN_INTERVAL)
                }
                Step::Promote => now - since < election || recent(self.sent.get(&key), PROMOTE_INTERVAL),
                _ => false,
            };
            if !wait {
                self.sent.insert(key.clone(), now);
                due.push(key);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{at, cluster, view_mut};

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// The seconds at which a step that is always wanted is sent, asked every 20 ms for two seconds.
    fn sent_at(observed: &Observed, step: &Step) -> Vec<u64> {
        let (mut pacing, began) = (Pacing::default(), Instant::now());
        let times = (0..100u64).map(|n| n * 20);
        let due = |ms: &u64| {
            !pacing.due(observed, vec![(at("7001"), step.clone())], began + millis(*ms)).is_empty()
        };
        times.filter(due).collect()
    }

    #[test]
    fn a_meet_is_sent_at_once_and_again_after_a_second() {
        assert_eq!(sent_at(&cluster("7001 master"), &Step::Meet(at("7002"))), [0, 1000]);
    }

    #[test]
    fn gossip_has_a_moment_before_a_pair_is_introduced_again() {
        let again = Step::MeetAgain(at("7002"));
        assert_eq!(sent_at(&cluster("7001 master"), &again)[..3], [60, 360, 660]);
        let mut prompt = cluster("7001 master");
        view_mut(&mut prompt, "7001").tuning.set(Tunable::PingInterval, "100");
        assert_eq!(sent_at(&prompt, &again)[..3], [400, 700, 1000]);
    }

    #[test]
    fn gossip_may_introduce_a_pair_before_it_is_introduced_once_a_second() {
        assert_eq!(sent_at(&cluster("7001 master"), &Step::MeetLate(at("7002"))), [600, 1600]);
    }

    #[test]
    fn an_election_has_its_time_before_a_failover_is_forced() {
        let mut quick = cluster("7001 replica 7002");
        view_mut(&mut quick, "7001").node_timeout_ms = 0;
        let (mut pacing, began) = (Pacing::default(), Instant::now());
        let mut is_due =
            |ms| !pacing.due(&quick, vec![(at("7001"), Step::Promote)], began + millis(ms)).is_empty();
        assert_eq!([0, 1_900, 2_000, 7_000, 7_200].map(&mut is_due), [false, false, true, false, true]);
    }

    #[test]
    fn a_pair_that_heard_by_itself_in_between_waits_anew() {
        let (observed, again) = (cluster("7001 master"), (at("7001"), Step::MeetAgain(at("7002"))));
        let (mut pacing, began) = (Pacing::default(), Instant::now());
        assert_eq!(pacing.due(&observed, vec![again.clone()], began), []);
        assert_eq!(pacing.due(&observed, Vec::new(), began + millis(50)), []);
        assert_eq!(pacing.due(&observed, vec![again.clone()], began + millis(70)), []);
        assert_eq!(pacing.due(&observed, vec![again.clone()], began + millis(130)), [again]);
    }

    #[test]
    fn other_steps_are_sent_each_time() {
        assert_eq!(sent_at(&cluster("7001 master"), &Step::Bump).len(), 100);
    }
}
