//! Before a restart: a master hands its slots over to a replica.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{error::Error, settled::unsettled};
use crate::{
    cluster::{
        observe::{Activity, Observed, View, observe},
        safety::{Holding, survives_stop},
        tunable::Tunable,
    },
    inventory::NodeRef,
    redis::{NodeReader, NodeWriter, words},
};

/// How often the nodes are asked whether the hand-over is done.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(20);
/// A graceful failover takes milliseconds; the engine itself gives up after 5 s. Busy hosts need several
/// attempts.
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
    /// It is a replica whose master does not answer, and no other replica has what it has.
    LastCopy,
    /// It has slots but no replica that is online: restarting it interrupts service, and may lose its keys.
    NoReplica,
    /// This replica is the master now.
    To(NodeRef),
}

/// Gives a master's slots to its most advanced replica, gracefully: writes pause for a moment and none is
/// lost.
///
/// Call it before every restart, also of replicas: it lets masters begin a full sync at once instead of after
/// 5 s. [`form()`](crate::cluster::form()) puts that setting back, and I37 fails where it was not.
pub async fn hand_over(writer: &NodeWriter<'_>, node: NodeRef) -> Result<HandOver, Error> {
    let observed = answering(writer.reader(), node).await?;
    sync_at_once(writer, &observed).await;
    let Some(view) = observed.view(node).filter(|view| view.owns_slots()) else {
        let is_last = is_last_copy(&observed, node);
        return Ok(if is_last { HandOver::LastCopy } else { HandOver::NotNeeded });
    };
    let Some(replica) = failover_candidate(&observed, node, view) else { return Ok(HandOver::NoReplica) };
    give_over(writer, node, replica).await?;
    Ok(HandOver::To(replica))
}

/// Has a replica take over from its master by agreement, and waits until all nodes know it.
pub(super) async fn give_over(writer: &NodeWriter<'_>, node: NodeRef, replica: NodeRef) -> Result<(), Error> {
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
            return Ok(());
        }
        if began.elapsed() > FAILOVER_TIMEOUT {
            return Err(Error::NotHandedOver { master: node, replica, why, after: FAILOVER_TIMEOUT });
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}

