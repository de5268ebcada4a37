//! After a restart: the node takes part in the cluster again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::Error;
use crate::{
    cluster::observe::{Activity, Observed, State, observe},
    inventory::NodeRef,
    redis::NodeReader,
    units::NodeId,
};

/// How often the nodes are asked.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until a restarted node takes part again: it answers, has loaded its data, its replication is up, and
/// no node says that the cluster is down. Nodes other than this one may be down: their turn comes.
pub async fn settled(reader: &NodeReader<'_>, node: NodeRef, deadline: Duration) -> Result<Duration, Error> {
    let began = Instant::now();
    let (mut progressed, mut last) = (began, Activity::default());
    loop {
        let observed = observe(reader).await;
        let Some(missing) = unsettled(&observed, node) else { return Ok(began.elapsed()) };
        let activity = Activity::of_node(&observed, node);
        if activity != last {
            (progressed, last) = (Instant::now(), activity);
        }
        if progressed.elapsed() > deadline {
            return Err(Error::NotSettled { node, missing, after: deadline });
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}

/// What a node is still waiting for.
pub(super) fn unsettled(observed: &Observed, node: NodeRef) -> Option<String> {
    let view = match observed.get(node)? {
        State::Down(reason) | State::AuthRejected(reason) => return Some(reason.clone()),
        State::Loading(bytes) => return Some(format!("it has loaded {bytes} bytes of its data so far")),
        State::Up(view) => view,
    };
    let replication = &view.info.replication;
    if view.is_replica() && !replication.link_is_up() {
        return Some(format!("it has no replication link to {}", replication.master_address()));
    }
    let answers = |id: &NodeId| observed.views().any(|(_, peer)| peer.id == *id);
    let cut = view.peers().filter(|row| !row.connected && answers(&row.id));
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
    let bad = observed.views().find(|(_, view)| !view.cluster.is_ok());
    bad.map(|(node, view)| format!("{node} says cluster_state:{}", view.cluster.state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{SIX, at, cluster, row_mut, view_mut};

    fn missing(observed: &Observed, node: &str) -> Option<String> {
        unsettled(observed, at(node))
    }

    #[test]
    fn a_node_of_a_healthy_cluster_is_settled() {
        let observed = cluster(SIX);
        for node in ["7001", "7002", "7003", "7004", "7005", "7006"] {
            assert_eq!(missing(&observed, node), None, "{node}");
        }
    }

    #[test]
    fn a_node_that_does_not_answer_or_loads_is_not_settled() {
        let down = cluster("7001 down connection refused");
        assert_eq!(missing(&down, "7001").as_deref(), Some("connection refused"));
        let loading = cluster("7001 loading 4096");
        assert_eq!(missing(&loading, "7001").as_deref(), Some("it has loaded 4096 bytes of its data so far"));
    }

    #[test]
    fn a_replica_is_not_settled_without_its_link() {
        let observed = cluster(&SIX.replace("replica 7001", "replica 7001 link=down"));
        let text = missing(&observed, "7004").unwrap();
        assert_eq!(text, "it has no replication link to 10.0.0.1:7001");
        assert_eq!(missing(&observed, "7001"), None, "its master is settled all the same");
    }

    #[test]
    fn a_missing_link_counts_only_towards_nodes_that_answer() {
        let mut observed = cluster(SIX);
        row_mut(&mut observed, "7001", "7005").connected = false;
        assert_eq!(missing(&observed, "7001").as_deref(), Some("it has no link to 10.0.0.1:7005"));
        let mut observed = cluster(&SIX.replace("7005 replica 7002", "7005 down x"));
        row_mut(&mut observed, "7001", "7005").connected = false;
        assert_eq!(missing(&observed, "7001"), None);
    }

    #[test]
    fn a_node_that_others_suspect_is_not_settled() {
        for flag in ["fail", "fail?"] {
            let mut observed = cluster(SIX);
            row_mut(&mut observed, "7003", "7001").flags.push(flag.to_owned());
            assert_eq!(missing(&observed, "7001").as_deref(), Some("10.0.0.1:7003 does not reach it yet"));
            assert_eq!(missing(&observed, "7002"), None, "it is about another node");
        }
    }

    #[test]
    fn a_cluster_that_is_down_for_any_node_is_not_settled() {
        let mut observed = cluster(SIX);
        view_mut(&mut observed, "7006").cluster.state = "fail".to_owned();
        assert_eq!(missing(&observed, "7001").as_deref(), Some("10.0.0.1:7006 says cluster_state:fail"));
    }
}
