//! I16–I18: the epochs that decide who owns what.

use std::collections::BTreeMap;

use super::{Check, Facts};

pub(super) fn i16(facts: &Facts<'_>) -> Check {
    let mut seen: BTreeMap<u64, _> = BTreeMap::new();
    let mut wrong: Vec<String> = facts.observed.silent().collect();
    for (master, view, _) in facts.shards() {
        let epoch = view.myself().map_or(0, |own| own.epoch);
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

pub(super) fn i17(facts: &Facts<'_>) -> Check {
    facts.gather("the same on all nodes", |node, view| {
        let masters = facts.shards();
        let differing = masters.iter().filter(|(_, master, _)| {
            let own = master.myself().map(|own| own.epoch);
            view.rows.iter().find(|row| row.id == master.id).map(|row| row.epoch) != own
        });
        differing
            .map(|(master, ..)| format!("{node} has another epoch for {master} than it has itself"))
            .collect()
    })
}

pub(super) fn i18(facts: &Facts<'_>) -> Check {
    let current = |view: &super::View| view.cluster("cluster_current_epoch").parse::<u64>().unwrap_or(0);
    let newest = facts.observed.views().map(|(_, view)| current(view)).max().unwrap_or(0);
    facts.each(format!("epoch {newest}"), |node, view| {
        let own = view.cluster("cluster_my_epoch").parse::<u64>().unwrap_or(0);
        (current(view) != newest || own > newest)
            .then(|| format!("{node} is at epoch {}, others at {newest}", current(view)))
    })
}
