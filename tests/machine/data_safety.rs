//! No run of `apply` loses a key that had a surviving copy: the cases of real clusters that lost some, by
//! real servers, with keys counted by value. The ids (S1, …) are those of the project's list of field
//! cases.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{
    Sandbox, inventory, kill,
    lab::Lab,
    resp::{Reply, ask, count, fill, try_ask},
    until, warm,
};

/// Neither an AOF nor an RDB file.
const IN_MEMORY: &str = "[cluster.config]\nsave = \"\"\nappendonly = false\n";

/// Three masters without replicas.
fn no_replicas(name: &str, port: u16, config: &str) -> String {
    format!(
        "[cluster]\nname = \"{name}\"\nversion = \"7.0.15\"\nport = {port}\nreplicas = 0\n\
         [cluster.config]\n{config}\n\
         [[hosts]]\nname = \"here\"\naddress = \"local\"\nnodes = 3\n"
    )
}

fn pid(sandbox: &Sandbox, node: &str) -> u32 {
    sandbox.pids().into_iter().find(|(name, _)| name == node).unwrap().1
}

fn kill_node(sandbox: &Sandbox, node: &str) {
    kill(pid(sandbox, node));
}

fn id(address: &str) -> String {
    ask(address, &["CLUSTER", "MYID"]).text()
}

fn tell(address: &str, words: &[&str]) {
    assert_eq!(ask(address, words), Reply::Text("OK".into()), "{address}: {words:?}");
}

/// S1 (an engine that keeps nothing on disk): the master would come back empty, and its replica follow it.
#[test]
fn s1_a_killed_master_in_memory_starts_after_its_replica_leads() {
    let sandbox = Sandbox::with("s1", 7501, &inventory("s1", 7501, "", IN_MEMORY));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7501", 300);
    kill_node(&sandbox, "7501");
    sandbox.run(&["plan"]).code(2).says("7501 starts once another node of its shard leads");
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7502", keys), keys);
    sandbox.verify().ok();
}

/// S1, where no replica is left to lead: the keys went with the processes, and that is said.
#[test]
fn s1_a_shard_of_which_nothing_is_left_starts_empty_as_planned() {
    let sandbox = Sandbox::with("s1lost", 7511, &inventory("s1lost", 7511, "", IN_MEMORY));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7511", 300);
    let replica = ask("127.0.0.1:7511", &["INFO", "replication"]).text();
    let replica = replica.split("port=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    for node in [replica.as_str(), "7511"] {
        kill_node(&sandbox, node);
    }
    // The first synchronisation left it there.
    std::fs::remove_file(sandbox.data().join(&replica).join("dump.rdb")).unwrap();
    sandbox.run(&["plan"]).code(2).says("here/7511 starts and loses the keys of slots 0-5460");
    sandbox.apply().ok();
    let left = count("127.0.0.1:7512", keys);
    assert!(left > 0 && left < keys, "the other shards keep theirs: {left}");
    sandbox.verify().ok();
}

/// S2 (redis issue 2989): the master's files are gone, its replica has all keys, and most masters are down.
#[test]
fn s2_an_emptied_master_starts_after_its_replica_leads() {
    let sandbox = Sandbox::new("s2", 7521);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7521", 300);
    for node in ["7521", "7522"] {
        kill_node(&sandbox, node);
    }
    std::fs::remove_dir_all(sandbox.data().join("7521/appendonlydir")).unwrap();
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7523", keys), keys);
    sandbox.verify().ok();
}

/// S2, where no other master can come back with its keys: nobody votes, and a takeover is the user's to
/// allow.
#[test]
fn s2_without_a_majority_a_replica_takes_over_only_where_the_user_says_so() {
    let sandbox = Sandbox::with("s2alone", 7661, &inventory("s2alone", 7661, "", IN_MEMORY));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7661", 300);
    for node in ["7661", "7662"] {
        kill_node(&sandbox, node);
    }
    let before = sandbox.pids();
    sandbox.run(&["plan"]).code(1).says("most masters are gone").says("--takeover");
    sandbox.apply().code(1).says("--takeover");
    assert_eq!(before, sandbox.pids(), "nothing was started");
    sandbox.run(&["apply", "--yes", "--takeover"]).ok();
    assert_eq!(count("127.0.0.1:7663", keys), keys);
    sandbox.verify().ok();
}

