//! I16–I18: the epochs that decide conflicts about slots.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::cluster::verify::check::Check;

pub(super) fn distinct_epochs(facts: &Facts<'_>) -> Check {
    let mut seen: BTreeMap<u64, _> = BTreeMap::new();
    let mut tally = facts.tally();
    for shard in facts.shards() {
        let master = shard.node;
        let epoch = shard.master.myself().map_or(0, |own| own.epoch);
        let other = seen.insert(epoch, master);
        tally.saw(match other {
            _ if epoch == 0 => Some(format!("{master} has epoch 0")),
            Some(other) => Some(format!("{other} and {master} both have epoch {epoch}")),
            None => None,
        });
    }
    let epochs: Vec<String> = seen.keys().map(ToString::to_string).collect();
    tally.check(format!("epochs {}", epochs.join(", ")))
}

pub(super) fn agreed_epochs(facts: &Facts<'_>) -> Check {
    let masters = facts.shards();
    if masters.is_empty() {
        return facts.tally().check("");
    }
    facts.each("the same on all nodes", |node, view| {
        let differing = masters.iter().filter(|shard| {
            let own = shard.master.myself().map(|own| own.epoch);
            view.row(&shard.master.id).is_some_and(|row| Some(row.epoch) != own)
        });
        differing
            .map(|shard| format!("{node} has another epoch for {} than it has itself", shard.node))
            .collect::<Vec<String>>()
    })
}

pub(super) fn current_epoch(facts: &Facts<'_>) -> Check {
    let newest = facts.observed.newest_epoch();
    facts.each(format!("epoch {newest}"), |node, view| {
        let (current, own) = (view.current_epoch(), view.cluster.my_epoch.unwrap_or(0));
        (current != newest || own > newest)
            .then(|| format!("{node} is at epoch {current}, others at {newest}"))
    })
}
