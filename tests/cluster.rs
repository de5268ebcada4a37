//! Forming and proving real clusters: every test starts its own servers on loopback.

#[path = "cluster/lab.rs"]
mod lab;

use std::collections::BTreeMap;

use lab::{Lab, tell};
use provision::cluster::{Standing, assess};

#[tokio::test(flavor = "multi_thread")]
async fn six_cold_nodes_become_a_cluster_and_a_second_run_does_nothing() {
    let lab = Lab::start(6, 1);
    let servers = lab.servers().await;
    let formed = lab.form(&servers).await.unwrap();
    println!("formed in {:?}: {formed:?}", lab.started.elapsed());
    let observed = servers.observe().await;
    assert_eq!(assess(&lab.fleet, &observed, &BTreeMap::new()), Ok(Standing::Formed));
    let again = lab.form(&servers).await.unwrap();
    assert_eq!((again.commands, again.reached), (0, vec![]));
    let _ = tell(&servers, lab.addresses()[0], "PING").await;
}