/// S2 with snapshots: the replica came back by itself with what it saved long ago, offset included, and its
/// master has a file, too, which is newer here.
#[test]
fn s2_of_two_snapshots_the_user_says_which_counts() {
    let config = "[cluster.config]\nappendonly = false\nsave = \"3600 1\"\n";
    let sandbox = Sandbox::with("s2old", 7671, &inventory("s2old", 7671, "", config));
    sandbox.apply().ok();
    let replication = ask("127.0.0.1:7671", &["INFO", "replication"]).text();
    let replica = replication.split("port=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    fill("127.0.0.1:7671", 60);
    let address = format!("127.0.0.1:{replica}");
    until("the replica has some keys", || ask(&address, &["DBSIZE"]) == ask("127.0.0.1:7671", &["DBSIZE"]));
    tell(&address, &["SAVE"]);
    let keys = fill("127.0.0.1:7671", 300);
    until("the replica has all keys", || ask(&address, &["DBSIZE"]) == ask("127.0.0.1:7671", &["DBSIZE"]));
    tell("127.0.0.1:7671", &["SAVE"]);
    kill_node(&sandbox, &replica);
    kill_node(&sandbox, "7671");
    let binary = std::fs::read_dir("/opt/provision/s2old").unwrap().next().unwrap().unwrap().path();
    let mut server = Command::new("setpriv");
    server.args(["--reuid=provision-redis", "--regid=provision-redis", "--init-groups"]);
    server.arg(binary.join("redis-server")).arg(sandbox.config(&replica)).current_dir("/");
    let mut server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the replica is back", || try_ask(&address, &["PING"]).is_some());
    let info = ask(&address, &["INFO", "replication"]).text();
    assert!(info.contains("role:slave") && !info.contains("slave_repl_offset:0"), "{info}");
    // Which of the two files is later no one can tell but the user.
    let accept = format!("`--accept-data-loss here/{replica}` starts here/7671");
    sandbox.apply().code(1).says("which is later cannot be told").says(&accept);
    let applied = sandbox.run(&["apply", "--yes", "--accept-data-loss", &format!("here/{replica}")]);
    // It is restarted, since provision did not start it.
    server.wait().unwrap();
    applied.ok();
    assert_eq!(count("127.0.0.1:7672", keys), keys);
    sandbox.verify().ok();
}

/// S3: a node comes back without its data folder, as where a disk was not mounted.
#[test]
fn s3_a_blank_node_does_not_inherit_slots_that_had_keys() {
    let sandbox = Sandbox::with("s3", 7531, &no_replicas("s3", 7531, ""));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7531", 300);
    let former = id("127.0.0.1:7532");
    kill_node(&sandbox, "7532");
    let (data, aside) = (sandbox.data().join("7532"), sandbox.folder.path().join("aside"));
    assert!(Command::new("cp").arg("-a").args([&data, &aside]).status().unwrap().success());
    std::fs::remove_dir_all(&data).unwrap();
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        let run = sandbox.run(verb).code(1).says("slots 5461-10922").says(&former).says("127.0.0.1:7532");
        run.says("--accept-data-loss here/7532");
    }
    assert_eq!(sandbox.pids().len(), 2, "it was not started");
    assert!(!data.exists());
    assert!(Command::new("cp").arg("-a").args([&aside, &data]).status().unwrap().success());
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7531", keys), keys);
    // While a file is its own, `destroy` keeps the account.
    std::fs::remove_dir_all(&aside).unwrap();
}

/// S3, with the user's word: the slots are served again, empty.
#[test]
fn s3_accepted_loss_is_planned_for_the_named_node_alone() {
    let sandbox = Sandbox::with("s3loss", 7541, &no_replicas("s3loss", 7541, ""));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7541", 300);
    for node in ["7542", "7543"] {
        kill_node(&sandbox, node);
        std::fs::remove_dir_all(sandbox.data().join(node)).unwrap();
    }
    sandbox.run(&["apply", "--yes", "--accept-data-loss", "here/7542"]).code(1).says("here/7543");
    let both = ["--accept-data-loss", "here/7542", "--accept-data-loss", "here/7543"];
    sandbox.run(&[&["plan"][..], &both].concat()).code(2).says("loses the keys of slots 5461-10922");
    sandbox.run(&[&["apply", "--yes"][..], &both].concat()).ok();
    let left = count("127.0.0.1:7541", keys);
    assert!(left > 0 && left < keys, "{left}");
    sandbox.verify().ok();
}

