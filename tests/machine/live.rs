//! Directives that a running node takes are set on it, and it is not restarted; what somebody set by hand is
//! found and put back. Keys are counted by value.

use std::{path::Path, process::Command};

use crate::support::{
    Run, Sandbox, inventory, kill,
    resp::{Reply, ask, count, fill},
};

fn config(address: &str, directive: &str) -> String {
    let Reply::List(pair) = ask(address, &["CONFIG", "GET", directive]) else {
        panic!("{address} {directive}")
    };
    pair[1].clone().text()
}

fn set(address: &str, directive: &str, value: &str) {
    assert_eq!(
        ask(address, &["CONFIG", "SET", directive, value]),
        Reply::Text("OK".into()),
        "{address} {directive}"
    );
}

fn file(sandbox: &Sandbox, node: &str) -> String {
    std::fs::read_to_string(sandbox.config(node)).unwrap()
}

/// Three masters without replicas: each has the only copy of its keys.
fn masters(name: &str, port: u16, config: &str) -> String {
    let text = inventory(name, port, "replicas = 0", &format!("[cluster.config]\n{config}"));
    format!("{text}nodes = 3\n")
}

#[test]
fn a_directive_that_running_nodes_take_is_set_and_written_without_a_restart() {
    let sandbox = Sandbox::new("live", 7701);
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7701", 300), sandbox.pids());
    sandbox.write(&inventory("live", 7701, "", "[cluster.config]\nmaxmemory = \"100mb\""));
    let plan =
        sandbox.run(&["plan"]).code(2).says("+maxmemory 100mb").says("6 nodes: maxmemory 0 → 100mb, live");
    assert!(!plan.text().contains("Restarted"), "{}", plan.text());
    sandbox.run(&["status"]).ok().says("6 nodes: maxmemory 0 → 100mb, live");
    sandbox.apply().ok();
    assert_eq!(before, sandbox.pids());
    for (node, _) in &before {
        assert_eq!(config(&format!("127.0.0.1:{node}"), "maxmemory"), "104857600", "{node}");
        assert!(file(&sandbox, node).contains("\nmaxmemory 100mb\n"), "{node}");
    }
    sandbox.apply().ok().says("Nothing to change");
    sandbox.run(&["status"]).ok();
    assert_eq!(count("127.0.0.1:7703", keys), keys);
    sandbox.verify().ok();

    // What a start would lower and a running node refuses is told with its answer, and no file says it.
    let more = "[cluster.config]\nmaxmemory = \"100mb\"\nmaxclients = 4000000";
    sandbox.write(&inventory("live", 7701, "", more));
    sandbox.apply().code(1).says("127.0.0.1:7701 refused `CONFIG SET maxclients`").says("operating system");
    assert!(before.iter().all(|(node, _)| !file(&sandbox, node).contains("maxclients")));
    assert_eq!(before, sandbox.pids());
}

/// S13 (redis issue 4934): values that somebody set by hand.
#[test]
fn s13_values_set_by_hand_are_named_and_put_back_without_a_restart() {
    let sandbox =
        Sandbox::with("s13", 7711, &inventory("s13", 7711, "", "[cluster.config]\nmaxmemory = \"100mb\""));
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7711", 300), sandbox.pids());
    let (one, other) = ("127.0.0.1:7711", "127.0.0.1:7715");
    set(one, "maxmemory", "200mb");
    set(one, "appendonly", "no");
    set(other, "cluster-node-timeout", "60000");
    let expected = [
        "127.0.0.1:7711: maxmemory 209715200 → 100mb, live",
        "127.0.0.1:7711: appendonly no → yes, live",
        "127.0.0.1:7715: cluster-node-timeout 60000 → 5000, live",
    ];
    let (plan, status) = (sandbox.run(&["plan"]).code(2), sandbox.run(&["status"]).code(1));
    for text in expected {
        assert!(
            plan.text().contains(text) && status.text().contains(text),
            "{}{}",
            plan.text(),
            status.text()
        );
    }
    status.says("127.0.0.1:7715 runs with cluster-node-timeout 60000, and its file says 5000");
    sandbox.apply().ok();
    assert_eq!(before, sandbox.pids());
    let values = [
        (one, "maxmemory", "104857600"),
        (one, "appendonly", "yes"),
        (other, "cluster-node-timeout", "5000"),
    ];
    for (node, directive, value) in values {
        assert_eq!(config(node, directive), value, "{node} {directive}");
    }
    sandbox.apply().ok().says("Nothing to change");
    sandbox.run(&["status"]).ok();
    assert_eq!(count(other, keys), keys);
}

/// Kills all nodes, as a power cut does, and starts them.
fn power_cut(sandbox: &Sandbox) {
    for (_, pid) in sandbox.pids() {
        kill(pid);
    }
    assert_eq!(sandbox.pids(), []);
    sandbox.apply().ok();
}

