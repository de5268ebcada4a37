//! I16–I18: the epochs that decide conflicts about slots.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::cluster::verify::evidence::Check;

pub(super) fn distinct_epochs(facts: &Facts<'_>) -> Check {
    let mut seen: BTreeMap<u64, _> = BTreeMap::new();
    let mut wrong: Vec<String> = facts.observed.silent().collect();
    for shard in facts.shards() {
        let master = shard.address;
        let epoch = shard.master.myself().map_or(0, |own| own.epoch);
        if epoch == 0 {
            wrong.push(format!("{master} has epoch 0"));
        }
        if let Some(other) = seen.insert(epoch, master) {
            wrong.push(format!("{other} and {master} both have epoch {epoch}"));
        }
    }
    let epochs: Vec<String> = seen.keys().map(ToString::to_string).collect();
    Check::of(wrong, format!("epochs {}", epochs.join(", ")))
}

pub(super) fn agreed_epochs(facts: &Facts<'_>) -> Check {
    facts.gather("the same on all nodes", |node, view| {
        let masters = facts.shards();
        let differing = masters.iter().filter(|shard| {
            let own = shard.master.myself().map(|own| own.epoch);
            view.rows.iter().find(|row| row.id == shard.master.id).map(|row| row.epoch) != own
        });
        differing
            .map(|shard| format!("{node} has another epoch for {} than it has itself", shard.address))
            .collect()
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
