//! Restarting nodes of a live cluster without losing a key: replicas first, and a master only after it has handed its
//! slots over.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    drift,
    form::gaps::online_at,
    observe::{Observed, State, View, count_keys},
};
use crate::{
    inventory::Fleet,
    redis::{self, Servers, words},
};

const POLL: Duration = Duration::from_millis(20);
/// A graceful failover takes milliseconds; the engine itself gives up after 5 s. Busy hosts need several attempts.
const FAILOVER: Duration = Duration::from_secs(30);
/// The engine's own time limit for a manual failover (`CLUSTER_MF_TIMEOUT`).
const FAILOVER_AGAIN: Duration = Duration::from_millis(5_200);

/// How long a node that is to be restarted may be silent.
const ANSWERS: Duration = Duration::from_secs(10);

/// Why a node cannot be restarted, or has not come back.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Redis(#[from] redis::Error),
    #[error("{master} did not hand its slots over to {replica} within {}s: {why}", after.as_secs())]
    #[diagnostic(help(
        "see that {replica} has replicated everything and that most masters answer, then run the same command again"
    ))]
    NotHandedOver { master: SocketAddr, replica: SocketAddr, why: String, after: Duration },
    #[error("{node} runs and did not answer within {}s: {why}", after.as_secs())]
    #[diagnostic(help(
        "it was not restarted: what it holds is unknown. See in its log why it hangs; where its keys may be lost, end its \
         process by hand. Then run the same command again"
    ))]
    NotResponding { node: SocketAddr, why: String, after: Duration },
    #[error(
        "{node} holds {keys} keys that no other node has: no replica of it is online, and it would start without them"
    )]
    #[diagnostic(help(
        "a restart would lose them, so it was not restarted. See in the logs of its replicas why they are not online, or \
         have it write them to disk (`{fix}`), then run the same command again"
    ))]
    OnlyCopy { node: SocketAddr, keys: u64, fix: &'static str },
    #[error("{node} has no replica that is online, and none came within {}s", after.as_secs())]
    #[diagnostic(help(
        "it was not restarted, which would interrupt its slots. See in the logs of its replicas why they are not online, \
         then run the same command again"
    ))]
    NoFailoverCandidate { node: SocketAddr, after: Duration },
    #[error("{node} has no replica that is online, while hosts of the cluster cannot be reached")]
    #[diagnostic(help(
        "it was not restarted, which would interrupt its slots. Run the same command again once these hosts are back"
    ))]
    CandidateUnreachable { node: SocketAddr },
    #[error("{node} has not settled within {}s: {missing}", after.as_secs())]
    #[diagnostic(help(
        "see in the node's log what it is doing, then run the same command again: it continues here"
    ))]
    NotSettled { node: SocketAddr, missing: String, after: Duration },
}

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