/// S4 (redis issue 12484): an engine with an AOF does not look at the RDB file.
#[test]
fn s4_a_stopped_cluster_is_not_switched_from_rdb_to_aof() {
    let rdb = |aof| no_replicas("s4", 7551, &format!("save = \"60 1\"\nappendonly = {aof}"));
    let sandbox = Sandbox::with("s4", 7551, &rdb(false));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7551", 300);
    for node in ["7551", "7552", "7553"] {
        tell(&format!("127.0.0.1:{node}"), &["SAVE"]);
        kill_node(&sandbox, node);
    }
    sandbox.write(&rdb(true));
    sandbox.apply().code(1).says("appendonly").says("dump.rdb");
    assert_eq!(sandbox.pids(), []);
    sandbox.write(&rdb(false));
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7551", keys), keys);
}

/// S5: while a slot moves, a hand-over would split its keys.
#[test]
fn s5_nothing_restarts_while_a_slot_moves() {
    let sandbox = Sandbox::new("s5", 7561);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7561", 300);
    let (one, other) = ("127.0.0.1:7561", "127.0.0.1:7562");
    tell(other, &["CLUSTER", "SETSLOT", "93", "IMPORTING", &id(one)]);
    tell(one, &["CLUSTER", "SETSLOT", "93", "MIGRATING", &id(other)]);
    sandbox.run(&["plan"]).says("slot 93").says(one).says(other);
    sandbox.apply().code(1).says("slot 93");
    let before = sandbox.pids();
    sandbox.write(&inventory("s5", 7561, "", "[cluster.config]\nio-threads = 2"));
    sandbox.apply().code(1).says("slot 93");
    assert_eq!(before, sandbox.pids());
    let rows = ask(one, &["CLUSTER", "NODES"]).text();
    assert!(rows.contains("[93->-"), "{rows}");
    for node in [one, other] {
        tell(node, &["CLUSTER", "SETSLOT", "93", "STABLE"]);
    }
    sandbox.apply().ok();
    assert_eq!(count(one, keys), keys);
}

/// S6: growing and shrinking do not exist yet; an inventory that wants it must not wedge the cluster.
#[test]
fn s6_another_number_of_nodes_or_replicas_is_refused_in_the_plan() {
    let sandbox = Sandbox::new("s6", 7571);
    sandbox.apply().ok();
    let nodes = |count| format!("{}nodes = {count}\n", inventory("s6", 7571, "", ""));
    for (text, says) in [
        (nodes(8), "has 6 nodes, and the inventory means 8"),
        (inventory("s6", 7571, "replicas = 0", ""), "has 6 nodes, and the inventory means 3"),
        (nodes(6).replace("port =", "replicas = 0\nport ="), "has 3 masters, and the inventory means 6"),
    ] {
        sandbox.write(&text);
        for verb in [&["plan"][..], &["apply", "--yes"]] {
            sandbox.run(verb).code(1).says(says);
        }
        sandbox.run(&["status"]).says("127.0.0.1:7571");
    }
    sandbox.write(&inventory("s6", 7571, "", ""));
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

/// S7 (kubeblocks issue 9083): another port would give a second, empty cluster beside the first.
#[test]
fn s7_another_port_is_refused_in_the_plan() {
    let sandbox = Sandbox::new("s7", 7581);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7581", 100);
    sandbox.write(&inventory("s7", 7591, "", ""));
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        sandbox.run(verb).code(1).says("7581").says("7586").says("port");
    }
    assert_eq!(sandbox.pids().len(), 6);
    assert_eq!(count("127.0.0.1:7581", keys), keys);
    sandbox.write(&inventory("s7", 7581, "", ""));
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

/// S8 (redis issue 13007): data formats do not go back.
#[test]
fn s8_a_lower_version_is_refused_in_the_plan() {
    let sandbox = Sandbox::new("s8", 7601);
    sandbox.apply().ok();
    let before = sandbox.pids();
    sandbox.write(&inventory("s8", 7601, "", "").replace("7.0.15", "6.2.14"));
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        sandbox.run(verb).code(1).says("7.0.15").says("6.2.14");
    }
    assert_eq!(before, sandbox.pids());
}

