//! Before the start of a node that owned slots and has not their keys: another node of its shard leads.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::Error;
use crate::{
    cluster::{
        observe::{Observed, observe},
        safety::Holding,
    },
    inventory::NodeRef,
    redis::{NodeWriter, SlotRange, words},
    units::NodeId,
};

/// How often the nodes are asked who leads.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(50);
/// How long after the masters agree that a node has failed its replicas may take to be elected.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// The engine itself gives up a manual failover after 5 s (`CLUSTER_MF_TIMEOUT`).
const FORCE_INTERVAL: Duration = Duration::from_millis(5_200);
/// How long forced failovers are tried.
const FORCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until a running node owns the slots that the node `id` owned, and returns it. Where no election
/// makes one the owner, the most advanced replica is told to take over, which takes the votes of most
/// masters.
///
/// `takeover` allows what needs no votes, once most masters are gone.
pub async fn leader(
    writer: &NodeWriter<'_>,
    id: &NodeId,
    slots: &[SlotRange],
    takeover: bool,
) -> Result<NodeRef, Error> {
    let began = Instant::now();
    let mut forced: Option<Instant> = None;
    let mut why = "it has no replica that answers".to_owned();
    loop {
        let observed = observe(writer.reader()).await;
        if let Some(owner) = owner(&observed, slots) {
            return Ok(owner);
        }
        let timeout = observed.views().map(|(_, view)| view.node_timeout_ms).max().unwrap_or(0);
        let elected_by = Duration::from_millis(timeout.saturating_mul(2)) + ELECTION_TIMEOUT;
        let heir = observed
            .replicas_of(id)
            // An empty one that never had a link would lead with nothing.
            .filter(|(_, view)| Holding::of_replica(view) != Holding::Nothing)
            .min_by_key(|(_, view)| std::cmp::Reverse(Holding::of_replica(view).rank()));
        if let Some((heir, _)) = heir
            && began.elapsed() > elected_by
            && forced.is_none_or(|at| at.elapsed() > FORCE_INTERVAL)
        {
            let votes = if takeover && !observed.has_majority() { "TAKEOVER" } else { "FORCE" };
            let command = words(&format!("CLUSTER FAILOVER {votes}"));
            let reply = writer.write(heir, &[command]).await?.swap_remove(0);
            why = reply.error().map_or_else(
                || format!("{heir} was told to take over and did not get the votes of most masters"),
                |error| format!("{heir} was told to take over and answered: {error}"),
            );
            forced = Some(Instant::now());
        }
        if began.elapsed() > elected_by + FORCE_TIMEOUT {
            let (slots, after) = (slots.to_vec(), elected_by + FORCE_TIMEOUT);
            return Err(Error::NoLeader { id: id.clone(), slots, why, after });
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}

/// The running node that owns all of these slots.
fn owner(observed: &Observed, slots: &[SlotRange]) -> Option<NodeRef> {
    let owns = |own: &[SlotRange]| {
        slots.iter().flat_map(|range| range.iter()).all(|slot| own.iter().any(|range| range.contains(slot)))
    };
    observed
        .slot_owners()
        .find(|(_, view)| view.myself().is_some_and(|row| owns(&row.slots)))
        .map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{SIX, at, cluster};

    #[test]
    fn the_leader_owns_all_the_slots_and_runs() {
        let slots = [SlotRange::new(0, 5460)];
        assert_eq!(owner(&cluster(SIX), &slots), Some(at("7001")));
        assert_eq!(owner(&cluster(&SIX.replace("7001 master 0-5460", "7001 down x")), &slots), None);
        assert_eq!(owner(&cluster(&SIX.replace("0-5460", "0-5459")), &slots), None);
    }
}
