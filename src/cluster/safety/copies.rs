//! Which copies of a shard's keys there are: the question before anything that could be the end of one.

use super::NextStart;
use crate::cluster::observe::View;

/// What a member of a shard holds of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum Holding {
    /// It runs and has them, up to this replication offset.
    Live { offset: u64 },
    /// It runs, has synchronised once, and has no keys now: the end of all copies, or an empty shard.
    LiveEmpty,
    /// It does not run, and its next start reads the AOF.
    Readable,
    /// It does not run, and its next start reads the RDB file of the last save.
    Snapshot,
    /// It runs and has keys, but had no link since its start: they are as old as its files were then.
    Restored,
    /// It may hold them: its host cannot be reached, it hangs, or it loads its data.
    Unknown,
    /// Nothing that its next start reads, or it runs and has nothing.
    Nothing,
}

impl From<&NextStart> for Holding {
    fn from(next_start: &NextStart) -> Self {
        match next_start {
            NextStart::Reads => Self::Readable,
            NextStart::ReadsSnapshot => Self::Snapshot,
            NextStart::Ignores { .. } | NextStart::Nothing | NextStart::KeepsNothing => Self::Nothing,
        }
    }
}

impl Holding {
    /// What a running replica holds.
    pub(in crate::cluster) fn of_replica(view: &View) -> Self {
        match (view.has_synchronised(), view.keys()) {
            (true, 0) => Self::LiveEmpty,
            (true, _) => Self::Live { offset: view.offset() },
            (false, 0) => Self::Nothing,
            (false, _) => Self::Restored,
        }
    }

    /// Which of two running replicas should lead: the greater one.
    pub(in crate::cluster) fn rank(self) -> (u8, u64) {
        match self {
            Self::Live { offset } => (3, offset),
            Self::Readable | Self::Snapshot | Self::Restored => (2, 0),
            Self::LiveEmpty => (1, 0),
            Self::Nothing | Self::Unknown => (0, 0),
        }
    }
}

/// When a stopped node that owns slots may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum StartOrder {
    /// Its own files are a copy, and none is known to be better.
    Now,
    /// Another member has a better copy, and must own the slots before: a node that starts as their owner has
    /// its replicas drop what they have.
    AfterLeader,
    /// Another member may have a better copy, and cannot be asked.
    Unknown,
    /// Its own file and a running replica each have the keys of some moment, and which is later cannot be
    /// told.
    Undecided,
    /// There is no copy.
    NoCopy,
}

/// When the owner of a shard's slots may start, which does not run and holds `own`; `others` is what the
/// other members hold.
pub(in crate::cluster) fn start_order(own: Holding, others: &[Holding]) -> StartOrder {
    let any = |wanted: fn(&Holding) -> bool| others.iter().any(wanted);
    match own {
        Holding::Readable => StartOrder::Now,
        _ if any(|holding| matches!(holding, Holding::Live { .. })) => StartOrder::AfterLeader,
        _ if any(|holding| *holding == Holding::Readable) => StartOrder::AfterLeader,
        _ if any(|holding| *holding == Holding::Unknown) => StartOrder::Unknown,
        Holding::Snapshot if any(|holding| *holding == Holding::Restored) => StartOrder::Undecided,
        Holding::Snapshot => StartOrder::Now,
        _ if any(|holding| matches!(holding, Holding::Snapshot | Holding::Restored)) => {
            StartOrder::AfterLeader
        }
        _ if any(|holding| *holding == Holding::LiveEmpty) => StartOrder::AfterLeader,
        _ => StartOrder::NoCopy,
    }
}

/// Whether a copy survives if a running member stops, and starts again with what `own` is then: the others
/// have one, or its own files are one.
pub(in crate::cluster) fn survives_stop(own: Holding, others: &[Holding]) -> bool {
    let is_copy = |holding: &Holding| matches!(holding, Holding::Live { .. } | Holding::Readable);
    is_copy(&own) || own == Holding::Snapshot || others.iter().any(is_copy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holding() -> impl Strategy<Value = Holding> {
        prop_oneof![
            (0u64..1000).prop_map(|offset| Holding::Live { offset }),
            Just(Holding::LiveEmpty),
            Just(Holding::Readable),
            Just(Holding::Snapshot),
            Just(Holding::Restored),
            Just(Holding::Unknown),
            Just(Holding::Nothing),
        ]
    }

    /// How many of 1000 writes a copy has; `None` where that cannot be known.
    fn writes(holding: Holding) -> Option<u64> {
        match holding {
            Holding::Live { .. } | Holding::Readable => Some(1000),
            Holding::Snapshot | Holding::Restored => Some(400),
            Holding::Nothing | Holding::LiveEmpty => Some(0),
            Holding::Unknown => None,
        }
    }

    /// Plays what the engine does: a node that starts as the owner makes all replicas copies of itself; one
    /// that starts after another leads becomes a copy of that one.
    fn left(order: StartOrder, own: Holding, others: &[Holding]) -> u64 {
        let known = |holding: &Holding| writes(*holding).unwrap_or(0);
        match order {
            StartOrder::Now => known(&own),
            StartOrder::AfterLeader => others.iter().map(known).max().unwrap_or(0),
            StartOrder::Unknown | StartOrder::Undecided | StartOrder::NoCopy => {
                others.iter().map(known).max().unwrap_or(0).max(known(&own))
            }
        }
    }

    proptest! {
        #[test]
        fn no_order_of_starts_gives_up_a_copy(
            own in holding().prop_filter("it does not run", |own| !matches!(own, Holding::Live { .. } | Holding::LiveEmpty | Holding::Restored | Holding::Unknown)),
            others in proptest::collection::vec(holding(), 0..4),
        ) {
            let order = start_order(own, &others);
            let best = others.iter().chain([&own]).filter_map(|holding| writes(*holding)).max().unwrap_or(0);
            prop_assert_eq!(left(order, own, &others), best, "{:?}", order);
            // One that cannot be asked may have all: only a copy that has all as well goes first.
            if others.contains(&Holding::Unknown) && best < 1000 {
                prop_assert_eq!(order, StartOrder::Unknown);
            }
            // Both may be the later one.
            if own == Holding::Snapshot && others.contains(&Holding::Restored) {
                prop_assert_ne!(order, StartOrder::Now);
            }
            if order == StartOrder::NoCopy {
                prop_assert_eq!(best, 0);
            }
        }

        #[test]
        fn a_stop_is_allowed_only_where_a_copy_is_left(
            own in holding().prop_filter("after the stop", |own| !matches!(own, Holding::Live { .. } | Holding::LiveEmpty | Holding::Restored | Holding::Unknown)),
            others in proptest::collection::vec(holding(), 0..4),
        ) {
            let left = others.iter().map(|other| match other {
                Holding::Live { .. } | Holding::Readable => 1000,
                _ => 0,
            });
            let left = left.max().unwrap_or(0).max(writes(own).unwrap_or(0));
            prop_assert_eq!(survives_stop(own, &others), left > 0);
        }
    }
}
