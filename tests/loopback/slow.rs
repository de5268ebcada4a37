//! Nodes that take their time, by the engine's own brakes: what is on its way is waited for, and what hangs
//! is never taken for it.

use crate::servers::{Lab, tell};
use provision::{
    cluster::{HandOver, RollingError, hand_over, settled},
    inventory::NodeRef,
    redis::{NodeWriter, Reply},
};
use tokio::time::{Duration, Instant, sleep};

const KEYS: u64 = 200;
/// Longer than nodes may give no answer, and load nothing (`ANSWER_TIMEOUT`).
const LOADS: Duration = Duration::from_secs(11);
/// Longer than a formation waits where nobody does anything (`MIN_PROGRESS_TIMEOUT`).
const SAVES: Duration = Duration::from_secs(22);

/// What the engine is to wait at each key, in microseconds, so that all of them take this long.
fn a_key(all: Duration) -> u128 {
    all.as_micros() / u128::from(KEYS)
}

/// Writes keys to the master of all slots.
async fn fill(writer: &NodeWriter<'_>, node: NodeRef) {
    let value = "x".repeat(200);
    for key in 0..KEYS {
        assert_eq!(tell(writer, node, &format!("SET key:{key} {key}{value}")).await.text(), "OK");
    }
}

async fn set(writer: &NodeWriter<'_>, node: NodeRef, directive: &str, value: impl ToString) {
    let reply = tell(writer, node, &format!("CONFIG SET {directive} {}", value.to_string())).await;
    assert_eq!(reply.text(), "OK", "{directive}");
}

/// Review D8. A node that loads for longer than any silence may last.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_loads_for_long_is_waited_for() {
    let mut lab = Lab::start(1, 0);
    let node = lab.nodes()[0];
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.form(&writer).await.unwrap();
    fill(&writer, node).await;
    set(&writer, node, "appendonly", "no").await;
    assert_eq!(tell(&writer, node, "SAVE").await.text(), "OK");
    lab.kill(node);
    let config = [("appendonly", "no".to_owned()), ("key-load-delay", a_key(LOADS).to_string())];
    for (name, value) in config.into_iter().chain([("loading-process-events-interval-bytes", "1024".into())])
    {
        lab.fleet.config.insert(name.to_owned(), vec![value]);
    }
    lab.start_node(node);
    let began = Instant::now();
    lab.form(&writer).await.unwrap();
    assert!(began.elapsed() > LOADS, "it was to load slowly: {:?}", began.elapsed());
    assert_eq!(tell(&writer, node, "DBSIZE").await, Reply::Int(KEYS.cast_signed()));
}

/// Review D8. A replica that cannot begin to synchronise before its master has written its AOF, and whose
/// master then saves to disk for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_master_is_busy_with_its_files_is_waited_for() {
    let mut lab = Lab::start(2, 1);
    let [master, replica] = lab.nodes()[..] else { panic!("two nodes") };
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.form(&writer).await.unwrap();
    fill(&writer, master).await;
    lab.kill(replica);
    std::fs::remove_dir_all(lab.nodes_conf(replica).with_file_name("appendonlydir")).unwrap();
    set(&writer, master, "repl-diskless-sync", "no").await;
    set(&writer, master, "rdb-key-save-delay", a_key(SAVES)).await;
    tell(&writer, master, "BGREWRITEAOF").await;
    // Only what has begun is that slow.
    set(&writer, master, "rdb-key-save-delay", a_key(Duration::from_secs(1))).await;
    let began = Instant::now();
    lab.start_node(replica);
    lab.up(writer.reader()).await;
    lab.form(&writer).await.unwrap();
    assert!(began.elapsed() > SAVES, "its master was to be slow: {:?}", began.elapsed());
    settled(writer.reader(), replica, Duration::from_secs(5)).await.unwrap();
    assert_eq!(tell(&writer, replica, "DBSIZE").await, Reply::Int(KEYS.cast_signed()));
}

/// A master that hangs before its hand-over: for a moment, which is waited for, and for good, which is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_hangs_is_waited_for_and_named() {
    let lab = Lab::start(2, 1);
    let [master, replica] = lab.nodes()[..] else { panic!("two nodes") };
    let host = lab.lock().await;
    let writer = lab.writer(&host);
    lab.form(&writer).await.unwrap();
    fill(&writer, master).await;
    lab.signal(master, "STOP");
    let (handed, ()) = tokio::join!(hand_over(&writer, master), async {
        sleep(Duration::from_secs(3)).await;
        lab.signal(master, "CONT");
    });
    assert_eq!(handed.unwrap(), HandOver::To(replica));
    assert_eq!(tell(&writer, replica, "DBSIZE").await, Reply::Int(KEYS.cast_signed()));

    lab.signal(replica, "STOP");
    let began = Instant::now();
    let hangs = hand_over(&writer, replica).await.unwrap_err();
    lab.signal(replica, "CONT");
    assert!(matches!(&hangs, RollingError::NotResponding { node, .. } if *node == replica), "{hangs}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    settled(writer.reader(), replica, Duration::from_secs(30)).await.unwrap();
    assert_eq!(tell(&writer, replica, "DBSIZE").await, Reply::Int(KEYS.cast_signed()));
}