/// S9 (valkey issue 845).
#[test]
fn s9_another_engine_is_refused_in_the_plan() {
    let sandbox = Sandbox::new("s9", 7611);
    sandbox.apply().ok();
    let before = sandbox.pids();
    let text = inventory("s9", 7611, "engine = \"valkey\"", "").replace("7.0.15", "8.1.1");
    sandbox.write(&text);
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        sandbox.run(verb).code(1).says("redis").says("valkey");
    }
    assert_eq!(before, sandbox.pids());
}

/// A server of the test's own, in cluster mode.
struct Guest(Child);

impl Guest {
    fn start(folder: &Path, port: &str) -> Self {
        let server = Path::new("/usr/bin/redis-server");
        let words = ["--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""];
        let child = Command::new(server).args(words).current_dir(folder).stdout(Stdio::null()).spawn();
        Self(child.unwrap())
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop();
    }
}

/// S11 (redis issue 9957): a node that joined by hand, and is dead for good.
#[test]
fn s11_a_dead_node_without_slots_is_forgotten_and_a_living_one_refused() {
    let sandbox = Sandbox::new("s11", 7621);
    sandbox.apply().ok();
    let folder = tempfile::tempdir().unwrap();
    let mut guest = Guest::start(folder.path(), "7629");
    until("the guest answers", || std::net::TcpStream::connect("127.0.0.1:7629").is_ok());
    tell("127.0.0.1:7629", &["CLUSTER", "MEET", "127.0.0.1", "7621"]);
    let rows = |node: &str| ask(node, &["CLUSTER", "NODES"]).text();
    until("all know the guest", || sandbox.addresses().iter().all(|node| rows(node).contains(":7629@")));
    sandbox.apply().code(1).says("127.0.0.1:7629");
    guest.stop();
    until("all know that it is gone", || {
        sandbox.addresses().iter().all(|node| rows(node).contains("master,fail "))
    });
    sandbox.run(&["status"]).code(1).says("127.0.0.1:7629");
    sandbox.run(&["plan"]).code(2).says("forget").says("127.0.0.1:7629");
    sandbox.apply().ok();
    for node in sandbox.addresses() {
        assert!(!rows(&node).contains(":7629@"), "{}", rows(&node));
    }
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

/// S12 (redis issue 11304): one side of a move that nobody finishes.
#[test]
fn s12_a_slot_left_importing_without_keys_is_closed_as_planned() {
    let sandbox = Sandbox::new("s12", 7631);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7631", 300);
    let (source, target) = ("127.0.0.1:7631", "127.0.0.1:7632");
    tell(target, &["CLUSTER", "SETSLOT", "93", "IMPORTING", &id(source)]);
    sandbox.run(&["status"]).code(1).says("slot 93");
    sandbox.run(&["plan"]).code(2).says("slot 93").says("importing");
    sandbox.apply().ok();
    assert!(!ask(target, &["CLUSTER", "NODES"]).text().contains("[93-"));
    assert_eq!(count(source, keys), keys);
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

/// S10: a host dies for good, and another machine takes its place in the inventory.
#[test]
fn s10_a_dead_host_is_replaced_by_one_with_another_address() {
    let lab = Lab::up("replaced", 7);
    let spare = lab.address("n7");
    lab.edit(|text| {
        let block = text.split("[[hosts]]").find(|block| block.contains(&spare)).unwrap();
        text.replace(&format!("[[hosts]]{block}"), "")
    });
    lab.apply().ok();
    let keys = 300;
    let sets: String = (0..keys).map(|key| format!("SET key:{key} {key}\n")).collect();
    assert_eq!(lab.redis("n1", 7001, &sets).iter().filter(|line| *line == "OK").count(), keys);
    let former = lab.redis("n4", 7001, "CLUSTER MYID\n").pop().unwrap();
    lab.lab(&["kill", "n4"]).ok();
    until("the cluster knows that n4 is gone and serves all slots", || {
        let said = lab.redis("n1", 7001, "CLUSTER INFO\nCLUSTER NODES\n").join("\n");
        said.contains("cluster_state:ok")
            && said.lines().any(|row| row.contains(&former) && row.contains("fail "))
            || said.lines().any(|row| row.contains(&former) && row.contains("slave,fail"))
    });
    let old = lab.address("n4");
    lab.edit(|text| text.replace(&format!("\"{old}\""), &format!("\"{spare}\"")));
    lab.run(&["status"]).code(1).says("n1").says("n4");
    lab.run(&["plan"]).code(2).says("n4");
    lab.apply().ok();
    let gets: String = (0..keys).map(|key| format!("GET key:{key}\n")).collect();
    let values: Vec<String> = (0..keys).map(|key| key.to_string()).collect();
    let mut said = lab.redis("n2", 7001, &gets);
    said.retain(|line| !line.starts_with("-> Redirected"));
    assert_eq!(said, values);
    let rows = lab.redis("n1", 7001, "CLUSTER NODES\n").join("\n");
    assert!(!rows.contains(&former) && rows.contains(&spare), "{rows}");
    lab.run(&["plan"]).ok().says("Nothing to change");
}

/// Two hosts failed over by hand: one holds all but one of the masters, and its loss would stop the cluster.
#[test]
fn masters_gathered_on_one_host_are_led_elsewhere_again() {
    warm();
    let lab = Lab::up("gathered", 3);
    lab.apply().ok();
    let roles = |host: &str, port: u16| lab.redis(host, port, "ROLE\n").first().cloned().unwrap_or_default();
    let nodes = ["n1", "n2", "n3"].map(|host| [7001, 7002].map(|port| (host, port))).concat();
    let masters = |host: &str| {
        nodes.iter().filter(|(other, port)| *other == host && roles(other, *port) == "master").count()
    };
    let keys: Vec<String> = (0..60).map(|n| format!("SET key:{n} {n}\n")).collect();
    lab.redis("n1", 7001, &keys.concat());
    // n1 takes over what its replica follows.
    let replica = [7001, 7002].into_iter().find(|port| roles("n1", *port) == "slave").unwrap();
    lab.redis("n1", replica, "CLUSTER FAILOVER\n");
    until("n1 has two masters", || masters("n1") == 2);
    lab.run(&["plan"]).code(2).says("leads instead of");
    lab.apply().ok().says("I21");
    assert_eq!(["n1", "n2", "n3"].map(masters), [1, 1, 1]);
    let gets: Vec<String> = (0..60).map(|n| format!("GET key:{n}\n")).collect();
    let values: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let mut read = lab.redis("n2", 7001, &gets.concat());
    read.retain(|line| !line.starts_with("->"));
    assert_eq!(read, values);
    lab.run(&["plan"]).ok().says("Nothing to change");
}

/// S15 (redis issue 5177): a power cut left zeros at the end of the AOF, and its replica has taken over.
#[test]
fn s15_an_aof_with_a_broken_end_is_named_with_the_way_that_loses_nothing() {
    let sandbox = Sandbox::new("s15", 7641);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7641", 300);
    kill_node(&sandbox, "7641");
    let leads = |text: String| text.lines().any(|row| row.contains(":7641@") && row.contains("master,fail"));
    until("its replica has taken over", || {
        let rows = ask("127.0.0.1:7642", &["CLUSTER", "NODES"]).text();
        leads(rows) && ask("127.0.0.1:7642", &["CLUSTER", "INFO"]).text().contains("cluster_state:ok")
    });
    let folder = sandbox.data().join("7641/appendonlydir");
    let aof = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let aof = aof.into_iter().find(|path| path.to_string_lossy().ends_with(".incr.aof")).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&aof).unwrap();
    std::io::Write::write_all(&mut file, &[0; 4096]).unwrap();
    std::io::Write::write_all(&mut file, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n").unwrap();
    let run = sandbox.apply().code(1).says("7641").says("its AOF cannot be read");
    let data = sandbox.data().join("7641");
    let run = run.says(&format!("mv {}", data.display()));
    drop(run);
    // What the error says.
    let aside = sandbox.folder.path().join("aside");
    assert!(Command::new("mv").args([&data, &aside]).status().unwrap().success());
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7641", keys), keys);
    // While a file is its own, `destroy` keeps the account.
    std::fs::remove_dir_all(&aside).unwrap();
}
