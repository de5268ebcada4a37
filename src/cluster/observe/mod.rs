//! Looking at every node: one pipelined round trip each, all at the same time.

mod activity;
mod exchange;
mod observed;
mod view;

use crate::inventory::NodeRef;
use std::collections::BTreeMap;

pub(in crate::cluster) use activity::Activity;
pub use observed::{Observed, State};
pub use view::View;

use super::open_slot::{self, OpenSlot, Side};
use crate::redis::{Error, NodeReader, Query};

/// Looks at every node. Never fails: a node that cannot be asked is [`State::Down`]. One that does not accept
/// the connection in time is asked once more: its machine may have been busy with something else.
pub async fn observe(reader: &NodeReader<'_>) -> Observed {
    look(reader, &exchange::queries(false)).await
}

/// The same, with the whole running configuration of each node.
pub async fn observe_with_config(reader: &NodeReader<'_>) -> Observed {
    look(reader, &exchange::queries(true)).await
}

async fn look(reader: &NodeReader<'_>, queries: &[Query]) -> Observed {
    let ask = |nodes: Vec<NodeRef>| {
        reader.read_each(nodes.into_iter().map(|node| (node, queries.to_vec())).collect())
    };
    let mut answers = ask(reader.nodes().map(|node| node.key).collect()).await;
    let is_late = |replies: &Result<_, Error>| replies.as_ref().is_err_and(Error::is_connect_timeout);
    let late = answers.iter().filter(|(_, replies)| is_late(replies)).map(|(node, _)| *node);
    for (node, replies) in ask(late.collect()).await {
        if let Some(answer) = answers.iter_mut().find(|(key, _)| *key == node) {
            answer.1 = replies;
        }
    }
    let states = answers.into_iter().map(|(node, replies)| (node, exchange::state(node, replies)));
    let mut observed = Observed { nodes: states.collect(), open_slots: Vec::new() };
    observed.open_slots = open_slots(reader, &observed).await;
    observed
}

/// The open slots, with the number of keys that have arrived on the importing side: asked only where there
/// are any.
async fn open_slots(reader: &NodeReader<'_>, observed: &Observed) -> Vec<OpenSlot> {
    let mut open: Vec<OpenSlot> =
        observed.views().flat_map(|(node, view)| open_slot::of(node, view)).collect();
    let importing = |open: &OpenSlot| match open.side {
        Side::Importing => Some(open.node),
        Side::Migrating => observed.with_id(&open.peer),
    };
    let mut asked: BTreeMap<NodeRef, Vec<u16>> = BTreeMap::new();
    for side in &open {
        if let Some(node) = importing(side) {
            asked.entry(node).or_default().push(side.slot);
        }
    }
    let queries = asked
        .iter()
        .map(|(node, slots)| (*node, slots.iter().map(|slot| Query::CountKeysInSlot(*slot)).collect()));
    let mut counts: BTreeMap<(NodeRef, u16), u64> = BTreeMap::new();
    for (node, replies) in reader.read_each(queries.collect()).await {
        let slots = asked.get(&node).into_iter().flatten();
        for (slot, reply) in slots.zip(replies.unwrap_or_default()) {
            counts.extend(reply.int().map(|keys| ((node, *slot), keys.unsigned_abs())));
        }
    }
    for side in &mut open {
        side.imported = importing(side).and_then(|node| counts.get(&(node, side.slot)).copied());
    }
    open
}
