//! After a restart: the node takes part in the cluster again.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::error::Error;
use crate::{
    cluster::observe::{Observed, State, observe},
    redis::NodeReader,
};

/// How often the nodes are asked.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until a restarted node takes part again: it answers, has loaded its data, its replication is up, and no node
/// says that the cluster is down. Nodes other than this one may be down: their turn comes.
pub async fn settled(
    reader: &NodeReader<'_>,
    node: SocketAddr,
    deadline: Duration,
) -> Result<Duration, Error> {
    let began = Instant::now();
    let (mut heard, mut loaded) = (began, 0);
    loop {
        let observed = observe(reader).await;
        let Some(missing) = unsettled(&observed, node) else { return Ok(began.elapsed()) };
        if let Some(State::Loading(bytes)) = observed.get(node)
            && *bytes > loaded
        {
            (heard, loaded) = (Instant::now(), *bytes);
        }
        if heard.elapsed() > deadline {
            return Err(Error::NotSettled { node, missing, after: deadline });
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}

/// What a node is still waiting for.
pub(super) fn unsettled(observed: &Observed, node: SocketAddr) -> Option<String> {
    let view = match observed.get(node)? {
        State::Down(reason) | State::AuthRejected(reason) => return Some(reason.clone()),
        State::Loading(bytes) => return Some(format!("it has loaded {bytes} bytes of its data so far")),
        State::Up(view) => view,
    };
    let replication = &view.info.replication;
    if view.is_replica() && !replication.link_is_up() {
        return Some(format!("it has no replication link to {}", replication.master_address()));
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
    let bad = observed.views().find(|(_, view)| !view.cluster.is_ok());
    bad.map(|(node, view)| format!("{node} says cluster_state:{}", view.cluster.state))
}
