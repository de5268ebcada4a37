//! Hosts with addresses of their own, over SSH: what `provision apply` is for. Each story is on a lab.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a story ends where an expectation fails, and acts on the machine as its user would"
)]

mod common;

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use common::{Run, lab::Lab, until};

fn spawn(lab: &Lab, args: &[&str]) -> Child {
    let inventory = lab.inventory();
    let all = [args, &[inventory.to_str().unwrap()]].concat();
    lab.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn done(child: Child) -> Run {
    child.wait_with_output().unwrap().into()
}

fn hosts(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("n{number}")).collect()
}

/// How often a host's sshd has let somebody in, run a command, and how many bytes it sent and received.
fn counts(lab: &Lab, host: &str) -> (usize, usize, usize) {
    let log = lab.sshd_log(host);
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    let bytes = log.lines().filter_map(|line| line.strip_prefix("Transferred: sent "));
    let bytes = bytes.flat_map(|line| {
        line.split_whitespace().filter_map(|word| word.trim_matches(',').parse::<usize>().ok())
    });
    (count("Accepted publickey"), count("Starting session: command"), bytes.sum())
}

/// The size of what the cluster itself answers in a run that looks at it.
fn answers(lab: &Lab, host: &str) -> usize {
    lab.redis(host, 7001, "INFO\nCLUSTER NODES\nCLUSTER INFO\nCONFIG GET cluster*\n")
        .iter()
        .map(|line| line.len() + 2)
        .sum()
}

#[test]
fn six_hosts_become_a_proven_cluster() {
    let lab = Lab::up("six", 6);
    // Nothing is built yet for this place: one host compiles.
    let empty = tempfile::tempdir().unwrap();
    let mut apply = spawn_with(&lab, &["apply", "--yes"], |command| {
        command.env("XDG_CACHE_HOME", empty.path());
    });
    apply.stdin.take();
    let run = done(apply).ok().says("37 invariants hold");
    assert!(run.stdout.contains("a master and its replicas never share a host"), "{}", run.stdout);
    let compiled: Vec<String> = hosts(6)
        .into_iter()
        .filter(|host| {
            lab.sshd_log(host).contains("Starting session")
                && lab.sh(host, "[ -d /root/.cache/provision/build ]").code == 0
        })
        .collect();
    assert_eq!(compiled.len(), 1, "{compiled:?} have a folder of builds");
    for host in hosts(6) {
        let unit = lab
            .sh(&host, "systemctl is-enabled redis-six@7001; systemctl is-active redis-six@7001")
            .ok()
            .stdout;
        assert_eq!(unit.split_whitespace().collect::<Vec<_>>(), ["enabled", "active"]);
    }
    // An independent client writes and reads through every node.
    for host in hosts(6) {
        let said = lab.redis(&host, 7001, &format!("SET key:{host} {host}\nGET key:{host}\n"));
        assert_eq!(said.last().unwrap(), &host, "{said:?}");
    }
    // Nothing left to do: one connection, one command, few bytes.
    let before: Vec<_> = hosts(6).iter().map(|host| counts(&lab, host)).collect();
    lab.apply().ok().says("Nothing to change");
    for (host, (logins, commands, bytes)) in hosts(6).iter().zip(before) {
        until("sshd has said what it transferred", || counts(&lab, host).2 > bytes);
        let after = counts(&lab, host);
        assert_eq!((after.0 - logins, after.1 - commands), (1, 1), "{}", lab.sshd_log(host));
        let (bytes, answers) = (after.2 - bytes, answers(&lab, host));
        assert!(
            bytes <= 15_000 + answers,
            "{host}: {bytes} bytes, of which the cluster's own answers are about {answers}"
        );
    }
    lab.run(&["verify"]).ok();
    lab.run(&["destroy", "--yes"]).ok();
}