#[test]
fn from_rdb_to_aof_and_back_while_the_nodes_run_no_key_is_lost() {
    let rdb = masters("switch", 7721, "save = \"3600 1\"\nappendonly = false");
    let aof = masters("switch", 7721, "save = \"\"\nappendonly = true");
    let sandbox = Sandbox::with("switch", 7721, &rdb);
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7721", 300), sandbox.pids());
    assert!(!Path::new("/var/lib/provision/switch/nodes/7721/appendonlydir").exists());

    sandbox.write(&aof);
    sandbox
        .run(&["plan"])
        .code(2)
        .says("3 nodes: appendonly no → yes, live")
        .says("3 nodes: save 3600 1 → \"\", live");
    sandbox.apply().ok();
    assert_eq!(before, sandbox.pids());
    sandbox.apply().ok().says("Nothing to change");
    power_cut(&sandbox);
    assert_eq!(count("127.0.0.1:7722", keys), keys);

    let before = sandbox.pids();
    sandbox.write(&rdb);
    sandbox.apply().ok();
    assert_eq!(before, sandbox.pids());
    sandbox.apply().ok().says("Nothing to change");
    power_cut(&sandbox);
    assert_eq!(count("127.0.0.1:7723", keys), keys);
}

/// A run that was stopped between the switch of a node and its file: the next one sees to the AOF again.
#[test]
fn a_switch_that_was_cut_short_is_finished() {
    let rdb = masters("cutshort", 7731, "save = \"3600 1\"\nappendonly = false");
    let sandbox = Sandbox::with("cutshort", 7731, &rdb);
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7731", 300), sandbox.pids());
    set("127.0.0.1:7731", "appendonly", "yes");
    sandbox.write(&rdb.replace("false", "true"));
    let plan =
        sandbox.run(&["plan"]).code(2).says("127.0.0.1:7732, 127.0.0.1:7733: appendonly no → yes, live");
    plan.says("127.0.0.1:7731: appendonly is yes already, and is on disk before its file says so");
    sandbox.apply().ok();
    assert_eq!(before, sandbox.pids());
    power_cut(&sandbox);
    assert_eq!(count("127.0.0.1:7732", keys), keys);
}

#[test]
fn a_change_that_one_directive_needs_a_restart_for_restarts_and_names_it() {
    let sandbox = Sandbox::new("mixed", 7741);
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7741", 300), sandbox.pids());
    sandbox.write(&inventory("mixed", 7741, "", "[cluster.config]\nmaxmemory = \"100mb\"\nio-threads = 2"));
    let plan = sandbox.run(&["plan"]).code(2).says("Restarted").says("io-threads is read at a start only");
    assert!(!plan.text().contains(", live"), "{}", plan.text());
    sandbox.apply().ok();
    let after = sandbox.pids();
    assert!(
        before.iter().zip(&after).all(|(old, new)| old.0 == new.0 && old.1 != new.1),
        "{before:?} {after:?}"
    );
    for (node, _) in after {
        let address = format!("127.0.0.1:{node}");
        assert_eq!(
            (config(&address, "maxmemory"), config(&address, "io-threads")),
            ("104857600".into(), "2".into())
        );
    }
    assert_eq!(count("127.0.0.1:7741", keys), keys);
    sandbox.apply().ok().says("Nothing to change");
}

/// Without a replica to hand over to, a restart keeps the keys only where the node has an AOF before it.
#[test]
fn a_restart_that_is_to_read_an_aof_finds_one() {
    let config = |aof, threads| {
        masters("both", 7751, &format!("save = \"3600 1\"\nappendonly = {aof}\nio-threads = {threads}"))
    };
    let sandbox = Sandbox::with("both", 7751, &config(false, 1));
    sandbox.apply().ok();
    let (keys, before) = (fill("127.0.0.1:7751", 300), sandbox.pids());
    sandbox.write(&config(true, 2));
    let plan = sandbox.run(&["plan"]).code(2).says("3 nodes: appendonly no → yes, live");
    plan.says("io-threads is read at a start only");
    sandbox.apply().ok();
    assert!(before.iter().zip(&sandbox.pids()).all(|(old, new)| old.1 != new.1));
    assert_eq!(count("127.0.0.1:7753", keys), keys);
    sandbox.apply().ok().says("Nothing to change");
}

/// What the engine lowered by itself is named, and is no reason to try in vain.
#[test]
fn a_value_that_the_limit_of_open_files_lowered_is_named_and_not_set() {
    let sandbox = Sandbox::with("limit", 7791, &masters("limit", 7791, "maxclients = 5000"));
    let inventory = sandbox.inventory();
    let apply = sandbox.command(&["apply", "--yes", inventory.to_str().unwrap()]);
    let mut limited = Command::new("prlimit");
    limited.arg("--nofile=1000:1000").arg(apply.get_program()).args(apply.get_args());
    limited.envs(apply.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Run::from(limited.output().unwrap()).code(1).says("I35").says("has maxclients \"968\", not 5000");
    let before = sandbox.pids();
    let words =
        "127.0.0.1:7791 lowered maxclients from 5000 to 968 when it started, since it may open 1000 files";
    sandbox.run(&["status"]).code(1).says(words);
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        let run = sandbox.run(verb).says(words);
        assert!(!run.text().contains("live") && !run.text().contains("refused"), "{}", run.text());
    }
    assert_eq!(before, sandbox.pids());
}
