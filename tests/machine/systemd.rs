//! Nodes as units: the scenarios of one machine again, where PID 1 is systemd.
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::support::{
    container::Container,
    inventory,
    tree::{self, Times, Tree},
    until,
};

const NODES: [u16; 6] = [7101, 7102, 7103, 7104, 7105, 7106];

fn boot(name: &str) -> Container {
    Container::boot(name, &inventory("units", 7101, "", ""))
}

/// What systemd says of all nodes: a property a line.
fn show(machine: &Container, property: &str) -> Vec<String> {
    let units: String = NODES.iter().map(|node| format!(" redis-units@{node}")).collect();
    let run = machine.sh(&format!("systemctl show --value -p {property}{units}")).ok();
    run.stdout.split_whitespace().map(str::to_owned).collect()
}

fn pids(machine: &Container) -> Vec<String> {
    show(machine, "MainPID")
}

/// The nodes whose process is another one.
fn restarted(before: &[String], after: &[String]) -> Vec<u16> {
    NODES
        .into_iter()
        .zip(before.iter().zip(after))
        .filter(|(_, (a, b))| a != b)
        .map(|(node, _)| node)
        .collect()
}

const KEYS: usize = 300;

fn fill(machine: &Container) {
    let commands: String = (0..KEYS).map(|key| format!("SET key:{key} {key}\n")).collect();
    assert_eq!(machine.redis(7101, &commands).iter().filter(|line| *line == "OK").count(), KEYS);
}

fn count(machine: &Container, port: u16) -> usize {
    let commands: String = (0..KEYS).map(|key| format!("GET key:{key}\n")).collect();
    let answers = machine.redis(port, &commands);
    let values: Vec<&String> = answers.iter().filter(|line| line.parse::<usize>().is_ok()).collect();
    values.iter().enumerate().filter(|(key, value)| ***value == key.to_string()).count()
}

/// The folders provision writes to.
fn tree_of(machine: &Container) -> Tree {
    let root = machine.root();
    let folders = ["etc", "opt", "run", "var", "usr/local"].map(|folder| root.join(folder));
    let folders: Vec<&std::path::Path> = folders.iter().map(PathBuf::as_path).collect();
    let skip = |path: &std::path::Path| {
        let path = path.strip_prefix(&root).unwrap().to_string_lossy();
        // What systemd keeps for itself, and what useradd leaves.
        ["run/systemd", "run/log", "run/mount", "var/log", "etc/.pwd.lock", "var/lib/systemd"]
            .iter()
            .any(|p| path.starts_with(p))
            || path.starts_with("var/tmp/systemd-private")
            || (path.starts_with("etc/") && path.ends_with('-'))
    };
    tree::of(&folders, Times::Ignored, &skip)
}

