//! I10–I15: the 16384 slots.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use crate::{
    cluster::{
        observe::View,
        open_slot::{self, OpenSlot, Side},
        verify::check::Check,
    },
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
    facts.each(ranges(facts), |node, view| {
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

/// The masters' slots. Those that were moved since the cluster was formed were moved on purpose.
fn ranges(facts: &Facts<'_>) -> String {
    let planned: BTreeSet<String> =
        facts.topology.shards.iter().map(|shard| show_slots(&shard.slots)).collect();
    let shards = facts.shards();
    let own = shards.iter().filter_map(|shard| shard.master.myself());
    let live: BTreeMap<_, String> = own
        .map(|own| join_slots(own.slots.iter().flat_map(|range| range.iter())))
        .map(|ranges| (ranges.first().copied(), show_slots(&ranges)))
        .collect();
    let text = live.values().cloned().collect::<Vec<_>>().join(" | ");
    let moved = live.into_values().collect::<BTreeSet<_>>() != planned;
    format!("{text}, the same on every node{}", if moved { "; slots were moved since forming" } else { "" })
}

/// A move that goes on has both ends open; one end alone is what an interrupted move left behind.
pub(super) fn no_open_slot(facts: &Facts<'_>) -> Check {
    facts.each("no slot is open", |node, view| {
        let master = facts.master_of(view);
        let of_master = |open: &OpenSlot| {
            let mut theirs = master.into_iter().flat_map(|(node, master)| open_slot::of(node, master));
            theirs.any(|their| their.slot == open.slot && their.side == open.side)
        };
        // From Valkey 8 on, replicas have what their master has open.
        let open = open_slot::of(node, view).filter(|open| !of_master(open));
        open.filter_map(|open| move_of(facts, &open)).collect::<Vec<String>>()
    })
}

/// What an open slot means; nothing where the node at the other end tells it.
fn move_of(facts: &Facts<'_>, open: &OpenSlot) -> Option<String> {
    let OpenSlot { node, slot, side, .. } = open;
    let peer = facts.name(&open.peer);
    let other_end = facts.observed.views().find(|(_, view)| view.id == open.peer);
    let mut theirs = other_end.into_iter().flat_map(|(node, view)| open_slot::of(node, view));
    let both = theirs.any(|their| their.slot == *slot && their.side != *side);
    match (side, both) {
        (Side::Migrating, true) => Some(format!("slot {slot} is on the move from {node} to {peer}")),
        (Side::Importing, true) => None,
        (Side::Migrating, false) => {
            Some(format!("{node} gives slot {slot} to {peer}, which does not import it"))
        }
        (Side::Importing, false) => {
            Some(format!("{node} imports slot {slot} of {peer}, which does not give it away"))
        }
    }
}

/// Whether every slot has an owner is for [`one_owner`].
pub(super) fn none_failing(facts: &Facts<'_>) -> Check {
    let mut tally = facts.tally();
    for (node, view) in facts.observed.views() {
        match (view.cluster.slots_pfail, view.cluster.slots_fail) {
            (Some(pfail), Some(fail)) => {
                tally.saw((pfail + fail > 0).then(|| format!("{node}: {pfail} slots pfail, {fail} fail")));
            }
            _ => tally.missed(format!("{node} does not count slots")),
        }
    }
    tally.check("cluster_slots_pfail:0, cluster_slots_fail:0")
}

pub(super) fn cluster_size(facts: &Facts<'_>) -> Check {
    let size = facts.topology.shards.len();
    facts.each(format!("{size} masters with slots"), |node, view| {
        let is = view.cluster.size;
        let shown = is.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
        (is != Some(size as u64)).then(|| format!("{node} counts {shown} masters with slots, not {size}"))
    })
}
