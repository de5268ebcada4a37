//! Hosts with addresses of their own, over SSH: what `provision apply` is for. Each test has a lab.
//! Long, since it is a list of scenarios: none depends on another.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Run, lab::Lab, until, warm, write_secret};

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

/// How many logins and commands a host's sshd has seen, and how many bytes it sent and received.
fn counts(lab: &Lab, host: &str) -> (usize, usize, usize) {
    let log = lab.sshd_log(host);
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    let bytes = log.lines().filter_map(|line| line.strip_prefix("Transferred: sent "));
    let bytes = bytes.flat_map(|line| {
        line.split_whitespace().filter_map(|word| word.trim_matches(',').parse::<usize>().ok())
    });
    (count("Accepted publickey"), count("Starting session: command"), bytes.sum())
}

/// The same once all connections are closed, each with a word on what it transferred.
fn settled_counts(lab: &Lab, host: &str) -> (usize, usize, usize) {
    until("sshd has said what it transferred", || {
        let log = lab.sshd_log(host);
        log.matches("Accepted publickey").count() == log.matches("Transferred: sent ").count()
    });
    counts(lab, host)
}

/// The size of what the cluster itself answers in a run that looks at it, with the manifest of its members.
fn answers(lab: &Lab, host: &str) -> usize {
    let size = |commands: &str, framing: usize| {
        lab.redis(host, 7001, commands).iter().map(|line| line.len() + framing).sum::<usize>()
    };
    let manifest = lab.sh(host, "cat /var/lib/provision/*/manifest.json").ok().stdout;
    // Each name and each value of a configuration has a length of its own in front.
    size("INFO\nCLUSTER NODES\nCLUSTER INFO\n", 2) + size("CONFIG GET *\n", 7) + manifest.len()
}

