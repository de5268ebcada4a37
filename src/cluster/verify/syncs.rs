//! Full synchronisations over an interval: a replica that is online at one moment may still be one that
//! synchronises over and over.

use crate::inventory::NodeRef;
use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// How long the count of a master must stand still before its replicas count as settled.
pub(super) const SYNC_WATCH_TIMEOUT: Duration = Duration::from_secs(3);

/// How often replicas began a full synchronisation at one master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyncCount {
    /// When it was first seen.
    pub(super) first: u64,
    /// When it was last seen.
    pub(super) last: u64,
    /// How long it has not grown, as far as it was watched.
    pub(super) steady: Duration,
}

/// The counts of all masters, over all looks.
#[derive(Debug, Default)]
pub(super) struct SyncWatch(BTreeMap<NodeRef, Watched>);

#[derive(Debug)]
struct Watched {
    first: u64,
    last: u64,
    grew: Instant,
}

impl SyncWatch {
    /// Notes the counts at one moment. A count that falls is one of a new process, and begins anew.
    pub(super) fn note(&mut self, counts: impl IntoIterator<Item = (NodeRef, u64)>, now: Instant) {
        for (node, count) in counts {
            let watched = self.0.entry(node).or_insert(Watched { first: count, last: count, grew: now });
            if count < watched.last {
                *watched = Watched { first: count, last: count, grew: now };
            } else if count > watched.last {
                (watched.last, watched.grew) = (count, now);
            }
        }
    }

    /// What is known of each master now.
    pub(super) fn counts(&self, now: Instant) -> BTreeMap<NodeRef, SyncCount> {
        let count = |watched: &Watched| SyncCount {
            first: watched.first,
            last: watched.last,
            steady: now.saturating_duration_since(watched.grew),
        };
        self.0.iter().map(|(node, watched)| (*node, count(watched))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::at;

    /// The count of one master that was seen with these, a second apart.
    fn seen(counts: &[u64]) -> SyncCount {
        let (mut watch, began, node) = (SyncWatch::default(), Instant::now(), at("7001"));
        let mut now = began;
        for (seconds, count) in (0..).zip(counts) {
            now = began + Duration::from_secs(seconds);
            watch.note([(node, *count)], now);
        }
        watch.counts(now)[&node]
    }

    fn count(first: u64, last: u64, seconds: u64) -> SyncCount {
        SyncCount { first, last, steady: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_count_is_steady_since_it_last_grew() {
        assert_eq!(seen(&[3]), count(3, 3, 0));
        assert_eq!(seen(&[3, 3, 3]), count(3, 3, 2));
        assert_eq!(seen(&[3, 4, 4]), count(3, 4, 1));
        assert_eq!(seen(&[3, 4, 5]), count(3, 5, 0));
    }

    #[test]
    fn a_new_process_counts_anew() {
        assert_eq!(seen(&[3, 0, 0]), count(0, 0, 1));
    }
}
