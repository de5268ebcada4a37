//! The lab itself: hosts that boot, freeze, lose their power and their peers, and leave nothing behind.

use std::{process::Stdio, time::Duration};

use crate::support::{
    lab::{Lab, traces},
    until,
};

/// Whether one host reaches a port of another.
fn reaches(lab: &Lab, from: &str, to: &str) -> bool {
    let address = lab.address(to);
    lab.sh(from, &format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/22'")).code == 0
}

#[test]
fn hosts_come_up_and_go_without_a_trace() {
    let lab = Lab::up("traces", 3);
    lab.lab(&["list"]).ok().says("3 simulated hosts on this machine").says("n3");
    lab.lab(&["ssh", "n2", "--", "hostname"]).ok().says("n2");
    assert_eq!(lab.sh("n1", "systemctl is-system-running --wait").stdout.trim(), "running");
    // Another `up` is no other lab.
    let before =
        lab.sh("n1", "cat /proc/sys/kernel/random/boot_id /proc/1/stat | cut -d ' ' -f 1,22").ok().stdout;
    lab.lab(&["up", "--hosts", "3"]).ok();
    lab.lab(&["up"]).ok().says("3 simulated hosts");
    lab.lab(&["up", "--hosts", "4"]).code(64).says("with 3 hosts, and 4 is wanted").says("lab down");
    assert_eq!(
        lab.sh("n1", "cat /proc/sys/kernel/random/boot_id /proc/1/stat | cut -d ' ' -f 1,22").ok().stdout,
        before
    );
    let id = lab.id();
    assert!(!traces(&id).is_empty(), "this check can fail");
    lab.lab(&["down"]).ok().says("gone");
    assert_eq!(traces(&id), Vec::<String>::new());
    lab.lab(&["down"]).code(64).says("there is no lab");
}

#[test]
fn power_frost_and_cuts() {
    let lab = Lab::up("power", 6);
    let probe = |host: &str| {
        lab.command(&["exec", "--limit", host, lab.inventory().to_str().unwrap(), "--", "echo", "hello"])
            .output()
            .unwrap()
    };
    crate::support::Run::from(probe("n1")).ok().says("hello");
    lab.lab(&["pause", "n2"]).ok().says("n2 is frozen");
    until("it shows", || lab.lab(&["list"]).ok().stdout.contains("frozen"));
    assert!(!reaches_banner(&lab, "n2"));
    lab.lab(&["resume", "n2"]).ok();
    until("n2 answers again", || reaches_banner(&lab, "n2"));

    lab.sh("n3", "echo kept >/root/kept").ok();
    lab.lab(&["kill", "n3"]).ok();
    lab.lab(&["list"]).ok().says("off");
    lab.lab(&["exec", "n3", "--", "true"]).code(1).says("n3 is off").says("lab start n3");
    lab.lab(&["start", "n3"]).ok();
    lab.sh("n3", "cat /root/kept").ok().says("kept");

    let open = |from: &str, to: &str| until("one reaches the other", || reaches(&lab, from, to));
    open("n1", "n2");
    open("n2", "n1");
    lab.lab(&["cut", "n1|n2"]).ok();
    assert!(!reaches(&lab, "n1", "n2") && !reaches(&lab, "n2", "n1"));
    open("n1", "n3");
    open("n3", "n2");
    lab.lab(&["list"]).ok().says("cut: n1 | n2");
    lab.lab(&["heal"]).ok();
    open("n1", "n2");
    lab.lab(&["cut", "n3"]).ok();
    assert!(!reaches(&lab, "n1", "n3") && !reaches_banner(&lab, "n3"));
    open("n1", "n2");
    lab.lab(&["heal"]).ok();
    lab.lab(&["cut", "n1|n9"]).code(64).says("no host is called n9");
}

/// Whether this machine is greeted by a host's sshd.
fn reaches_banner(lab: &Lab, host: &str) -> bool {
    use std::io::Read;
    let address = format!("{}:22", lab.address(host)).parse().unwrap();
    let Ok(mut stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream.read_exact(&mut [0; 4]).is_ok()
}

#[test]
fn what_a_killed_up_has_made_is_taken_down() {
    let lab = Lab::up("killed", 1);
    lab.lab(&["down"]).ok();
    let mut up = lab
        .command(&["lab", "--name", "killed", "up", "--hosts", "4"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it has begun", || lab.home().join("state.json").exists() && !traces(&lab.id()).is_empty());
    up.kill().unwrap();
    up.wait().unwrap();
    let id = lab.id();
    lab.lab(&["down"]).ok();
    assert_eq!(traces(&id), Vec::<String>::new());
}

#[test]
fn what_a_killed_up_has_made_is_completed() {
    let lab = Lab::up("again", 3);
    for round in 0..4 {
        lab.lab(&["down"]).ok();
        let mut up = lab
            .command(&["lab", "--name", "again", "up", "--hosts", "3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed in the middle of keys, of cables, and of boots.
        until("it has begun", || lab.home().join("state.json").exists());
        let id = lab.id();
        match round {
            0 => {}
            1 => until("it has keys", || lab.home().join("hosts/n2").exists()),
            2 => until("it has cables", || !traces(&id).is_empty()),
            _ => until("it boots", || traces(&id).iter().any(|trace| trace.contains("--machine="))),
        }
        up.kill().unwrap();
        up.wait().unwrap();
        lab.lab(&["up", "--hosts", "3"]).ok();
        lab.run(&["exec", "--", "hostname"]).ok().says("n1 | n1").says("n3 | n3");
        let boots = traces(&id).into_iter().filter(|trace| trace.starts_with("systemd-nspawn")).count();
        assert_eq!(boots, 3, "each boots once");
    }
}

#[test]
fn a_subnet_that_is_in_use_is_refused() {
    let lab = Lab::up("subnet", 1);
    let net = lab.address("n1").rsplit_once('.').map(|(net, _)| format!("{net}.0/24")).unwrap();
    let other = |args: &[&str]| {
        let all = [&["lab", "--name", "other"], args].concat();
        crate::support::Run::from(lab.command(&all).output().unwrap())
    };
    other(&["up", "--hosts", "1", "--subnet", &net]).code(64).says("is in use here");
    other(&["up", "--hosts", "1", "--subnet", "10.99.0.0/29"]).code(64).says("no room");
    let mut bare = lab.command(&["lab", "--name", "other", "up"]);
    crate::support::Run::from(bare.env("PATH", "/nowhere").output().unwrap())
        .code(1)
        .says("systemd-nspawn")
        .says("--install");
}