#[test]
fn six_hosts_become_a_proven_cluster() {
    let lab = Lab::up("six", 6);
    let bare: Vec<_> = hosts(6).iter().map(|host| snapshot(&lab, host)).collect();
    // Nothing is built yet for this place: one host compiles.
    let empty = tempfile::tempdir().unwrap();
    let nothing_built = |command: &mut std::process::Command| {
        command.env("XDG_CACHE_HOME", empty.path());
    };
    let plan = done(spawn_with(&lab, &["plan", "--tags", "install,ship"], nothing_built));
    plan.code(1).says("neither installed nor in the cache").says("--tags");
    let mut apply = spawn_with(&lab, &["apply", "--yes"], nothing_built);
    // While one compiles the others get as far as they can without it.
    let builder = builder(&lab);
    let installed = |host: &String| lab.sh(host, "[ -d /run/provision/six ]").code == 0;
    until("five hosts have their accounts and folders", || {
        hosts(6).iter().filter(|host| installed(host)).count() == 5
    });
    let goes_on = "kill -0 $(cat /run/provision-work/build-*/pid)";
    assert!(lab.sh(&builder, goes_on).code == 0, "{builder} still compiles");
    let mut compiled = BTreeSet::from([builder]);
    while apply.try_wait().unwrap().is_none() {
        let at_work = |host: &String| lab.sh(host, "ls -d /run/provision-work/build-*").code == 0;
        compiled.extend(hosts(6).into_iter().filter(at_work));
        // Looking takes the processor that the compiler needs.
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(compiled.len(), 1, "{compiled:?} compile");
    let run = done(apply).ok().says("37 invariants hold");
    assert!(run.stdout.contains("a master and its replicas never share a host"), "{}", run.stdout);
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
    let before: Vec<_> = hosts(6).iter().map(|host| settled_counts(&lab, host)).collect();
    lab.apply().ok().says("Nothing to change");
    for (host, (logins, commands, bytes)) in hosts(6).iter().zip(before) {
        let after = settled_counts(&lab, host);
        assert_eq!((after.0 - logins, after.1 - commands), (1, 1), "{}", lab.sshd_log(host));
        let (bytes, answers) = (after.2 - bytes, answers(&lab, host));
        // The answers are counted by asking again: a hundred bytes more or less come with ages and offsets.
        assert!(
            bytes <= 15 * 1024 + 200 + answers,
            "{host}: {bytes} bytes, of which the cluster's own answers are about {answers}"
        );
    }
    lab.run(&["verify"]).ok();
    lab.run(&["destroy", "--yes"]).ok();
    no_trace(&lab, &bare);
}

fn spawn_with(lab: &Lab, args: &[&str], change: impl FnOnce(&mut std::process::Command)) -> Child {
    let inventory = lab.inventory();
    let mut command = lab.command(&[args, &[inventory.to_str().unwrap()]].concat());
    change(&mut command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a host has on its disk and what it runs. Logs, and the backups that useradd makes, change by
/// themselves.
fn snapshot(lab: &Lab, host: &str) -> Vec<String> {
    let script = r"
        systemctl is-system-running --wait >/dev/null
        find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/log -o -path /run -o -path /var/lib/systemd \
          -o -path /etc/passwd- -o -path /etc/group- -o -path /etc/shadow- -o -path /etc/gshadow- \
          -o -path /etc/subuid- -o -path /etc/subgid- \) -prune -o -type d -printf '%p %m %u %g\n' -o -printf '%p %m %u %g %s %l\n' | sort
        find /etc -type f ! -name '*-' -exec sha256sum {} + | sort
        find /run /var/log -name '*provision*'
        ps -eo comm= --sort=comm | grep -v -e '^\(sh\|ps\|find\|sort\|uniq\|grep\|sleep\|kworker.*\)$' | uniq
    ";
    lab.sh(host, script).ok().stdout.lines().map(str::to_owned).collect()
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
    no_trace(&lab, &before);
}

/// The hosts are as they were, the one that has compiled, too.
fn no_trace(lab: &Lab, before: &[Vec<String>]) {
    for (host, before) in hosts(6).iter().zip(before) {
        let after = snapshot(lab, host);
        let left: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
        assert!(left.is_empty() && lost.is_empty(), "{host}: left {left:?}, lost {lost:?}");
    }
}

#[test]
fn a_host_that_is_away_is_reported_and_the_rest_goes_on() {
    warm();
    let lab = Lab::up("away", 6);
    lab.apply().ok();
    lab.lab(&["kill", "n4"]).ok();
    let plan = lab.run(&["plan"]).code(1);
    assert!(plan.text().contains("n4") && plan.text().contains("no TCP connection"), "{}", plan.text());
    lab.run(&["status"]).code(1).says("unknown").says("its host cannot be reached").says("no TCP connection");
    lab.edit(|text| text.replace("\n[ssh]", "\n[cluster.config]\nio-threads = 2\n\n[ssh]"));
    // A restart of n1's node would leave its slots without an owner while n4 is away: it is refused.
    let apply = lab
        .apply()
        .code(1)
        .says("has no replica that is online, while hosts of the cluster cannot be reached");
    assert!(apply.stderr.contains("n4") && apply.stderr.contains("no TCP connection"), "{}", apply.stderr);
    assert_eq!(lab.redis("n1", 7001, "SET a 1\nGET a\n").last().unwrap(), "1");
    // With `--limit` to the other hosts it is no failure.
    lab.run(&["plan", "--limit", "n1,n2"]).code(2).says("n4");
    lab.lab(&["start", "n4"]).ok();
    lab.apply().ok().says("37 invariants hold");
    // Undoing says what it leaves, and comes back to it.
    lab.lab(&["kill", "n4"]).ok();
    let destroy = lab.run(&["destroy", "--yes"]).code(1);
    assert!(destroy.stderr.contains("! n4: left as it is"), "{}", destroy.stderr);
    destroy.says("in a lab is gone from the hosts that can be reached");
    lab.lab(&["start", "n4"]).ok();
    lab.run(&["destroy", "--yes"]).ok();
    assert_eq!(lab.sh("n4", "find /etc /opt /run /var -path '*provision*'").ok().stdout, "");
}

#[test]
fn ctrl_c_lets_every_host_finish_its_step() {
    warm();
    let lab = Lab::up("stop", 6);
    let apply = spawn(&lab, &["apply", "--yes", "--serial", "1", "--max-failures", "9"]);
    until("n1 is being changed", || lab.sh("n1", "ls -d /etc/provision").code == 0);
    signal("-INT", &apply);
    let run = done(apply).code(130).says("interrupted after");
    assert!(lab.sh("n6", "ls -d /etc/provision").code != 0, "{}", run.text());
    lab.apply().ok().says("37 invariants hold");
}

#[test]
fn a_blocked_port_is_named_before_any_node_meets_another() {
    warm();
    let lab = Lab::up("blocked", 6);
    // A firewall that drops what comes to the bus port of n5.
    let _wall = Wall::build(&lab, &format!("ip daddr {} tcp dport 17001 drop;", lab.address("n5")));
    let began = Instant::now();
    let run = lab.apply().code(1);
    println!("it was named after {:?}", began.elapsed());
    assert!(run.stderr.contains("n1 → n5:17001") && run.stderr.contains("17001/tcp"), "{}", run.stderr);
    assert_eq!(lab.redis("n1", 7001, "CLUSTER NODES\n").len(), 1, "no node met another one");
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_changes() {
    let lab = Lab::up("taken", 6);
    lab.sh("n2", "cd / && setsid nohup perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => 7001) or die; sleep 600' >/dev/null 2>&1 &").ok();
    until("the port is taken", || lab.sh("n2", "grep -q ':1B59 ' /proc/net/tcp").code == 0);
    lab.run(&["plan"]).code(1).says("n2").says("7001").says("is taken by");
}

#[test]
fn two_runs_at_once_are_one_run_and_a_refusal() {
    warm();
    let lab = Lab::up("two", 6);
    let first = spawn(&lab, &["apply", "--yes"]);
    until("the first run holds its locks", || {
        lab.sh("n1", "grep -q process /run/provision-0-two.lock").code == 0
    });
    // It stands still, as one does whose laptop is asleep.
    signal("-STOP", &first);
    let second = done(spawn(&lab, &["apply", "--yes"])).code(1);
    let holder = format!("process {}", first.id());
    signal("-CONT", &first);
    let second = second.says("waiting up to 15s for another run").says("is being changed by user 0");
    assert_eq!(second.stderr.matches("waiting up to").count(), 1, "it is reported once: {}", second.stderr);
    second.says(&holder);
    done(first).ok();
    lab.apply().ok().says("Nothing to change");
}

/// Else two runs that begin together would each hold some hosts, and both be refused.
#[test]
fn a_run_that_waits_for_the_first_host_holds_no_other_one() {
    warm();
    let lab = Lab::up("race", 6);
    let lock = "/run/provision-0-race.lock";
    lab.sh("n1", &format!("setsid flock {lock} sleep 600 </dev/null >/dev/null 2>&1 &")).ok();
    until("a run holds the first host", || lab.sh("n1", &format!("! flock -n {lock} true")).code == 0);
    let run = spawn(&lab, &["apply", "--yes"]);
    until("the run waits", || lab.sh("n1", "pgrep -f '[f]lock -w 15'").code == 0);
    for host in hosts(6).iter().skip(1) {
        assert_eq!(lab.sh(host, &format!("test -e {lock}")).code, 1, "{host} is locked");
    }
    lab.sh("n1", "pkill -x sleep").ok();
    done(run).ok().says("waiting up to 15s for another run");
}

fn signal(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
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
fn a_link_that_is_cut_or_frozen_in_the_middle_of_a_compile_costs_time_only() {
    let lab = Lab::up("compile", 6);
    let empty = tempfile::tempdir().unwrap();
    let apply = spawn_with(&lab, &["apply", "--yes"], |command| {
        command.env("XDG_CACHE_HOME", empty.path());
    });
    let builder = builder(&lab);
    let compiling = || lab.sh(&builder, "cat /run/provision-work/build-*/pid").ok().stdout;
    let work = compiling();
    // The session's process dies as it does when a middlebox forgets it.
    let logins = || counts(&lab, &builder).0;
    let before = logins();
    lab.sh(&builder, "pkill -KILL -f '[s]shd: root@notty'").ok();
    until("it is back", || logins() > before);
    assert_eq!(compiling(), work, "it goes on, and is not begun again");
    // Then nothing comes through for a minute, without a sign that the link is gone.
    lab.lab(&["cut", &builder]).ok();
    std::thread::sleep(Duration::from_mins(1));
    lab.lab(&["heal"]).ok();
    done(apply).ok().says("37 invariants hold");
    // What was needed for that is gone.
    let left = lab.sh(&builder, "find /root/.cache/provision/build /run/provision-work -mindepth 1").stdout;
    assert_eq!(left, "");
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
fn a_link_that_is_cut_in_the_middle_of_shipping_costs_time_only() {
    warm();
    let lab = Lab::up("shipping", 6);
    // A narrow way to n3: a binary of some megabytes takes seconds.
    let narrow = format!("ip daddr {} limit rate over 256 kbytes/second drop;", lab.address("n3"));
    let wall = Wall::build(&lab, &narrow);
    let apply = spawn(&lab, &["apply", "--yes"]);
    let arriving = "find /opt/provision/shipping -name '*.provision-new' -size +0 | grep .";
    until("a part has arrived at n3", || lab.sh("n3", arriving).code == 0);
    lab.sh("n3", "pkill -KILL -f '[s]shd: root@notty'").ok();
    drop(wall);
    done(apply).ok().says("37 invariants hold");
    assert_eq!(lab.sh("n3", "find / -xdev -name '*.provision-new'").ok().stdout, "");
}

/// Rules of a firewall in the switch of a lab.
struct Wall(String);

impl Wall {
    fn build(lab: &Lab, rules: &str) -> Self {
        let wall = Self(format!("{}-sw", lab.id()));
        let chain = format!("chain forward {{\ntype filter hook forward priority 1; {rules}\n}}");
        assert!(wall.nft(&format!("table bridge wall {{\n{chain}\n}}")));
        wall
    }

    fn nft(&self, script: &str) -> bool {
        let mut nft = std::process::Command::new("ip");
        nft.args(["netns", "exec", &self.0, "nft", script]).status().unwrap().success()
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        assert!(self.nft("delete table bridge wall") || std::thread::panicking());
    }
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
    // The file is of no use any more: it is encrypted, and its passphrase is thrown away.
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
    lab.run(&["plan"]).code(1).says("sudo").says("there is no terminal to type it on");
    write_secret(lab.home().join("sudo.txt"), "wrong\n");
    lab.edit(|text| text.replace("via = []", "via = []\nsudo = { file = \"sudo.txt\" }"));
    lab.run(&["plan"]).code(1).says("does not accept the password of admin");
    write_secret(lab.home().join("sudo.txt"), "open-sesame\n");
    lab.apply().ok().says("37 invariants hold");
    // sudo gives the shell of n2 a terminal, which the end of our input does not reach.
    let began = Instant::now();
    lab.run(&["apply", "--yes"]).ok().says("Nothing to change");
    lab.sh("n2", "ls /run/provision-*.lock").code(2);
    assert!(began.elapsed() < Duration::from_secs(4), "the lock was given back after {:?}", began.elapsed());
    let logins = lab.sshd_log("n3").lines().filter(|line| line.contains("Starting session: command")).count();
    assert!(logins <= 9, "{logins} commands in five runs");
    lab.run(&["destroy", "--yes"]).ok();
}

#[test]
fn nodes_without_a_password_reach_each_other() {
    warm();
    let lab = Lab::up("open", 6);
    lab.edit(|text| text.replace("\nport = 7001", "\nport = 7001\nauth = \"none\""));
    lab.apply().ok().says("37 invariants hold");
    lab.run(&["destroy", "--yes"]).ok();
}

#[test]
fn accounts_with_a_password_log_in_by_either_method() {
    let lab = Lab::up("words", 2);
    let account = "useradd -m admin && echo admin:open-sesame | chpasswd && echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin";
    lab.sh("n1", account).ok();
    let keyboard = "printf '%s\n' 'PasswordAuthentication no' 'KbdInteractiveAuthentication yes' >/etc/ssh/sshd_config.d/10-words.conf";
    lab.sh("n2", &format!("{account} && {keyboard} && systemctl restart ssh")).ok();
    write_secret(lab.home().join("password"), "open-sesame\n");
    lab.edit(|text| {
        let password = "user = \"admin\"\npassword = { file = \"password\" }";
        text.replace("user = \"root\"", password)
    });
    lab.run(&["exec", "--", "id -un"]).ok().says("n1 | root").says("n2 | root");
    for (host, method) in [("n1", "password"), ("n2", "keyboard-interactive")] {
        let log = lab.sshd_log(host);
        assert!(log.contains(&format!("Accepted {method}")), "{log}");
    }
    write_secret(lab.home().join("password"), "sesame-open\n");
    let refused =
        lab.run(&["exec", "--", "id -un"]).code(1).says("authentication failed").says("the password");
    assert!(!refused.text().contains("sesame-open"), "{}", refused.text());
    lab.edit(|text| text.replace("{ file = \"password\" }", "\"ask\""));
    lab.run(&["exec", "--", "id -un"]).code(1).says("there is no terminal to type it on");
}

#[test]
fn the_users_own_ssh_configuration_counts() {
    let lab = Lab::up("config", 3);
    // provision runs on n1, and reaches n3, by another name, through n2 only.
    let disk = |host: &str, path: &str| lab.home().join("hosts").join(host).join("root").join(path);
    std::fs::copy(env!("CARGO_BIN_EXE_provision"), disk("n1", "root/provision")).unwrap();
    for name in ["", ".pub"] {
        let (from, to) = (format!("id_ed25519{name}"), format!("root/.ssh/lab{name}"));
        std::fs::copy(lab.home().join(from), disk("n1", &to)).unwrap();
    }
    let (n2, n3) = (lab.address("n2"), lab.address("n3"));
    let known = std::fs::read_to_string(lab.home().join("inventory.known_hosts")).unwrap();
    let known = known.replace(&format!("{n3} "), "the-real-orders ");
    std::fs::write(disk("n1", "root/.ssh/lab_known"), &known).unwrap();
    let config = format!(
        "Include more\nHost orders\n  HostName {n3}\n  HostKeyAlias the-real-orders\n  ProxyJump gate\n\
         Host gate\n  HostName {n2}\nHost *\n  RevokedHostKeys ~/.ssh/revoked\n"
    );
    std::fs::write(disk("n1", "root/.ssh/revoked"), "").unwrap();
    std::fs::write(disk("n1", "root/.ssh/config"), config).unwrap();
    let more = "Match user root\n  IdentityFile ~/.ssh/lab\n  UserKnownHostsFile ~/.ssh/lab_known\n";
    std::fs::write(disk("n1", "root/.ssh/more"), more).unwrap();
    let inventory = format!(
        "[cluster]\nname = \"c\"\nversion = \"7.0.15\"\n\
         [[hosts]]\nname = \"orders\"\naddress = \"orders\"\nnetwork = {{ address = \"{n3}/24\" }}\n"
    );
    std::fs::write(disk("n1", "root/inventory.toml"), inventory).unwrap();
    lab.sh("n1", "cd && ./provision exec inventory.toml -- hostname").ok().says("orders | n3");
    assert!(lab.sshd_log("n3").contains(&format!("Accepted publickey for root from {n2}")));
    // A plan needs no more than that.
    lab.sh("n1", "cd && ./provision plan inventory.toml").code(2).says("orders");
    // A key that the user knows to be in other hands never passes.
    let key = known.lines().find_map(|line| line.strip_prefix("the-real-orders ")).unwrap();
    std::fs::write(disk("n1", "root/.ssh/revoked"), format!("{key}\n")).unwrap();
    lab.sh("n1", "cd && ./provision exec inventory.toml -- hostname").code(1).says("RevokedHostKeys");
    lab.sh("n1", "cd /root/.ssh && mv revoked keys && ssh-keygen -q -k -f revoked keys").ok();
    lab.sh("n1", "cd && ./provision exec inventory.toml -- hostname").code(1).says("RevokedHostKeys");
    lab.sh("n1", "cd /root/.ssh && ssh-keygen -q -k -f revoked lab.pub").ok();
    lab.sh("n1", "cd && ./provision exec inventory.toml -- hostname").ok();
    // So it is where the inventory says all that it can.
    let whole = format!(
        "[cluster]\nname = \"c\"\nversion = \"7.0.15\"\n\
         [ssh]\nuser = \"root\"\nport = 22\nidentity = [\"~/.ssh/lab\"]\nvia = []\n\
         [[hosts]]\nname = \"gate\"\naddress = \"{n2}\"\n"
    );
    std::fs::write(disk("n1", "root/whole.toml"), whole).unwrap();
    lab.sh("n1", "cd && ./provision exec whole.toml -- hostname").ok().says("gate | n2");
    let key = known.lines().find_map(|line| line.strip_prefix(&format!("{n2} "))).unwrap();
    std::fs::write(disk("n1", "root/.ssh/revoked"), format!("{key}\n")).unwrap();
    lab.sh("n1", "cd && ./provision exec whole.toml -- hostname").code(1).says("RevokedHostKeys");
}

#[test]
fn many_hosts_are_asked_at_once() {
    warm();
    let lab = Lab::up("many", 3);
    let run = lab.run(&["exec", "--json", "--", "hostname; exit 3"]).code(1);
    let lines: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for host in hosts(3) {
        assert!(lines.contains(&serde_json::json!({ "host": host, "line": host })), "{}", run.stdout);
        assert!(lines.contains(&serde_json::json!({ "host": host, "status": 3 })), "{}", run.stdout);
    }
    let some = lab.run(&["exec", "--limit", "n1,n2", "--", "printf", "%s", "$HOME"]).ok();
    assert!(some.stdout.contains("n2 | $HOME") && !some.stdout.contains("n3"), "{}", some.stdout);

    lab.apply().ok();
    let logs = lab.run(&["logs", "-n", "3"]).ok().says("n1 | 7001: ").says("n3 | 7002: ");
    assert_eq!(logs.stdout.lines().count(), 18, "{}", logs.stdout);

    // A follower that ends leaves no process on the host.
    let inventory = lab.inventory();
    let mut follow = lab.command(&["logs", "--follow", inventory.to_str().unwrap()]);
    let mut follow = follow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let tails = || lab.sh("n1", "pgrep -x tail").code == 0;
    until("logs are followed", tails);
    follow.kill().unwrap();
    follow.wait().unwrap();
    until("no follower is left", || !tails());

    // Pins are lost, and made anew; a key that is another one is never pinned.
    let pins = lab.home().join("inventory.known_hosts");
    let before = std::fs::read_to_string(&pins).unwrap();
    std::fs::remove_file(&pins).unwrap();
    lab.run(&["plan"]).code(1).says("unknown host key").says("provision trust");
    lab.run(&["trust"]).code(64).says("--yes");
    assert!(!pins.exists());
    lab.run(&["trust", "--yes"]).ok().says("pinned 3 keys");
    let sorted = |text: String| {
        let mut keys: Vec<String> =
            text.lines().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
        keys.sort();
        keys
    };
    let after = std::fs::read_to_string(&pins).unwrap();
    assert_eq!(sorted(after.clone()), sorted(before.clone()));
    let (one, two) = (lab.address("n1"), lab.address("n2"));
    let swapped = after.replace(&format!("{one} "), "x ").replace(&format!("{two} "), &format!("{one} "));
    std::fs::write(&pins, swapped.replace("x ", &format!("{two} "))).unwrap();
    lab.run(&["trust", "--yes"]).code(1).says("CHANGED");
    lab.run(&["plan"]).code(1).says("its host key is not trusted").says("remove line");
    std::fs::write(&pins, before).unwrap();
    lab.run(&["plan"]).code(0);
}

#[test]
fn a_few_hosts_at_a_time_until_too_many_fail() {
    warm();
    let lab = Lab::up("serial", 3);
    // A host whose disk takes nothing fails; those after it are left alone.
    lab.sh("n2", "mount -t tmpfs -o ro tmpfs /opt").ok();
    let changed = |host: &str| lab.sh(host, "[ -e /opt/provision ]").code == 0;
    let run = lab.run(&["apply", "--yes", "--serial", "1"]).code(1).says("n2");
    assert!(changed("n1") && !changed("n3"), "{}", run.text());
    let run = lab.run(&["apply", "--yes", "--serial", "1", "--max-failures", "1"]).code(1).says("n2");
    assert!(changed("n3"), "{}", run.text());
    lab.sh("n2", "umount /opt").ok();
    // What is left to do on hosts that were not chosen keeps the cluster from being formed.
    lab.run(&["apply", "--yes", "--limit", "n1,n3"]).ok();
    assert_eq!(lab.redis("n1", 7001, "CLUSTER NODES\n").len(), 1);
    lab.apply().ok().says("invariants hold");
    lab.run(&["destroy", "--yes"]).ok();
}
