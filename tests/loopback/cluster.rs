//! Forming and proving real clusters: every test starts its own servers on loopback.

use std::{collections::BTreeMap, time::Duration};

use crate::servers::{Lab, command, simulated, tell, write};
use provision::cluster::{
    ClusterState, FormError, HandOver, Manifest, NextStart, Observed, OnDisk, Premises, SafetyViolation,
    Status, StoppedNode, assess, hand_over, observe, order, settled,
};
use provision::redis::{NodeWriter, Reply, slot_of_key};
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread")]
async fn six_cold_nodes_become_a_cluster_and_a_second_run_does_nothing() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    let formed = lab.form(&writer).await.unwrap();
    println!("formed after {:?}: {:?}", lab.started.elapsed(), formed.reached);
    let observed = observe(writer.reader()).await;
    assert_eq!(formed.manifest, Manifest::of(&lab.fleet, &observed, None));
    let disk = OnDisk { manifest: formed.manifest.clone(), ..OnDisk::default() };
    let known = Premises { disk: &disk, ..lab.premises() };
    assert!(assess(&known, &observed).is_healthy());
    let evidence = lab.prove(writer.reader()).await;
    println!("proven after {:?}", lab.started.elapsed());
    for i in &evidence.invariants {
        println!("{:>4} {:?} {} — {} ({} ms)", i.id, i.status, i.title, i.evidence, i.took_ms);
    }
    let moved = &evidence.get("I30").unwrap().evidence;
    assert!(moved.contains("Redirected to slot ["), "{moved}");

    let again = lab.form(&writer).await.unwrap();
    assert_eq!((again.commands, again.reached), (0, vec![]));
    let evidence = lab.prove(writer.reader()).await;
    println!("proven again in {} ms", evidence.took_ms);
    for node in lab.nodes() {
        assert_eq!(tell(&writer, node, "DBSIZE").await, Reply::Int(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_without_meet_are_finished() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.up(writer.reader()).await;
    let nodes = lab.nodes();
    for (node, (first, last)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
        tell(&writer, *node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}")).await;
    }
    let standing = assess(&lab.premises(), &observe(writer.reader()).await).state;
    assert!(matches!(standing, ClusterState::Partial { .. }), "{standing:?}");
    lab.form(&writer).await.unwrap();
    lab.prove(writer.reader()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn meet_without_replicate_is_finished() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.up(writer.reader()).await;
    let nodes = lab.nodes();
    for (index, node) in nodes.iter().enumerate() {
        tell(&writer, *node, &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1)).await;
    }
    for (node, (first, last)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
        tell(&writer, *node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}")).await;
    }
    for node in &nodes[1..] {
        tell(
            &writer,
            *node,
            &format!("CLUSTER MEET {} {}", nodes[0].address().ip(), nodes[0].address().port()),
        )
        .await;
    }
    sleep(Duration::from_millis(700)).await;
    lab.form(&writer).await.unwrap();
    lab.prove(writer.reader()).await;
}

/// Dropping a future at a random moment is what SIGKILL does to a run.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_formation_is_continued() {
    let lab = Lab::start(6, 1);
    for millis in [60, 130, 210, 330, 480] {
        let host = lab.lock().await;
        let writer = lab.writer(&host);
        let _ = tokio::time::timeout(Duration::from_millis(millis), lab.form(&writer)).await;
    }
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.form(&writer).await.unwrap();
    let evidence = lab.prove(writer.reader()).await;
    assert_eq!(evidence.get("I37").unwrap().status, Status::Holds);
}

const FOREIGN: &str = "\
2222222222222222222222222222222222222222 127.0.0.1:9@10009 master - 0 0 2 connected 8192-16383
1111111111111111111111111111111111111111 127.0.0.1:8@10008 myself,master - 0 0 1 connected 0-8191
vars currentEpoch 2 lastVoteEpoch 0
";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_refused_before_anything_changes() {
    let nodes = Lab::start(6, 1).nodes();
    let mut lab = Lab::stopped(nodes.iter().map(|node| node.address()).collect(), 1, false);
    let stranger = nodes[4];
    std::fs::create_dir_all(lab.nodes_conf(stranger).parent().unwrap()).unwrap();
    write(lab.nodes_conf(stranger), FOREIGN);

    let expected = |refusal: &SafetyViolation| {
        let text = refusal.to_string();
        assert!(
            text.contains(&stranger.to_string()) && text.contains("222222") && text.contains("127.0.0.1:9"),
            "{text}"
        );
    };
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    let file = StoppedNode { nodes_conf: Some(FOREIGN.to_owned()), next_start: NextStart::Nothing };
    let disk = OnDisk { stopped: BTreeMap::from([(stranger, file)]), ..OnDisk::default() };
    let known = Premises { disk: &disk, ..lab.premises() };
    expected(&assess(&known, &observe(writer.reader()).await).refusal.unwrap());

    lab.start_all();
    lab.up(writer.reader()).await;
    let read =
        |lab: &Lab| nodes.iter().map(|a| std::fs::read(lab.nodes_conf(*a)).unwrap()).collect::<Vec<_>>();
    let before = read(&lab);
    match lab.form(&writer).await {
        Err(FormError::Refused(refusal)) => expected(&refusal),
        other => panic!("{other:?}"),
    }
    assert_eq!(writer.changes_sent(), 0);
    assert_eq!(read(&lab), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_node_with_keys_is_refused() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.up(writer.reader()).await;
    let node = lab.nodes()[5];
    tell(&writer, node, "CONFIG SET cluster-require-full-coverage no").await;
    tell(&writer, node, "CLUSTER ADDSLOTS 5798").await;
    let end = Instant::now() + Duration::from_mins(1);
    while tell(&writer, node, "SET name x").await.error().is_some() {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(50)).await;
    }
    tell(&writer, node, "CLUSTER DELSLOTS 5798").await;
    let refused = assess(&lab.premises(), &observe(writer.reader()).await).refusal;
    assert!(
        matches!(refused, Some(SafetyViolation::WouldFlush { node: found, keys: 1 }) if found == node),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_named() {
    let mut lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let victim = lab.nodes()[4];
    lab.kill(victim);
    let evidence = lab.verify(writer.reader()).await;
    assert!(evidence.took_ms < 15_000, "a dead node is not waited for: {} ms", evidence.took_ms);
    for (id, status) in [
        ("I38", Status::Broken),
        ("I2", Status::NotProven),
        ("I19", Status::NotProven),
        ("I22", Status::NotProven),
        ("I25", Status::NotProven),
    ] {
        let invariant = evidence.get(id).unwrap();
        assert_eq!(invariant.status, status, "{invariant:?}");
        assert!(invariant.evidence.contains(&victim.to_string()), "{invariant:?}");
    }
    let standing = assess(&lab.premises(), &observe(writer.reader()).await).state;
    assert!(
        matches!(&standing, ClusterState::Degraded { down } if down[0].to_string().contains(&victim.to_string())),
        "{standing:?}"
    );

    lab.start_node(victim);
    settled(writer.reader(), victim, Duration::from_mins(1)).await.unwrap();
    lab.prove(writer.reader()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_there_is_nothing_to_do() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let master = lab.nodes()[0];
    let heir = lab.nodes()[3];
    assert_eq!(hand_over(&writer, master).await.unwrap(), HandOver::To(heir));
    assert_eq!(hand_over(&writer, master).await.unwrap(), HandOver::NotNeeded);
    lab.form(&writer).await.unwrap();
    lab.prove(writer.reader()).await;
    assert_eq!(lab.form(&writer).await.unwrap().commands, 0);
}

/// The way `apply` restarts: no key is lost, and the order never takes two nodes of a shard.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_keeps_every_key() {
    let mut lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    for n in 0..300 {
        set(&writer, &observe(writer.reader()).await, &format!("key:{n}")).await;
    }
    let order = order(&observe(writer.reader()).await);
    assert_eq!(order[..3], lab.nodes()[3..]);
    for node in order {
        hand_over(&writer, node).await.unwrap();
        lab.kill(node);
        lab.start_node(node);
        let took = settled(writer.reader(), node, Duration::from_mins(1)).await.unwrap();
        println!("{node} restarted and settled after {took:?}");
    }
    let observed = observe(writer.reader()).await;
    let keys: u64 =
        observed.views().filter(|(_, view)| !view.is_replica()).map(|(_, view)| view.keys()).sum();
    assert_eq!(keys, 300);
    lab.form(&writer).await.unwrap();
    lab.prove(writer.reader()).await;
}

async fn set(writer: &NodeWriter<'_>, observed: &Observed, key: &str) {
    let slot = slot_of_key(key);
    let owner = observed.views().find(|(_, view)| {
        view.myself().is_some_and(|own| own.slots.iter().any(|range| range.contains(slot)))
    });
    let reply = writer.write(owner.unwrap().0, &[command(&format!("SET {key} x"))]).await.unwrap();
    assert_eq!(reply, [Reply::Text("OK".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_its_memory_gets_its_place_back() {
    let mut lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let victim = lab.nodes()[3];
    lab.kill(victim);
    std::fs::remove_dir_all(lab.nodes_conf(victim).parent().unwrap()).unwrap();
    lab.start_node(victim);
    lab.up(writer.reader()).await;
    lab.form(&writer).await.unwrap();
    lab.prove(writer.reader()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_nodes_with_two_replicas_each() {
    let lab = Lab::start(9, 2);
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    let formed = lab.form(&writer).await.unwrap();
    println!("nine nodes formed after {:?}: {:?}", lab.started.elapsed(), formed.reached);
    lab.prove(writer.reader()).await;
    println!("nine nodes proven after {:?}", lab.started.elapsed());
    assert_eq!(lab.form(&writer).await.unwrap().commands, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn six_addresses_on_one_port() {
    let mut lab = Lab::stopped(simulated(6), 1, true);
    lab.start_all();
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    println!("six addresses proven after {:?}", lab.started.elapsed());
    assert_eq!(lab.form(&writer).await.unwrap().commands, 0);
}
