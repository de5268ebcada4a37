//! Before a restart: a master hands its slots over to a replica.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::{error::Error, settled::unsettled};
use crate::{
    cluster::{
        observe::{Observed, State, View, observe},
        tunable::Tunable,
    },
    redis::{NodeReader, NodeWriter, words},
};

/// How often the nodes are asked whether the hand-over is done.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(20);
/// A graceful failover takes milliseconds; the engine itself gives up after 5 s. Busy hosts need several attempts.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(30);
/// The engine's own time limit for a manual failover (`CLUSTER_MF_TIMEOUT`), and a bit.
const FAILOVER_INTERVAL: Duration = Duration::from_millis(5_200);
/// How long a node that is to be restarted may give no answer, and load nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What was done about a node's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// It answered, and has none: a replica, or a master without slots.
    NotNeeded,
    /// It has slots but no replica that is online: restarting it interrupts service, and may lose its keys.
    NoReplica,
    /// This replica is the master now.
    To(SocketAddr),
}

/// Gives a master's slots to its most advanced replica, gracefully: writes pause for a moment and none is lost.
///
/// Call it before every restart, also of replicas: it lets masters begin a full sync at once instead of after 5 s.
/// [`form()`](crate::cluster::form()) puts that setting back, and I37 tells where it was not.
pub async fn hand_over(writer: &NodeWriter<'_>, node: SocketAddr) -> Result<HandOver, Error> {
    let observed = answering(writer.reader(), node).await?;
    sync_at_once(writer, &observed).await;
    let Some(view) = observed.view(node).filter(|view| view.owns_slots()) else {
        return Ok(HandOver::NotNeeded);
    };
    let Some(replica) = failover_candidate(&observed, node, view) else { return Ok(HandOver::NoReplica) };
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut why = "it is still the master".to_owned();
    loop {
        if asked.is_none_or(|at| at.elapsed() > FAILOVER_INTERVAL) {
            let reply = writer.write(replica, &[words("CLUSTER FAILOVER")]).await?.swap_remove(0);
            if let Some(error) = reply.error() {
                error.clone_into(&mut why);
            }
            asked = Some(Instant::now());
        }
        let observed = observe(writer.reader()).await;
        if handed_over(&observed, node, replica) {
            return Ok(HandOver::To(replica));
        }
        if began.elapsed() > FAILOVER_TIMEOUT {
            return Err(Error::NotHandedOver { master: node, replica, why, after: FAILOVER_TIMEOUT });
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}

/// Waits until a node answers. One that runs and does not may hold the only copy of its keys.
async fn answering(reader: &NodeReader<'_>, node: SocketAddr) -> Result<Observed, Error> {
    let (mut heard, mut loaded) = (Instant::now(), 0);
    loop {
        let observed = observe(reader).await;
        if observed.view(node).is_some() {
            return Ok(observed);
        }
        if let Some(State::Loading(bytes)) = observed.get(node)
            && *bytes > loaded
        {
            (heard, loaded) = (Instant::now(), *bytes);
        }
        if heard.elapsed() > ANSWER_TIMEOUT {
            let why = unsettled(&observed, node).unwrap_or_default();
            return Err(Error::NotResponding { node, why, after: ANSWER_TIMEOUT });
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}

/// Best effort: failing to set it only delays the replica's full sync.
async fn sync_at_once(writer: &NodeWriter<'_>, observed: &Observed) {
    let directive = Tunable::SyncDelay;
    let slow =
        observed.views().filter(|(_, view)| view.tuning.get(directive).is_some_and(|value| value != "0"));
    let command = words(&format!("CONFIG SET {} 0", directive.name()));
    writer.write_each(slow.map(|(node, _)| (node, vec![command.clone()])).collect()).await;
}

/// The online replica with the highest offset; the earlier in the inventory of equals.
fn failover_candidate(observed: &Observed, master: SocketAddr, view: &View) -> Option<SocketAddr> {
    let online = |(address, peer): &(SocketAddr, &View)| {
        view.info.replication.has_online(*address) && peer.info.replication.link_is_up()
    };
    observed
        .replicas_of(&view.id)
        .filter(|(address, _)| *address != master)
        .filter(online)
        .min_by_key(|(_, peer)| std::cmp::Reverse(peer.offset()))
        .map(|(address, _)| address)
}

/// The old master follows, the new one leads, every node that answers has heard of both, and the old one replicates.
fn handed_over(observed: &Observed, old: SocketAddr, new: SocketAddr) -> bool {
    let (Some(old_view), Some(new_view)) = (observed.view(old), observed.view(new)) else { return false };
    let heard = observed.views().all(|(_, view)| {
        let leads =
            view.rows.iter().any(|row| row.id == new_view.id && row.is_master() && !row.slots.is_empty());
        let follows = view.rows.iter().any(|row| row.id == old_view.id && row.is_replica());
        leads && follows
    });
    heard && old_view.info.replication.link_is_up()
}
