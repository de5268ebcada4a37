//! Jump hosts: one connection for all hosts behind them.

use std::fs;

use provision::{
    host::{self, NoPrompt, Phase, Probe},
    inventory::Ssh,
};

use super::{SECOND, fails, pool_with};
use crate::support::{sshd::Sshd, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_is_connected_to_once() {
    let (bastion, target) = (Sshd::start(""), Sshd::start(""));
    let pins = target.path("all_pins");
    let lines = [bastion.pins(), target.pins()].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&pins, lines.concat()).unwrap();
    target.allow(&bastion.path("id_ed25519.pub"));
    let via = format!("root@127.0.0.1:{}", bastion.port);
    let through = |ssh: &mut Ssh| {
        ssh.via = Some(vec![via.clone()]);
        ssh.identity = vec![bastion.path("id_ed25519")];
    };
    let pool = pool_with(pins, false, NoPrompt);
    let host = target.host(through);
    let probes = futures_util::future::join_all((0..4).map(|_| Probe::connect(&host, &pool))).await;
    for probe in &probes {
        assert_eq!(probe.as_ref().ok().unwrap().ask("a question", "echo hello").await.unwrap(), ["hello"]);
    }
    assert_eq!((bastion.count("Accepted publickey"), target.count("Accepted publickey")), (1, 4));
    let unknown = pool_with(bastion.path("nothing"), false, NoPrompt);
    let (phase, reason, _) = fails(&target, &unknown, through).await;
    assert!(phase == Phase::HostKey && reason.contains("jump host"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_hosts_share_one_jump_host_without_a_deadlock() {
    let (bastion, target) = (Sshd::start(""), Sshd::start("MaxStartups 100"));
    let pins = target.path("all_pins");
    let lines = [bastion.pins(), target.pins()].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&pins, lines.concat()).unwrap();
    target.allow(&bastion.path("id_ed25519.pub"));
    let via = format!("root@127.0.0.1:{}", bastion.port);
    let pool = pool_with(pins, false, NoPrompt);
    let through = |ssh: &mut Ssh| {
        (ssh.via, ssh.identity) = (Some(vec![via.clone()]), vec![bastion.path("id_ed25519")]);
    };
    let hosts: Vec<_> = (0..40).map(|_| target.host(through)).collect();
    let all = futures_util::future::join_all(hosts.iter().map(|host| Probe::connect(host, &pool)));
    let probes = tokio::time::timeout(300 * SECOND, all).await.expect("they wait for each other");
    assert_eq!(probes.iter().filter(|probe| probe.is_ok()).count(), 40);
    assert_eq!(bastion.count("Accepted publickey"), 1);
    drop(probes);

    // A jump host that refuses the login is tried once for all hosts.
    let wrong = |ssh: &mut Ssh| {
        (ssh.via, ssh.identity) = (Some(vec![via.clone()]), vec![target.path("id_ed25519")]);
    };
    let pool = pool_with(target.path("all_pins"), false, NoPrompt);
    let hosts: Vec<_> = (0..4).map(|_| target.host(wrong)).collect();
    for refused in futures_util::future::join_all(hosts.iter().map(|host| Probe::connect(host, &pool))).await
    {
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("jump host") && error.contains("authentication failed"), "{error}");
    }
    until("it is logged", || bastion.count("Failed publickey") > 0);
    assert_eq!(bastion.count("Failed publickey"), 1, "{}", bastion.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_jump_hosts_are_shown_before_those_behind_them() {
    let (bastion, target) = (Sshd::start(""), Sshd::start(""));
    target.allow(&bastion.path("id_ed25519.pub"));
    let via = format!("root@127.0.0.1:{}", bastion.port);
    let host = target.host(|ssh| {
        (ssh.via, ssh.identity) = (Some(vec![via.clone()]), vec![bastion.path("id_ed25519")]);
    });
    let pins = bastion.path("empty");
    let (keys, failed) = pool_with(pins.clone(), false, NoPrompt).host_keys(&host).await;
    assert!(failed.unwrap().to_string().contains("jump host"));
    assert!(keys.len() == 1 && keys[0].jump && keys[0].port == bastion.port);
    host::pin(&pins, &keys[0].address, keys[0].port, &keys[0].key).unwrap();
    let (keys, failed) = pool_with(pins, false, NoPrompt).host_keys(&host).await;
    assert!(failed.is_none());
    assert_eq!(keys.iter().map(|shown| shown.port).collect::<Vec<_>>(), [bastion.port, target.port]);
}
