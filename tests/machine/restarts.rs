//! Nodes that end right after their restart, while they were to become members again.

use std::{process::Stdio, time::Duration};

use crate::support::{
    Run, Sandbox, inventory, kill,
    resp::{Reply, ask, count, fill},
    until,
};

/// How many sockets of 127.0.0.1 on this port are in this state: `0A` listens, `01` has a client.
fn sockets(port: u16, state: &str) -> usize {
    let address = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|line| line.get(1) == Some(&&*address) && line.get(3) == Some(&state)).count()
}

/// Has the masters take this long over each key that they send to a replica, in microseconds.
fn brake(delay: &str) {
    for master in ["127.0.0.1:7781", "127.0.0.1:7782", "127.0.0.1:7783"] {
        assert_eq!(ask(master, &["CONFIG", "SET", "rdb-key-save-delay", delay]), Reply::Text("OK".into()));
    }
}

#[test]
fn a_node_that_ends_after_its_restart_is_named_within_seconds() {
    let sandbox = Sandbox::new("ends", 7781);
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7781", 300), sandbox.pids());
    sandbox.write(&inventory("ends", 7781, "", "[cluster.config]\nio-threads = 2"));
    // A node that was restarted synchronises for seconds.
    brake("50000");
    let inventory = sandbox.inventory();
    let apply = sandbox
        .command(&["apply", "--yes", inventory.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut restarted = None;
    until("a node is restarted", || {
        let now = sandbox.pids();
        // A process that writes files is a child of its node.
        let is_new = |name: &str| !now.iter().any(|node| node.0 == name && before.contains(node));
        restarted = now.iter().find(|node| is_new(&node.0)).cloned();
        restarted.as_ref().is_some_and(|(name, _)| sockets(name.parse().unwrap(), "0A") > 0)
    });
    let (name, pid) = restarted.unwrap();
    // The run holds a connection to it, and not one that only tries the port.
    let mut seen = 0;
    until("the run waits for it", || {
        seen = if sockets(name.parse().unwrap(), "01") > 0 { seen + 1 } else { 0 };
        seen > 5
    });
    let began = std::time::Instant::now();
    kill(pid);
    let run: Run = apply.wait_with_output().unwrap().into();
    run.code(1).says(&format!("node {name} ended right after its start"));
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    let others = sandbox.pids();
    assert!(before.iter().all(|node| node.0 == name || others.contains(node)), "{before:?} {others:?}");

    brake("0");
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7783", keys), keys);
    sandbox.verify().ok();
}
