//! After a failover: masters that gathered on one host or in one zone are led elsewhere again.

use std::time::Duration;

use super::{hand_over::give_over, settled::settled};
use crate::{
    cluster::{observe::observe, spread::misplaced},
    event::StepEvents,
    inventory::{Fleet, NodeRef},
    redis::NodeWriter,
};

/// How long the former master may take to follow.
const FOLLOW_TIMEOUT: Duration = Duration::from_mins(1);

/// Has replicas elsewhere take over, one after the other: elections at the same time get in each other's way.
/// Only what is `allowed` happens, given the replica and its master. One that does not succeed ends it with a
/// notice, since the cluster serves all the same. Returns how many took over.
pub async fn spread_masters(
    writer: &NodeWriter<'_>,
    fleet: &Fleet,
    allowed: impl Fn(NodeRef, NodeRef) -> bool,
    events: &StepEvents,
) -> usize {
    let mut moved = 0;
    while moved < fleet.masters() {
        let observed = observe(writer.reader()).await;
        let mut due = misplaced(fleet, &observed).into_iter();
        let Some((replica, master)) = due.find(|(replica, master)| allowed(*replica, *master)) else { break };
        let result = match give_over(writer, master, replica).await {
            Ok(()) => settled(writer.reader(), master, FOLLOW_TIMEOUT).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            events.notice(format!("{replica} does not lead instead of {master} yet: {error}"));
            break;
        }
        moved += 1;
    }
    moved
}