#[test]
fn nodes_are_units_and_a_changed_directive_restarts_them_one_by_one() {
    let machine = boot("rolling");
    // What a power cut leaves of an account that is being made.
    machine.sh("useradd --system --user-group provision-redis && sed -i /^provision-redis:/d /etc/group /etc/gshadow").ok();
    let run = machine.apply().ok();
    assert!(run.stdout.contains("Cluster units on a single host is ready"), "{}", run.stdout);
    run.says("I36 units start at boot").says("enabled at boot");
    machine.sh("systemd-analyze verify redis-units@7101.service").ok().says_nothing();
    machine.sh("systemctl is-enabled redis-units@7101 redis-units@7106").ok().says("enabled");
    assert_eq!(show(&machine, "ActiveState"), ["active"; 6]);
    let before = pids(&machine);
    for pid in &before {
        let status = machine.sh(&format!("ls -ld /proc/{pid}; cat /proc/{pid}/status")).ok();
        status.says(" provision-redis provision-redis ").says("CapBnd:\t0000000000000000");
    }

    machine.apply().ok().says("Nothing to change");
    assert_eq!(pids(&machine), before);

    fill(&machine);
    // What a node and its unit take while they run restarts none of them, now or at the next look.
    let live = "[cluster.config]\nmaxmemory = \"100mb\"\ncluster-node-timeout = 6000\n";
    machine.write(&inventory("units", 7101, "", live));
    machine.apply().ok();
    assert_eq!(show(&machine, "RestartUSec"), ["17s"; 6], "longer than twice the node timeout");
    machine.apply().ok().says("Nothing to change");
    assert_eq!(before, pids(&machine));

    machine.write(&inventory("units", 7101, "", &format!("{live}io-threads = 2")));
    machine.apply().ok();
    let after = pids(&machine);
    assert_eq!(restarted(&before, &after), NODES);
    assert_eq!(count(&machine, 7104), KEYS);

    machine.sh("sed -i 's/appendonly yes/appendonly no/' /etc/provision/units/7104/redis.conf").ok();
    machine.run(&["plan"]).code(2).says("1 to update, 1 to start or restart");
    machine.apply().ok();
    assert_eq!(restarted(&after, &pids(&machine)), [7104]);

    // The sandbox of the unit lets the server do all it must.
    for node in NODES {
        machine.redis(node, "BGREWRITEAOF\n");
        until("the log is rewritten", || persistence(&machine, node, "aof_rewrite_in_progress:0"));
        machine.redis(node, "BGSAVE\n");
        until("the data is saved", || persistence(&machine, node, "rdb_bgsave_in_progress:0"));
        assert!(persistence(&machine, node, "aof_last_bgrewrite_status:ok"));
        assert!(persistence(&machine, node, "rdb_last_bgsave_status:ok"));
    }
    machine.sh("ls /var/lib/provision/units/nodes/7101/dump.rdb").ok();
    machine.run(&["verify"]).ok();
}

fn persistence(machine: &Container, node: u16, line: &str) -> bool {
    let answer = machine.redis(node, "INFO persistence\n");
    answer.iter().any(|line| line.trim() == "aof_rewrite_scheduled:0")
        && answer.iter().any(|other| other.trim() == line)
}

