//! What the proof says of real clusters: each scenario proves, or breaks, something.

use std::{net::SocketAddr, time::Duration};

use crate::servers::{Lab, command, free_port, tell};
use provision::{
    cluster::{Evidence, Observed, ProofMode, Status, observe},
    inventory::NodeRef,
    redis::{NodeReader, NodeWriter, Reply, slot_of_key},
    report,
};
use tokio::time::Instant;

/// The invariants with this result.
fn with(evidence: &Evidence, status: Status) -> Vec<&str> {
    evidence.invariants.iter().filter(|i| i.status == status).map(|i| i.id.as_str()).collect()
}

fn said<'e>(evidence: &'e Evidence, id: &str) -> &'e str {
    &evidence.get(id).unwrap().evidence
}

async fn tell_all(lab: &Lab, writer: &NodeWriter<'_>, text: &str) {
    for node in lab.nodes() {
        assert_eq!(tell(writer, node, text).await, Reply::Text("OK".to_owned()), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_on_ipv6_is_proven() {
    let addresses = (0..6).map(|_| format!("[::1]:{}", free_port()).parse().unwrap()).collect();
    let mut lab = Lab::stopped(addresses, 1, false);
    lab.start_all();
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let evidence = lab.prove(writer.reader()).await;
    assert!(said(&evidence, "I30").contains("located at [::1]:"), "{}", said(&evidence, "I30"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_may_be_sent_to_names_and_to_unknown_endpoints() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    tell_all(&lab, &writer, "CONFIG SET cluster-preferred-endpoint-type unknown-endpoint").await;
    let evidence = lab.prove(writer.reader()).await;
    assert!(said(&evidence, "I30").contains("located at (the same host):"), "{}", said(&evidence, "I30"));

    tell_all(&lab, &writer, "CONFIG SET cluster-announce-hostname redis.example").await;
    tell_all(&lab, &writer, "CONFIG SET cluster-preferred-endpoint-type hostname").await;
    let evidence = lab.prove(writer.reader()).await;
    assert!(said(&evidence, "I30").contains("located at redis.example:"), "{}", said(&evidence, "I30"));

    for node in lab.nodes() {
        let nameless = ["CONFIG", "SET", "cluster-announce-hostname", ""].map(str::to_owned);
        writer.write(node, &[nameless.into()]).await.unwrap();
    }
    let end = Instant::now() + Duration::from_mins(1);
    let named = |observed: &Observed| {
        observed.views().any(|(_, view)| view.rows.iter().any(|row| row.hostname.is_some()))
    };
    while named(&observe(writer.reader()).await) {
        assert!(Instant::now() < end, "the nodes still have names");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let evidence = lab.verify(writer.reader()).await;
    assert_eq!(with(&evidence, Status::Broken), ["I30"], "{evidence:#?}");
    assert!(
        said(&evidence, "I30").contains("has no cluster-announce-hostname"),
        "{}",
        said(&evidence, "I30")
    );
}

/// A key of the slots of the first master.
fn key_of_first(number: u32) -> String {
    let keys = (0..).map(|n| format!("key:{number}:{n}"));
    keys.into_iter().find(|key| slot_of_key(key) <= 5460).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_at_its_memory_limit_is_named() {
    let addresses = (0..6).map(|_| SocketAddr::from(([127, 0, 0, 1], free_port()))).collect();
    let mut lab = Lab::stopped(addresses, 1, false);
    lab.fleet.config.insert("maxmemory".to_owned(), vec!["8mb".to_owned()]);
    lab.start_all();
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let master = lab.nodes()[0];
    let value = "x".repeat(10_000);
    let mut refused = 0;
    for number in 0..2_000 {
        let set = command(&format!("SET {} {value}", key_of_first(number)));
        let reply = writer.write(master, &[set]).await.unwrap().remove(0);
        refused += u32::from(reply.error().is_some_and(|text| text.starts_with("OOM")));
    }
    assert!(refused > 100, "{refused}");
    let evidence = lab.verify(writer.reader()).await;
    println!("{}", said(&evidence, "I39"));
    assert_eq!(with(&evidence, Status::Broken), ["I39"], "{evidence:#?}");
    let text = said(&evidence, "I39");
    assert!(text.contains(&format!("{master} is at its limit and refuses writes")), "{text}");
}

/// How often a node was given each command since the counts were reset.
async fn calls(writer: &NodeWriter<'_>, node: NodeRef) -> Vec<(String, u64)> {
    let reply = tell(writer, node, "INFO commandstats").await;
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    reply.text().lines().filter_map(calls).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_an_open_slot_is_looked_at_once_a_second() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let [from, to] = [lab.nodes()[0], lab.nodes()[1]];
    let observed = observe(writer.reader()).await;
    let id = |node| observed.view(node).unwrap().id.to_string();
    tell(&writer, to, &format!("CLUSTER SETSLOT 93 IMPORTING {}", id(from))).await;
    tell(&writer, from, &format!("CLUSTER SETSLOT 93 MIGRATING {}", id(to))).await;
    tell_all(&lab, &writer, "CONFIG RESETSTAT").await;

    let began = Instant::now();
    let evidence = lab.verify(writer.reader()).await;
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(with(&evidence, Status::Broken), ["I12"], "{evidence:#?}");
    assert_eq!(with(&evidence, Status::NotProven), [""; 0], "{evidence:#?}");
    assert_eq!(said(&evidence, "I12"), format!("slot 93 is on the move from {from} to {to}"));
    for node in lab.nodes() {
        let calls = calls(&writer, node).await;
        let of =
            |name: &str| calls.iter().find(|(command, _)| command == name).map_or(0, |(_, calls)| *calls);
        for look in ["cluster|nodes", "cluster|info", "role", "cluster|links", "get"] {
            assert!(of(look) <= 25, "{node} was asked {} times for {look}: {calls:?}", of(look));
        }
        assert!(of("cluster|nodes") >= 15, "it was looked at for all that time: {calls:?}");
        assert!(of("set") <= 1 && of("wait") <= 2, "what was proven once is not written again: {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_writes_nothing_and_says_what_it_leaves_unproven() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    tell_all(&lab, &writer, "CONFIG RESETSTAT").await;
    let before = offsets(writer.reader(), &lab).await;
    let evidence = lab.verify_in(writer.reader(), ProofMode::ReadOnly).await;
    assert!(evidence.holds(), "{evidence:#?}");
    assert_eq!(with(&evidence, Status::NotProven), ["I25", "I26", "I29"]);
    assert!(evidence.invariants.iter().filter(|i| i.status == Status::NotProven).all(|i| i.by_choice));
    for (node, offset) in offsets(writer.reader(), &lab).await {
        let calls = calls(&writer, node).await;
        let changing = ["set", "del", "exists", "wait"];
        assert!(!calls.iter().any(|(name, _)| changing.contains(&name.as_str())), "{calls:?}");
        let pings = 14 * 3;
        let grown = offset - before.iter().find(|(other, _)| *other == node).unwrap().1;
        assert!(grown <= pings, "the stream of {node} grew by {grown} bytes");
    }
}

async fn offsets(reader: &NodeReader<'_>, lab: &Lab) -> Vec<(NodeRef, u64)> {
    let observed = observe(reader).await;
    lab.nodes().iter().map(|node| (*node, observed.view(*node).unwrap().offset())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_file_that_runs_with_another_value_is_named() {
    let lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let [node, other] = [lab.nodes()[0], lab.nodes()[4]];
    tell(&writer, node, "CONFIG SET appendonly no").await;
    tell(&writer, other, "CONFIG SET logfile /dev/null").await;
    tell(&writer, other, "CONFIG SET cluster-node-timeout 60000").await;
    let evidence = lab.verify(writer.reader()).await;
    assert_eq!(with(&evidence, Status::Broken), ["I35"], "{evidence:#?}");
    let text = said(&evidence, "I35");
    for part in [
        format!("{node} has appendonly \"no\", not yes"),
        format!("{other} has cluster-node-timeout \"60000\""),
    ] {
        assert!(text.contains(&part), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_what_the_schema_says() {
    let mut lab = Lab::start(6, 1);
    let host = lab.lock().await;
    let writer = lab.formed(&host).await;
    let schema = jsonschema::draft202012::new(&report::schema()).unwrap();
    let mut shown = Vec::new();
    for mode in [ProofMode::WriteProbes, ProofMode::ReadOnly] {
        shown.push(serde_json::to_value(lab.verify_in(writer.reader(), mode).await).unwrap());
    }
    lab.kill(lab.nodes()[5]);
    shown.push(serde_json::to_value(lab.verify(writer.reader()).await).unwrap());
    for evidence in &mut shown {
        let errors: Vec<String> = schema.iter_errors(evidence).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        evidence["invariants"][0]["status"] = "fine".into();
        assert!(!schema.is_valid(evidence), "the schema allows anything");
    }
}
