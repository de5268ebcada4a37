//! The cluster: what its nodes say, and whether they may be changed at all.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    error::Error,
    session::{HostHandle, Sessions},
};
use crate::{
    artifact::ArtifactSpec,
    cluster::{self, ClusterState, HostCheckTarget, assess},
    inventory::{Fleet, Node},
    redis::NodeReader,
    resource::{Binary, Observed, PASSWORD},
    units::HostName,
};

/// How long to wait for news that nodes still have to hear of each other: each node pings one other a second.
const GOSSIP_TIMEOUT: Duration = Duration::from_secs(5);
const GOSSIP_INTERVAL: Duration = Duration::from_millis(100);

/// Where `verify` looks on each host, and what must be there.
pub fn host_check_targets<H>(fleet: &Fleet, sessions: &Sessions<H>) -> BTreeMap<HostName, HostCheckTarget> {
    let recipe = ArtifactSpec::of(fleet).recipe.id();
    let targets = sessions.iter().map(|(host, session)| {
        let layout = session.layout.clone();
        let binary = Some(Binary::new(fleet, &layout, &recipe).path());
        (host.clone(), HostCheckTarget { layout, binary, units: session.facts.runs_units() })
    });
    targets.collect()
}

/// Asks all servers about their cluster, and again while all that is missing may be news that has not arrived
/// yet; `observed` gives what was found on each host. Refuses nodes that must not be changed.
pub async fn cluster_state<'a, H: HostHandle>(
    fleet: &Fleet,
    sessions: &Sessions<H>,
    observed: impl Fn(&HostName) -> Option<&'a Observed>,
) -> Result<(cluster::Observed, ClusterState), Error> {
    let reader = NodeReader::new(fleet, sessions.probes())?;
    let disk = fleet.nodes().filter_map(|node| {
        let text = observed(&node.host)?.node(&node.name)?.nodes_conf.as_ref()?;
        Some((node.address, text.clone()))
    });
    let disk: BTreeMap<SocketAddr, String> = disk.collect();
    let began = Instant::now();
    loop {
        let seen = cluster::observe(&reader).await;
        refuse_auth_mismatch(fleet, sessions, &observed, &seen)?;
        let state = assess(fleet, &seen, &disk)?;
        let converging = matches!(state, ClusterState::Partial { converging: true, .. });
        if !converging || began.elapsed() > GOSSIP_TIMEOUT {
            return Ok((seen, state));
        }
        sleep(GOSSIP_INTERVAL).await;
    }
}

/// Before anything is planned, and before a password is generated: a node that rejects our password looks
/// dead to all that follows. A process that is not ours has taken a port of ours, and the plan refuses that
/// with a better message.
fn refuse_auth_mismatch<'a, H>(
    fleet: &Fleet,
    sessions: &Sessions<H>,
    observed: impl Fn(&HostName) -> Option<&'a Observed>,
    seen: &cluster::Observed,
) -> Result<(), cluster::AuthMismatch> {
    let password_file = |node: &Node| {
        observed(&node.host)?.node(&node.name)?.running.as_ref()?;
        let layout = &sessions.get(&node.host).ok()?.layout;
        Some(format!("{}/{}/{PASSWORD}", layout.etc, node.name))
    };
    cluster::auth_mismatch(fleet, seen, password_file).map_or(Ok(()), Err)
}
