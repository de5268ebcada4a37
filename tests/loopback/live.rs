//! Setting directives on real servers, slowed down by the engine's own brake.

use crate::servers::{Lab, tell};
use provision::{
    cluster::{LiveError, Op, set_live},
    inventory::NodeRef,
    redis::{NodeWriter, Reply},
};
use tokio::time::{Duration, Instant, sleep};

const KEYS: u64 = 200;

fn op(node: NodeRef, directive: &str, value: &str) -> Op {
    Op::Set { node, directive: directive.to_owned(), value: value.to_owned(), was: String::new() }
}

/// Waits until the node serves its slots, which takes two seconds after its start.
async fn serving(writer: &NodeWriter<'_>, node: NodeRef) {
    let end = Instant::now() + Duration::from_mins(1);
    while tell(writer, node, "GET key:0").await.error().is_some() {
        assert!(Instant::now() < end, "{node} serves no key");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Has one node serve all slots, and writes keys to it.
async fn filled(writer: &NodeWriter<'_>, node: NodeRef) {
    tell(writer, node, "CLUSTER ADDSLOTSRANGE 0 16383").await;
    serving(writer, node).await;
    for key in 0..KEYS {
        assert_eq!(tell(writer, node, &format!("SET key:{key} {key}")).await.text(), "OK");
    }
}

/// A start after a crash, with one more directive in the file; how many keys are there.
async fn keys_after_a_crash(lab: &mut Lab, writer: &NodeWriter<'_>, node: NodeRef, appendonly: &str) -> u64 {
    lab.kill(node);
    lab.fleet.config.insert("appendonly".to_owned(), vec![appendonly.to_owned()]);
    lab.start_node(node);
    lab.up(writer.reader()).await;
    serving(writer, node).await;
    let mut kept = 0;
    for key in 0..KEYS {
        let value = tell(writer, node, &format!("GET key:{key}")).await;
        kept += u64::from(value == Reply::Text(key.to_string()));
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_next_start_is_complete_when_a_switch_returns() {
    let mut lab = Lab::start(1, 0);
    let node = lab.nodes()[0];
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.up(writer.reader()).await;
    filled(&writer, node).await;
    // A key takes 5 ms to save: a second for all.
    tell(&writer, node, "CONFIG SET appendonly no").await;
    tell(&writer, node, "CONFIG SET rdb-key-save-delay 5000").await;
    assert_eq!(set_live(&writer, &[op(node, "appendonly", "yes")]).await.unwrap(), 1);
    assert_eq!(keys_after_a_crash(&mut lab, &writer, node, "yes").await, KEYS);

    tell(&writer, node, "CONFIG SET rdb-key-save-delay 5000").await;
    // Another save is at work: the switch waits for its own.
    tell(&writer, node, "BGREWRITEAOF").await;
    assert_eq!(set_live(&writer, &[op(node, "appendonly", "no")]).await.unwrap(), 1);
    assert_eq!(keys_after_a_crash(&mut lab, &writer, node, "no").await, KEYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_refuses_or_cannot_write_is_told_and_ends_it() {
    let lab = Lab::start(1, 0);
    let node = lab.nodes()[0];
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.up(writer.reader()).await;
    let ops = [op(node, "maxmemory-policy", "lots"), op(node, "hz", "33")];
    let refused = set_live(&writer, &ops).await.unwrap_err();
    assert!(
        matches!(&refused, LiveError::Refused { directive, .. } if directive == "maxmemory-policy"),
        "{refused}"
    );
    assert!(refused.to_string().contains(&node.to_string()), "{refused}");
    assert_eq!(tell(&writer, node, "CONFIG GET hz").await.config_value(), Some("10"));

    tokio::fs::remove_dir_all(lab.nodes_conf(node).parent().unwrap()).await.unwrap();
    let failed = set_live(&writer, &[op(node, "appendonly", "no")]).await.unwrap_err();
    assert!(matches!(&failed, LiveError::NotWritten { file: "its RDB file", .. }), "{failed}");
    assert_eq!(tell(&writer, node, "CONFIG GET appendonly").await.config_value(), Some("yes"));
}