/// Waits until a node answers. One that runs and does not may hold the only copy of its keys.
async fn answering(reader: &NodeReader<'_>, node: NodeRef) -> Result<Observed, Error> {
    let (mut progressed, mut last) = (Instant::now(), Activity::default());
    loop {
        let observed = observe(reader).await;
        if observed.view(node).is_some() {
            return Ok(observed);
        }
        let activity = Activity::of_node(&observed, node);
        if activity != last {
            (progressed, last) = (Instant::now(), activity);
        }
        if progressed.elapsed() > ANSWER_TIMEOUT {
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

/// Whether a node is a replica with keys whose master does not answer, and no other replica of that master
/// has as much.
fn is_last_copy(observed: &Observed, node: NodeRef) -> bool {
    let Some(view) = observed.view(node).filter(|view| view.is_replica() && view.keys() > 0) else {
        return false;
    };
    let Some(master) = view.myself().and_then(|own| own.master.as_deref()) else { return true };
    let others = observed.views().filter(|(other, _)| *other != node);
    let others: Vec<Holding> = others
        .filter(|(_, peer)| (&*peer.id == master && peer.owns_slots()) || peer.follows(master))
        .map(|(_, peer)| match peer.offset() {
            offset if offset >= view.offset() && (peer.owns_slots() || peer.has_synchronised()) => {
                Holding::Live { offset }
            }
            _ => Holding::Nothing,
        })
        .collect();
    !survives_stop(Holding::Nothing, &others)
}

/// The online replica with the highest offset; the earlier in the inventory of equals.
fn failover_candidate(observed: &Observed, master: NodeRef, view: &View) -> Option<NodeRef> {
    let online = |(node, peer): &(NodeRef, &View)| {
        view.info.replication.has_online(node.address()) && peer.info.replication.link_is_up()
    };
    observed
        .replicas_of(&view.id)
        .filter(|(node, _)| *node != master)
        .filter(online)
        .min_by_key(|(_, peer)| std::cmp::Reverse(peer.offset()))
        .map(|(node, _)| node)
}

/// The old master is a replica, the new one owns slots, every node that answers knows both, and the old one
/// replicates.
fn handed_over(observed: &Observed, old: NodeRef, new: NodeRef) -> bool {
    let (Some(old_view), Some(new_view)) = (observed.view(old), observed.view(new)) else { return false };
    let all_know = observed.views().all(|(_, view)| {
        let leads =
            view.rows.iter().any(|row| row.id == new_view.id && row.is_master() && !row.slots.is_empty());
        let follows = view.rows.iter().any(|row| row.id == old_view.id && row.is_replica());
        leads && follows
    });
    all_know && old_view.info.replication.link_is_up()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{SIX, at, cluster, row_mut, view_mut};

    const THREE: &str = "7001 master 0-16383\n7002 replica 7001 offset=90\n7003 replica 7001 offset=95\n";

    fn candidate(observed: &Observed) -> Option<NodeRef> {
        failover_candidate(observed, at("7001"), observed.view(at("7001")).unwrap())
    }

    #[test]
    fn the_replica_with_the_highest_offset_takes_over() {
        assert_eq!(candidate(&cluster(THREE)), Some(at("7003")));
    }

    #[test]
    fn of_equals_the_first_in_the_inventory_takes_over() {
        assert_eq!(candidate(&cluster(&THREE.replace("95", "90"))), Some(at("7002")));
    }

    #[test]
    fn a_replica_without_a_link_never_takes_over() {
        let cut = THREE.replace("offset=95", "offset=95 link=down");
        assert_eq!(candidate(&cluster(&cut)), Some(at("7002")));
    }

    #[test]
    fn a_replica_the_master_does_not_have_online_never_takes_over() {
        let mut observed = cluster(THREE);
        for line in &mut view_mut(&mut observed, "7001").info.replication.replicas {
            line.online = line.port != 7003;
        }
        assert_eq!(candidate(&observed), Some(at("7002")));
        for line in &mut view_mut(&mut observed, "7001").info.replication.replicas {
            line.online = false;
        }
        assert_eq!(candidate(&observed), None);
    }

    #[test]
    fn a_replica_of_another_master_never_takes_over() {
        assert_eq!(candidate(&cluster(SIX)), Some(at("7004")));
        assert_eq!(
            candidate(&cluster("7001 master 0-8191\n7002 master 8192-16383\n7003 replica 7002")),
            None
        );
    }

    /// 7004 has taken over from 7001.
    const AFTER: &str = "\
        7001 replica 7004
        7002 master 5461-10922
        7003 master 10923-16383
        7004 master 0-5460
        7005 replica 7002
        7006 down x
    ";

    #[test]
    fn a_hand_over_is_done_when_every_node_that_answers_knows_it() {
        let (old, new) = (at("7001"), at("7004"));
        assert!(!handed_over(&cluster(SIX), old, new));
        let mut observed = cluster(AFTER);
        assert!(handed_over(&observed, old, new));
        row_mut(&mut observed, "7005", "7004").slots.clear();
        assert!(!handed_over(&observed, old, new), "7005 does not know the slots of the new master");
    }

    #[test]
    fn a_hand_over_is_not_done_before_the_old_master_replicates() {
        let cut = AFTER.replace("replica 7004", "replica 7004 link=down");
        assert!(!handed_over(&cluster(&cut), at("7001"), at("7004")));
        let gone = AFTER.replace("7001 replica 7004", "7001 down x");
        assert!(!handed_over(&cluster(&gone), at("7001"), at("7004")));
    }

    #[test]
    fn a_node_that_still_has_the_old_master_as_one_is_waited_for() {
        let mut observed = cluster(AFTER);
        row_mut(&mut observed, "7003", "7001").flags = vec!["master".to_owned()];
        assert!(!handed_over(&observed, at("7001"), at("7004")));
    }
}
