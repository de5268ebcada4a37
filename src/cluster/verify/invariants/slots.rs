//! I10–I15: the 16384 slots.

use std::collections::BTreeSet;

use super::{Check, Facts};
use crate::redis::{SLOTS, count_slots, join_slots, show_slots};

/// The owner of every slot, as one node sees it.
fn owners(view: &super::View) -> Vec<Option<&str>> {
    let mut owners = vec![None; usize::from(SLOTS)];
    for row in &view.rows {
        for slot in row.slots.iter().flat_map(|range| range.iter()) {
            owners[usize::from(slot)] = Some(row.id.as_str());
        }
    }
    owners
}

pub(super) fn i10(facts: &Facts<'_>) -> Check {
    let first = facts.observed.views().next().map(|(node, view)| (node, owners(view)));
    facts.each(format!("{SLOTS} slots, one owner each, on every node"), |node, view| {
        let mine = owners(view);
        let free = mine.iter().filter(|owner| owner.is_none()).count();
        let total: usize = view.rows.iter().map(|row| count_slots(&row.slots)).sum();
        if free > 0 {
            return Some(format!("{node} knows no owner of {free} slots"));
        }
        if total > usize::from(SLOTS) {
            return Some(format!("{node} knows two owners of a slot"));
        }
        let (other, theirs) = first.as_ref()?;
        let differ = mine.iter().zip(theirs).position(|(one, other)| one != other)?;
        Some(format!("{node} and {other} disagree on slot {differ}"))
    })
}

/// Who owns a range may change by failover, which is fine; where slots were moved, the plan no longer speaks of them.
pub(super) fn i11(facts: &Facts<'_>) -> Check {
    let planned: BTreeSet<String> =
        facts.topology.shards.iter().map(|shard| show_slots(&shard.slots)).collect();
    let live: BTreeSet<String> = facts
        .shards()
        .iter()
        .filter_map(|(_, view, _)| view.myself())
        .map(|own| show_slots(&join_slots(own.slots.iter().flat_map(|range| range.iter()))))
        .collect();
    if facts.observed.down().next().is_some() {
        return facts.each(String::new(), |_, _| None);
    }
    let text = live.iter().cloned().collect::<Vec<_>>().join(" | ");
    if planned == live {
        Check::Pass(text)
    } else {
        Check::NotApplicable(format!("slots were moved: {text}"))
    }
}

pub(super) fn i12(facts: &Facts<'_>) -> Check {
    facts.gather("none", |node, view| {
        let moving = view.rows.iter().flat_map(|row| &row.moving);
        moving.map(|slot| format!("{node} says {slot}")).collect()
    })
}

pub(super) fn i13(facts: &Facts<'_>) -> Check {
    facts.each("cluster_slots_ok:16384, none fail or pfail", |node, view| {
        let [ok, pfail, fail] =
            ["cluster_slots_ok", "cluster_slots_pfail", "cluster_slots_fail"].map(|k| view.cluster(k));
        ((ok, pfail, fail) != ("16384", "0", "0"))
            .then(|| format!("{node}: {ok} ok, {pfail} pfail, {fail} fail"))
    })
}

pub(super) fn i14(facts: &Facts<'_>) -> Check {
    facts.gather("no replica owns a slot", |node, view| {
        let owning = view.rows.iter().filter(|row| row.is_replica() && !row.slots.is_empty());
        owning.map(|row| format!("{node} says replica {} owns slots", row.written_address())).collect()
    })
}

pub(super) fn i15(facts: &Facts<'_>) -> Check {
    let (size, nodes) = (facts.topology.shards.len(), facts.count());
    facts.each(format!("{size} masters, {nodes} nodes"), |node, view| {
        let (is_size, is_nodes) = (view.cluster("cluster_size"), view.cluster("cluster_known_nodes"));
        (is_size != size.to_string() || is_nodes != nodes.to_string())
            .then(|| format!("{node} counts {is_size} masters and {is_nodes} nodes, not {size} and {nodes}"))
    })
}
