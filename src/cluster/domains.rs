//! Failure domains: which masters and shards depend on one host or one zone, and what could be otherwise.

use std::collections::{BTreeMap, BTreeSet};

/// How many of the masters may be lost with a majority left.
pub(in crate::cluster) fn bearable(masters: usize) -> usize {
    masters.div_ceil(2).saturating_sub(1)
}

/// How many masters each domain holds.
pub(in crate::cluster) fn masters_by_domain<'a>(
    masters: impl Iterator<Item = &'a str>,
) -> BTreeMap<&'a str, usize> {
    let mut held = BTreeMap::new();
    masters.for_each(|domain| *held.entry(domain).or_default() += 1);
    held
}

/// Whether two of the members are in one domain.
pub(in crate::cluster) fn is_crowded<'a>(members: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    members.into_iter().any(|domain| !seen.insert(domain))
}

/// Which member of each shard is to lead so that no domain has more than `limit` masters; `None` where
/// failovers alone cannot do that. Each shard is given by the domains of its members, first that of the
/// member that leads now, which goes on where it can. Found by augmenting paths.
pub(in crate::cluster) fn leaders_within(shards: &[Vec<&str>], limit: usize) -> Option<Vec<usize>> {
    let mut leads: Vec<Option<&str>> = vec![None; shards.len()];
    for (shard, members) in shards.iter().enumerate() {
        let held = leads.iter().filter(|lead| **lead == members.first().copied()).count();
        leads[shard] = members.first().copied().filter(|_| held < limit);
    }
    for shard in 0..shards.len() {
        if leads[shard].is_none() && !augment(shards, limit, shard, &mut leads, &mut BTreeSet::new()) {
            return None;
        }
    }
    let member =
        |(members, lead): (&Vec<&str>, Option<&str>)| members.iter().position(|domain| Some(*domain) == lead);
    shards.iter().zip(leads).map(member).collect()
}

/// Gives the shard a leader in a domain with room, moving those of other shards where that makes room.
fn augment<'a>(
    shards: &[Vec<&'a str>],
    limit: usize,
    shard: usize,
    leads: &mut [Option<&'a str>],
    tried: &mut BTreeSet<&'a str>,
) -> bool {
    for domain in &shards[shard] {
        if !tried.insert(domain) {
            continue;
        }
        let here: Vec<usize> = (0..leads.len()).filter(|other| leads[*other] == Some(domain)).collect();
        let room = here.len() < limit
            || (limit > 0 && here.into_iter().any(|other| augment(shards, limit, other, leads, tried)));
        if room {
            leads[shard] = Some(domain);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_majority_must_be_left() {
        assert_eq!([1, 2, 3, 4, 5, 6].map(bearable), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn three_shards_on_three_hosts_can_be_spread_and_on_two_they_cannot() {
        let three = [vec!["a", "b"], vec!["b", "c"], vec!["b", "a"]];
        assert_eq!(leaders_within(&three, 1), Some(vec![0, 1, 0]));
        let two = [vec!["a", "b"], vec!["b", "a"], vec!["b", "a"]];
        assert_eq!(leaders_within(&two, 1), None);
        assert_eq!(leaders_within(&two, 2), Some(vec![0, 0, 0]), "who leads well goes on");
    }

    /// Every way to choose leaders, one by one.
    fn by_force(shards: &[Vec<&str>], limit: usize) -> bool {
        let mut ways: Vec<Vec<&str>> = vec![Vec::new()];
        for members in shards {
            let longer =
                |way: &Vec<_>| members.iter().map(|m| [way.clone(), vec![*m]].concat()).collect::<Vec<_>>();
            ways = ways.iter().flat_map(longer).collect();
        }
        ways.into_iter().any(|way| masters_by_domain(way.into_iter()).values().all(|held| *held <= limit))
    }

    proptest! {
        #[test]
        fn spreading_is_found_where_there_is_a_way(
            shards in prop::collection::vec(prop::collection::vec(0usize..4, 1..4), 1..6),
            limit in 0usize..4,
        ) {
            let names = ["a", "b", "c", "d"];
            let shards: Vec<Vec<&str>> =
                shards.iter().map(|members| members.iter().map(|index| names[*index]).collect()).collect();
            let leads = leaders_within(&shards, limit);
            prop_assert_eq!(leads.is_some(), by_force(&shards, limit));
            if let Some(leads) = leads {
                let domains = shards.iter().zip(&leads).map(|(members, lead)| members[*lead]);
                prop_assert!(masters_by_domain(domains).values().all(|held| *held <= limit));
            }
        }
    }
}