#[test]
fn a_node_that_crashed_was_stopped_or_disabled_is_brought_back_at_once() {
    let machine = boot("crash");
    machine.apply().ok();
    fill(&machine);

    // systemd would bring it back by itself, but not in this test.
    let later = "/etc/systemd/system/redis-units@7102.service.d";
    machine
        .sh(&format!("mkdir -p {later} && printf '[Service]\nRestartSec=3600\n' >{later}/later.conf && systemctl daemon-reload"))
        .ok();
    machine.sh("systemctl kill --kill-who=main -s KILL redis-units@7102").ok();
    until("systemd knows", || show(&machine, "SubState").contains(&"auto-restart".to_owned()));
    machine.run(&["status"]).code(1).says("127.0.0.1:7102").says("it is not running");
    machine.run(&["verify"]).code(1).says("127.0.0.1:7102");
    machine.apply().ok();
    assert_eq!(show(&machine, "NRestarts")[1], "0", "it did not wait for systemd");

    machine.sh("systemctl stop redis-units@7103").ok();
    machine.run(&["plan"]).code(2).says("node 7103 (it is not running)");
    machine.apply().ok();

    let before = pids(&machine);
    machine.sh("systemctl disable redis-units@7105").ok();
    machine.run(&["verify"]).code(1).says("127.0.0.1:7105: its unit is disabled");
    machine.run(&["plan"]).code(2).says("node 7105 (it would not be started at boot)");
    machine.apply().ok();
    machine.sh("systemctl is-enabled redis-units@7105").ok();
    assert_eq!(pids(&machine), before);

    // systemd restarts it by itself, without a run. The proof reports that, and does not fail for good.
    machine.sh("systemctl kill --kill-who=main -s KILL redis-units@7106").ok();
    until("systemd restarted it", || show(&machine, "NRestarts")[5] == "1");
    until("the cluster is whole again", || machine.run(&["verify"]).code == 0);
    machine.run(&["verify"]).ok().says("127.0.0.1:7106 crashed and was restarted 1 times");
    assert_eq!(count(&machine, 7106), KEYS);

    // A unit that was edited is put back, and what runs with it is restarted.
    machine.sh("sed -i 's/^LimitNOFILE=.*/LimitNOFILE=4096/' /etc/systemd/system/redis-units@.service").ok();
    machine.run(&["plan"]).code(2).says("+LimitNOFILE=65536").says("6 to start or restart");
    machine.apply().ok();
    assert_eq!(show(&machine, "LimitNOFILE"), ["65536"; 6]);
    assert_eq!(show(&machine, "NeedDaemonReload"), ["no"; 6]);
    assert_eq!(count(&machine, 7101), KEYS);

    // The unit of an earlier version, with which nodes run: how they are stopped is read again.
    machine
        .sh("sed -i '/^SendSIGKILL=/d; s/^TimeoutStopSec=.*/TimeoutStopSec=300/' /etc/systemd/system/redis-units@.service
             systemctl daemon-reload; systemctl restart 'redis-units@*'")
        .ok();
    until("the cluster is whole again", || machine.run(&["verify"]).code == 0);
    let before = pids(&machine);
    machine.run(&["plan"]).code(2).says("+SendSIGKILL=no").says("systemd reads its unit again");
    machine.apply().ok();
    machine.apply().ok().says("Nothing to change");
    assert_eq!(before, pids(&machine));
    assert_eq!(show(&machine, "SendSIGKILL"), ["no"; 6]);
}

/// Three masters that have the only copy of their keys, and keep it in an RDB file that a stop writes.
fn rdb_only(rest: &str) -> String {
    let config = format!("[cluster.config]\nappendonly = false\nsave = \"3600 1\"\n{rest}");
    inventory("units", 7101, "replicas = 0", &config) + "nodes = 3\n"
}

/// Review D7, D8. systemd used to kill a server that could not save its keys, or took long to.
#[test]
fn a_server_that_cannot_save_its_keys_is_not_stopped_and_one_that_saves_is_waited_for() {
    let machine = Container::boot("stop", &rdb_only(""));
    // The first node's disk: four megabytes.
    let (data, unit) = ("/var/lib/provision/units/nodes/7101", "redis-units@7101");
    machine.sh(&format!("mkdir -p {data} && mount -t tmpfs -o size=4m tmpfs {data}")).ok();
    machine.apply().ok();
    fill(&machine);
    // A key of its own, in a slot of 7101, of two megabytes.
    machine.redis(7101, "SETRANGE {lw} 2000000 x\nCONFIG SET rdbcompression no\n");
    machine.sh(&format!("head -c 3m /dev/zero >{data}/filler")).ok();
    let before = pids(&machine);

    // Whatever `systemctl stop` would do after a second is not what happens.
    machine
        .sh(&format!(
            "d=/etc/systemd/system/{unit}.service.d; mkdir -p $d
             printf '[Service]\nTimeoutStopSec=1\n' >$d/short.conf; systemctl daemon-reload"
        ))
        .ok();
    machine.write(&rdb_only("io-threads = 2"));
    let began = Instant::now();
    machine.apply().code(1).says("node 7101 cannot save its keys").says("No space left on device");
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    assert_eq!(pids(&machine), before);
    assert_eq!(count(&machine, 7102), KEYS);
    machine.sh(&format!("systemctl is-active {unit}")).ok().says("active");
    // A unit that is stopped by hand keeps its process as well.
    machine.sh(&format!("rm /etc/systemd/system/{unit}.service.d/short.conf; systemctl daemon-reload")).ok();
    assert_eq!(show(&machine, "SendSIGKILL"), ["no"; 6]);
    assert_eq!(show(&machine, "TimeoutStopUSec"), ["infinity"; 6]);

    // 100 keys, of which each takes 30 ms.
    machine.sh(&format!("rm {data}/filler")).ok();
    machine.redis(7101, "CONFIG SET rdb-key-save-delay 30000\n");
    machine.apply().ok();
    assert_eq!(restarted(&before, &pids(&machine)), NODES[..3]);
    assert_eq!(count(&machine, 7103), KEYS);
    assert_eq!(machine.redis(7101, "STRLEN {lw}\n"), ["2000001"]);
}

#[test]
fn a_server_that_is_slow_to_start_is_waited_for_and_one_that_ends_is_not() {
    let machine = boot("slow");
    machine.apply().ok();
    let before = |script: &str| {
        let unit = "redis-units@7103";
        let drop_in = format!(
            "run=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/redis-units@.service | sed s/%i/7103/)
             mkdir -p /etc/systemd/system/{unit}.service.d
             printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c \"%s; exec %s\"\\n' '{script}' \"$run\" >/etc/systemd/system/{unit}.service.d/wrapped.conf
             systemctl daemon-reload; systemctl stop {unit}"
        );
        machine.sh(&drop_in).ok();
    };
    before("sleep 2");
    machine.apply().ok();
    before("echo no licence for this server; exit 1");
    machine.apply().code(1).says("node 7103 ended right after its start").says("no licence for this server");
}

#[test]
fn after_a_reboot_everything_is_as_before() {
    let mut machine = boot("reboot");
    machine.apply().ok();
    fill(&machine);
    let took = machine.stop();
    assert!(took < Duration::from_secs(80), "shutting down took {took:?}");
    machine.start();
    until("the cluster is whole", || machine.run(&["verify"]).code == 0);
    machine.run(&["plan"]).ok().says("Nothing to change");
    assert_eq!(count(&machine, 7101), KEYS);
    assert_eq!(show(&machine, "NRestarts"), ["0"; 6]);
    machine
        .sh("stat -c '%a %U' /run/provision /run/provision/units /run/provision/units/7101")
        .ok()
        .says("755 root\n755 root\n755 provision-redis\n");
}

#[test]
fn destroy_leaves_no_trace() {
    let machine = boot("destroy");
    // An old kernel's default. What a container cannot set is reported, and is no change.
    machine.sh("echo 128 >/proc/sys/net/core/somaxconn").ok();
    let overcommit = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    let plan = machine.run(&["plan"]).code(2);
    assert_eq!(overcommit.trim() != "1", plan.stdout.contains("sysctl -w vm.overcommit_memory=1"));
    plan.says("kernel setting net.core.somaxconn = 4096 (it is 128)");
    // The first run leaves what the tools it calls keep for ever, such as /etc/subuid.
    machine.apply().ok();
    machine.sh("cat /proc/sys/net/core/somaxconn").ok().says("4096\n");
    machine.sh("echo 65535 >/proc/sys/net/core/somaxconn").ok();
    machine.run(&["plan"]).ok().says("Nothing to change");
    machine.sh("echo 128 >/proc/sys/net/core/somaxconn").ok();
    machine.apply().ok();
    machine.run(&["destroy", "--yes"]).ok();
    machine.sh("cat /proc/sys/net/core/somaxconn").ok().says("128\n");
    let before = tree_of(&machine);
    machine.apply().ok();
    // A failed unit is remembered by systemd, even without its file.
    machine.sh("systemctl kill --kill-who=main -s KILL redis-units@7101").ok();
    machine.run(&["destroy", "--yes"]).ok();
    tree::same(&before, &tree_of(&machine));
    machine.sh("systemctl list-unit-files --no-legend 'redis*'").says_nothing();
    until("systemd has forgotten the units", || {
        machine.sh("systemctl list-units --all --no-legend 'redis*'").text().trim().is_empty()
    });
    machine
        .sh("getent passwd provision-redis; getent group provision-redis; cat /proc/[0-9]*/comm 2>/dev/null | grep redis")
        .says_nothing();
}

#[test]
fn a_server_that_refuses_its_configuration_is_quoted_before_it_gets_it_and_passwords_work() {
    let text = |rest: &str| inventory("units", 7101, "auth = { file = \"word\" }", rest);
    let machine = Container::boot("refuse", &text("[cluster.config]\nmaxmemory = \"lots\""));
    machine.sh("umask 077; echo a-secret-of-the-test >/share/word").ok();
    machine.apply().says("refuses `maxmemory lots`").says("argument must be a memory value");
    machine.sh("[ ! -e /etc/provision/units/7101/redis.conf ]").ok();
    machine.write(&text(""));
    machine.apply().ok();
    machine.apply().ok().says("Nothing to change");
    assert_eq!(machine.redis(7101, "PING\n"), ["NOAUTH Authentication required.", ""]);
}