/// The order in which nodes are restarted: those that do not answer, then replicas, then masters.
pub fn order(observed: &Observed) -> Vec<SocketAddr> {
    let rank = |state: &State| match state {
        State::Up(view) if view.is_replica() => 1,
        State::Up(_) => 2,
        State::Down(_) | State::AuthRejected(_) | State::Loading(_) => 0,
    };
    let mut nodes: Vec<_> = observed.nodes.iter().map(|(node, state)| (rank(state), *node)).collect();
    nodes.sort_by_key(|(rank, _)| *rank);
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// Gives a master's slots to its most advanced replica, gracefully: writes pause for a moment and none is lost.
///
/// Call it before every restart, also of replicas: it lets masters begin a full sync at once instead of after 5 s.
/// [`form()`](super::form()) puts that setting back, and I37 tells where it was not.
pub async fn hand_over(servers: &Servers, node: SocketAddr) -> Result<HandOver, Error> {
    let observed = answering(servers, node).await?;
    sync_at_once(servers, &observed).await;
    let Some(view) = observed.view(node).filter(|view| owns_slots(view)) else {
        return Ok(HandOver::NotNeeded);
    };
    let Some(replica) = failover_candidate(&observed, node, view) else { return Ok(HandOver::NoReplica) };
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut why = "it is still the master".to_owned();
    loop {
        if asked.is_none_or(|at| at.elapsed() > FAILOVER_AGAIN) {
            let reply = servers.write(replica, &[words("CLUSTER FAILOVER")]).await?.swap_remove(0);
            if let Some(error) = reply.error() {
                error.clone_into(&mut why);
            }
            asked = Some(Instant::now());
        }
        let observed = servers.observe().await;
        if handed_over(&observed, node, replica) {
            return Ok(HandOver::To(replica));
        }
        if began.elapsed() > FAILOVER {
            return Err(Error::NotHandedOver { master: node, replica, why, after: FAILOVER });
        }
        sleep(POLL).await;
    }
}

/// Waits until a node answers. One that runs and does not may hold the only copy of its keys.
async fn answering(servers: &Servers, node: SocketAddr) -> Result<Observed, Error> {
    let (mut heard, mut loaded) = (Instant::now(), 0);
    loop {
        let observed = servers.observe().await;
        if observed.view(node).is_some() {
            return Ok(observed);
        }
        if let Some(State::Loading(bytes)) = observed.get(node)
            && *bytes > loaded
        {
            (heard, loaded) = (Instant::now(), *bytes);
        }
        if heard.elapsed() > ANSWERS {
            let why = unsettled(&observed, node).unwrap_or_default();
            return Err(Error::NotResponding { node, why, after: ANSWERS });
        }
        sleep(POLL).await;
    }
}

/// Refuses a restart that would lose keys: of a node that has some and does not leave them where its new configuration
/// looks for them, which is the AOF if there shall be one, and else the RDB file that SIGTERM writes where `save` is set.
pub async fn survives(servers: &Servers, fleet: &Fleet, node: SocketAddr) -> Result<(), Error> {
    let asked = ["INFO keyspace", "CONFIG GET appendonly", "CONFIG GET save"].map(words);
    let replies = servers.read(node, &asked).await?;
    let [keyspace, appendonly, save] = replies.as_slice() else { return Ok(()) };
    let keys = count_keys(keyspace.text());
    let (kept, fix) = if reads_aof(fleet, node) {
        (appendonly.config_value() == Some("yes"), "CONFIG SET appendonly yes")
    } else {
        (save.config_value().is_some_and(|points| !points.is_empty()), "CONFIG SET save \"3600 1\"")
    };
    if keys > 0 && !kept { Err(Error::OnlyCopy { node, keys, fix }) } else { Ok(()) }
}

/// Whether a node's configuration turns the AOF on, as the template does where the inventory says nothing.
fn reads_aof(fleet: &Fleet, address: SocketAddr) -> bool {
    let managed = fleet.nodes().find(|node| node.address == address).map(|node| drift::managed(fleet, node));
    let lines = managed.and_then(|mut managed| managed.remove("appendonly")).unwrap_or_default();
    lines.last().is_none_or(|line| !line.trim().eq_ignore_ascii_case("no"))
}

/// A node that cannot be told is slow to serve its replica, and no worse.
async fn sync_at_once(servers: &Servers, observed: &Observed) {
    let name = "repl-diskless-sync-delay";
    let slow = observed.views().filter(|(_, view)| view.tuning.get(name).is_some_and(|value| value != "0"));
    let command = words(&format!("CONFIG SET {name} 0"));
    servers.write_each(slow.map(|(node, _)| (node, vec![command.clone()])).collect()).await;
}

fn owns_slots(view: &View) -> bool {
    view.myself().is_some_and(|own| own.is_master() && !own.slots.is_empty())
}

/// The online replica with the highest offset; the earlier in the inventory of equals.
fn failover_candidate(observed: &Observed, master: SocketAddr, view: &View) -> Option<SocketAddr> {
    let follows = |peer: &View| peer.myself().is_some_and(|own| own.master.as_deref() == Some(&view.id));
    observed
        .views()
        .filter(|(address, peer)| {
            *address != master
                && follows(peer)
                && online_at(view, *address)
                && peer.info("master_link_status") == "up"
        })
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
    heard && old_view.info("master_link_status") == "up"
}

/// Waits until a restarted node takes part again: it answers, has loaded its data, its replication is up, and no node
/// says that the cluster is down. Nodes other than this one may be down: their turn comes.
pub async fn settled(servers: &Servers, node: SocketAddr, deadline: Duration) -> Result<Duration, Error> {
    let began = Instant::now();
    let (mut heard, mut loaded) = (began, 0);
    loop {
        let observed = servers.observe().await;
        let Some(missing) = unsettled(&observed, node) else { return Ok(began.elapsed()) };
        if let Some(State::Loading(bytes)) = observed.get(node)
            && *bytes > loaded
        {
            (heard, loaded) = (Instant::now(), *bytes);
        }
        if heard.elapsed() > deadline {
            return Err(Error::NotSettled { node, missing, after: deadline });
        }
        sleep(POLL).await;
    }
}

/// What a node is still waiting for.
fn unsettled(observed: &Observed, node: SocketAddr) -> Option<String> {
    let view = match observed.get(node)? {
        State::Down(reason) | State::AuthRejected(reason) => return Some(reason.clone()),
        State::Loading(bytes) => return Some(format!("it has loaded {bytes} bytes of its data so far")),
        State::Up(view) => view,
    };
    if view.is_replica() && view.info("master_link_status") != "up" {
        return Some(format!(
            "it has no replication link to {}:{}",
            view.info("master_host"),
            view.info("master_port")
        ));
    }
    let cut = view
        .peers()
        .filter(|row| !row.connected && row.address().is_some_and(|a| observed.view(a).is_some()));
    if let Some(row) = cut.into_iter().next() {
        return Some(format!("it has no link to {}", row.written_address()));
    }
    let suspects = observed.views().find_map(|(other, peer)| {
        let row = peer.row(&view.id).filter(|row| !row.is_myself())?;
        (row.has("fail") || row.has("fail?") || !row.connected).then_some(other)
    });
    if let Some(other) = suspects {
        return Some(format!("{other} does not reach it yet"));
    }
    let bad = observed.views().find(|(_, view)| view.cluster("cluster_state") != "ok");
    bad.map(|(node, view)| format!("{node} says cluster_state:{}", view.cluster("cluster_state")))
}
