//! I10–I15: the 16384 slots.

use std::collections::BTreeSet;

use super::facts::Facts;
use crate::{
    cluster::{observe::View, verify::evidence::Check},
    redis::{SLOTS, count_slots, join_slots, show_slots},
};

/// The owner of every slot, as one node sees it.
fn owners(view: &View) -> Vec<Option<&str>> {
    let mut owners = vec![None; usize::from(SLOTS)];
    for row in &view.rows {
        for slot in row.slots.iter().flat_map(|range| range.iter()) {
            owners[usize::from(slot)] = Some(&*row.id);
        }
    }
    owners
}

pub(super) fn one_owner(facts: &Facts<'_>) -> Check {
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

/// A failover changes the owner of a range, which is fine; where slots were migrated, the planned ranges no
/// longer apply.
pub(super) fn planned_ranges(facts: &Facts<'_>) -> Check {
    let planned: BTreeSet<String> =
        facts.topology.shards.iter().map(|shard| show_slots(&shard.slots)).collect();
    let live: BTreeSet<String> = facts
        .shards()
        .iter()
        .filter_map(|shard| shard.master.myself())
        .map(|own| show_slots(&join_slots(own.slots.iter().flat_map(|range| range.iter()))))
        .collect();
    if !facts.observed.all_up() {
        return facts.each(String::new(), |_, _| None);
    }
    let text = live.iter().cloned().collect::<Vec<_>>().join(" | ");
    if planned == live {
        Check::Pass(text)
    } else {
        Check::NotApplicable(format!("slots were moved: {text}"))
    }
}

pub(super) fn no_migration(facts: &Facts<'_>) -> Check {
    facts.gather("none", |node, view| {
        let moving = view.rows.iter().flat_map(|row| &row.moving);
        moving.map(|slot| format!("{node} says {slot}")).collect()
    })
}

pub(super) fn all_ok(facts: &Facts<'_>) -> Check {
    facts.each("cluster_slots_ok:16384, none fail or pfail", |node, view| {
        let counts = [view.cluster.slots_ok, view.cluster.slots_pfail, view.cluster.slots_fail];
        (counts != [Some(u64::from(SLOTS)), Some(0), Some(0)]).then(|| {
            let [ok, pfail, fail] = counts.map(shown);
            format!("{node}: {ok} ok, {pfail} pfail, {fail} fail")
        })
    })
}

pub(super) fn replicas_own_none(facts: &Facts<'_>) -> Check {
    facts.gather("no replica owns a slot", |node, view| {
        let owning = view.rows.iter().filter(|row| row.is_replica() && !row.slots.is_empty());
        owning.map(|row| format!("{node} says replica {} owns slots", row.written_address())).collect()
    })
}

pub(super) fn cluster_size(facts: &Facts<'_>) -> Check {
    let (size, nodes) = (facts.topology.shards.len(), facts.count());
    facts.each(format!("{size} masters, {nodes} nodes"), |node, view| {
        let (is_size, is_nodes) = (view.cluster.size, view.cluster.known_nodes);
        (is_size != Some(size as u64) || is_nodes != Some(nodes as u64)).then(|| {
            let (is_size, is_nodes) = (shown(is_size), shown(is_nodes));
            format!("{node} counts {is_size} masters and {is_nodes} nodes, not {size} and {nodes}")
        })
    })
}

/// A count of `CLUSTER INFO`, which an answer may lack.
fn shown(count: Option<u64>) -> String {
    count.map_or_else(|| "unknown".to_owned(), |count| count.to_string())
}