fn spawn_with(lab: &Lab, args: &[&str], change: impl FnOnce(&mut std::process::Command)) -> Child {
    let inventory = lab.inventory();
    let mut command = lab.command(&[args, &[inventory.to_str().unwrap()]].concat());
    change(&mut command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// All files of a host but those that change by themselves, and its processes.
fn snapshot(lab: &Lab, host: &str) -> Vec<String> {
    let files = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/log -o -path /run \
                 -o -path /var/lib/systemd -o -path /root/.cache \\) -prune -o -printf '%p %m %u %g %y\\n' | sort; \
                 find /run -xdev -name '*provision*'; ps -eo comm= | grep redis || :";
    let mut lines: Vec<String> = lab.sh(host, files).ok().stdout.lines().map(str::to_owned).collect();
    lines.retain(|line| {
        !line.starts_with("/etc/passwd-")
            && !line.starts_with("/etc/group-")
            && !line.starts_with("/etc/shadow-")
            && !line.starts_with("/etc/gshadow-")
    });
    lines
}

#[test]
fn a_cold_apply_is_few_execs_and_destroy_leaves_no_trace() {
    warm();
    let lab = Lab::up("cold", 6);
    let before: Vec<_> = hosts(6).iter().map(|host| snapshot(&lab, host)).collect();
    lab.apply().ok();
    for host in hosts(6) {
        let (logins, commands, _) = counts(&lab, &host);
        assert!(logins == 1 && commands <= 3, "{host}: {logins} logins, {commands} commands");
    }
    lab.run(&["destroy", "--yes"]).ok();
    for (host, before) in hosts(6).iter().zip(before) {
        let after = snapshot(&lab, host);
        let left: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
        assert!(left.is_empty() && lost.is_empty(), "{host}: left {left:?}, lost {lost:?}");
    }
}

/// The binary in the shared cache.
fn warm() {
    drop(common::Sandbox::new("warm", 7391).run(&["apply", "--yes", "--tags", "build"]).ok());
}

#[test]
fn a_host_that_is_away_is_told_and_the_rest_goes_on() {
    let lab = Lab::up("away", 6);
    lab.apply().ok();
    lab.lab(&["kill", "n4"]).ok();
    let plan = lab.run(&["plan"]).code(1);
    assert!(plan.text().contains("n4") && plan.text().contains("no TCP connection"), "{}", plan.text());
    lab.edit(|text| text.replace("\n[ssh]", "\n[cluster.config]\nmaxmemory = \"64mb\"\n\n[ssh]"));
    // A restart of n1's node would leave its slots to nobody while n4 is away: that is refused, and n1 says so.
    let apply = lab.apply().code(1);
    assert!(apply.text().contains("n4"), "{}", apply.text());
    assert_eq!(lab.redis("n1", 7001, "SET a 1\nGET a\n").last().unwrap(), "1");
    lab.lab(&["start", "n4"]).ok();
    lab.apply().ok().says("37 invariants hold");
}

#[test]
fn a_blocked_port_is_named_before_any_node_meets_another() {
    warm();
    let lab = Lab::up("blocked", 6);
    // A firewall that drops what comes to the bus port of n5.
    let (id, address) = (lab.id(), lab.address("n5"));
    let chain = format!("type filter hook forward priority 1; ip daddr {address} tcp dport 17001 drop;");
    let table = format!("table bridge wall {{\nchain forward {{\n{chain}\n}}\n}}");
    let switch = format!("{id}-sw");
    let mut nft = std::process::Command::new("ip");
    assert!(nft.args(["netns", "exec", &switch, "nft", &table]).status().unwrap().success());
    let began = Instant::now();
    let run = lab.apply().code(1);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(run.stderr.contains("n1 → n5:17001") && run.stderr.contains("17001/tcp"), "{}", run.stderr);
    assert_eq!(lab.redis("n1", 7001, "CLUSTER NODES\n").len(), 1, "nobody was introduced");
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_changes() {
    let lab = Lab::up("taken", 6);
    lab.sh("n2", "cd / && setsid nohup perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => 7001) or die; sleep 600' >/dev/null 2>&1 &").ok();
    until("somebody listens", || lab.sh("n2", "grep -q ':1B59 ' /proc/net/tcp").code == 0);
    lab.run(&["plan"]).code(1).says("n2").says("7001").says("is taken by");
}

#[test]
fn two_runs_at_once_are_one_run_and_a_refusal() {
    warm();
    let lab = Lab::up("two", 6);
    let first = spawn(&lab, &["apply", "--yes"]);
    until("the first run holds its locks", || lab.sh("n1", "ls /run/provision-0-two.lock").code == 0);
    let second = done(spawn(&lab, &["apply", "--yes"]));
    done(first).ok();
    assert!(second.code == 0 || second.text().contains("is being changed by user 0"), "{}", second.text());
}

#[test]
fn a_killed_run_is_continued() {
    warm();
    let lab = Lab::up("killed", 6);
    // The moments are spread over a cold apply; the clock adds some jitter.
    for round in 0..20u64 {
        let child = spawn(&lab, &["apply", "--yes"]);
        let jitter = u64::from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_millis(),
        ) % 100;
        std::thread::sleep(Duration::from_millis(150 * round + jitter));
        kill_if_running(child);
        if round % 5 == 4 {
            lab.apply().ok();
            lab.run(&["verify"]).ok();
            lab.run(&["destroy", "--yes"]).ok();
        }
    }
}

fn kill_if_running(mut child: Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn a_link_that_is_cut_in_the_middle_of_a_compile_costs_time_only() {
    let lab = Lab::up("compile", 6);
    let empty = tempfile::tempdir().unwrap();
    let apply = spawn_with(&lab, &["apply", "--yes"], |command| {
        command.env("XDG_CACHE_HOME", empty.path());
    });
    let builder = builder(&lab);
    // The session's process dies as it does when a middlebox forgets it.
    lab.sh(&builder, "pkill -KILL -f '[s]shd: root@notty'").ok();
    done(apply).ok().says("37 invariants hold");
    let starts = lab
        .sh(&builder, "ls /root/.cache/provision/build /run/provision-work 2>/dev/null | wc -l")
        .ok()
        .stdout;
    assert!(starts.trim().parse::<usize>().unwrap() <= 3, "{starts}");
}

#[test]
fn a_link_that_freezes_for_a_minute_in_the_middle_of_a_compile_costs_time_only() {
    let lab = Lab::up("freeze", 6);
    let empty = tempfile::tempdir().unwrap();
    let apply = spawn_with(&lab, &["apply", "--yes"], |command| {
        command.env("XDG_CACHE_HOME", empty.path());
    });
    let builder = builder(&lab);
    lab.lab(&["cut", &builder]).ok();
    std::thread::sleep(Duration::from_mins(1));
    lab.lab(&["heal"]).ok();
    done(apply).ok().says("37 invariants hold");
}

/// The host that compiles, once it does.
fn builder(lab: &Lab) -> String {
    let compiling = |host: &String| lab.sh(host, "pgrep -x cc1 >/dev/null").code == 0;
    let mut found = None;
    until("a host compiles", || {
        found = hosts(6).into_iter().find(compiling);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_link_that_freezes_while_shipping_is_made_again() {
    warm();
    let lab = Lab::up("shipping", 6);
    let apply = spawn(&lab, &["apply", "--yes"]);
    until("something arrives at n3", || lab.sh("n3", "ls -d /opt/provision/shipping").code == 0);
    lab.sh("n3", "pkill -KILL -f '[s]shd: root@notty'; true").ok();
    let run = done(apply);
    // Shipping goes on over a new link; a change script that was cut off says so, and the next run continues.
    if run.code != 0 {
        assert!(run.text().contains("run the same command again"), "{}", run.text());
        lab.apply().ok();
    }
    lab.run(&["verify"]).ok();
}

#[test]
fn a_host_that_boots_in_the_middle_is_continued() {
    warm();
    let lab = Lab::up("reboot", 6);
    let apply = spawn(&lab, &["apply", "--yes"]);
    until("n2 is being changed", || lab.sh("n2", "ls -d /var/lib/provision").code == 0);
    lab.lab(&["kill", "n2"]).ok();
    let run = done(apply);
    lab.lab(&["start", "n2"]).ok();
    assert!(run.code == 1 && run.text().contains("n2"), "{}", run.text());
    lab.apply().ok();
    lab.run(&["verify"]).ok();
}

#[test]
fn an_agent_holds_the_key() {
    use std::process::Command;
    let lab = Lab::up("agent", 6);
    let (key, folder) = (lab.home().join("id_ed25519"), tempfile::tempdir().unwrap());
    let socket = folder.path().join("agent");
    let mut agent =
        Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    until("the agent listens", || socket.exists());
    let add = Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(add.success());
    // The file is of no use any more: it is encrypted, and nobody knows the passphrase.
    let lock =
        Command::new("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "forgotten", "-f"]).arg(&key).status();
    assert!(lock.unwrap().success());
    let inventory = lab.inventory();
    let exec = |socket: &std::path::Path| -> Run {
        let mut command = lab.command(&["exec", inventory.to_str().unwrap(), "--", "hostname"]);
        command.env("SSH_AUTH_SOCK", socket).output().unwrap().into()
    };
    let (with, without) = (exec(&socket), exec(&folder.path().join("nobody")));
    let _ = agent.kill();
    agent.wait().unwrap();
    with.ok().says("n6");
    without.code(1).says("authentication failed");
}

#[test]
fn accounts_with_sudo_do_all_the_same() {
    warm();
    let lab = Lab::up("sudo", 6);
    for host in hosts(6) {
        let script = "useradd -m -s /bin/sh admin && mkdir -p /home/admin/.ssh && cp /root/.ssh/authorized_keys /home/admin/.ssh/ && \
                      chown -R admin /home/admin/.ssh && echo 'echo noise; echo more' >>/home/admin/.profile && echo admin:open-sesame | chpasswd && ";
        let rule = if host == "n1" { "admin ALL=(ALL) NOPASSWD: ALL" } else { "admin ALL=(ALL) ALL" };
        let tty = if host == "n2" { "Defaults requiretty" } else { "" };
        lab.sh(&host, &format!("{script} printf '%s\\n%s\\n' '{rule}' '{tty}' >/etc/sudoers.d/admin")).ok();
    }
    lab.edit(|text| text.replace("user = \"root\"", "user = \"admin\""));
    lab.run(&["plan"]).code(1).says("sudo").says("nobody is there to give it");
    std::fs::write(lab.home().join("sudo.txt"), "wrong\n").unwrap();
    lab.edit(|text| text.replace("via = []", "via = []\nsudo = { file = \"sudo.txt\" }"));
    lab.run(&["plan"]).code(1).says("does not take the password of admin");
    std::fs::write(lab.home().join("sudo.txt"), "open-sesame\n").unwrap();
    lab.apply().ok().says("37 invariants hold");
    let logins = lab.sshd_log("n3").lines().filter(|line| line.contains("Starting session: command")).count();
    assert!(logins <= 8, "{logins} commands in four runs");
    lab.run(&["destroy", "--yes"]).ok();
}

#[test]
fn nodes_without_a_password_let_each_other_in() {
    warm();
    let lab = Lab::up("open", 6);
    lab.edit(|text| text.replace("\nport = 7001", "\nport = 7001\nauth = \"none\""));
    lab.apply().ok().says("37 invariants hold");
    lab.run(&["destroy", "--yes"]).ok();
}
