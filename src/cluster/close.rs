//! Closing open slots that belong to no move any more.

use super::{observe::observe, open_slot::OpenSlot};
use crate::inventory::NodeRef;
use crate::redis::{Error, NodeWriter, words};

/// Closes the abandoned open slots that `is_planned` allows, and returns one that is still open.
pub async fn close_slots(
    writer: &NodeWriter<'_>,
    is_planned: impl Fn(NodeRef, u16) -> bool,
) -> Result<Option<OpenSlot>, Error> {
    let observed = observe(writer.reader()).await;
    let mut open = observed.open_slots.clone();
    let planned: Vec<OpenSlot> =
        observed.closable_slots().filter(|open| is_planned(open.node, open.slot)).cloned().collect();
    for side in planned {
        let command = words(&format!("CLUSTER SETSLOT {} STABLE", side.slot));
        let reply = writer.write(side.node, &[command]).await?.swap_remove(0);
        if reply.error().is_none() {
            open.retain(|other| *other != side);
        }
    }
    Ok(open.into_iter().next())
}
