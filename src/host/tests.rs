//! The two capabilities on this machine, without SSH.

use std::{path::PathBuf, time::Duration};

use super::{Connector, Error, LockedHost, NoPrompt, Phase, Pool, Probe, Upload};
use crate::inventory::{Address, Host, Ssh};

const SOON: Duration = Duration::from_secs(10);

fn host(address: Address, ssh: Ssh) -> Host {
    Host { name: "n1".into(), address, ssh, zone: None, nodes: Vec::new() }
}

fn pool() -> Pool {
    Pool::new(Connector::new(PathBuf::from("/no/pins"), false, Box::new(NoPrompt)))
}

async fn probe() -> Probe {
    Probe::connect(&host(Address::Local, Ssh::default()), &pool()).await.unwrap()
}

/// This machine with a lock that no other test takes.
async fn locked(cluster: &str) -> LockedHost {
    let cluster = format!("unit-{cluster}-{}", std::process::id());
    probe().await.lock(&cluster, "a test", &|_| {}).await.unwrap()
}

#[tokio::test]
async fn a_probe_asks_and_knows_the_facts() {
    let probe = probe().await;
    assert_eq!((probe.name().as_str(), probe.is_remote()), ("n1", false));
    assert_eq!(probe.ask("two lines", "echo a; echo b").await.unwrap(), ["a", "b"]);
    let facts = probe.facts().await.unwrap();
    assert_eq!(probe.ask("the user", "id -u").await.unwrap(), [facts.uid.to_string()]);
}

#[tokio::test]
async fn a_script_that_fails_is_an_error_with_its_output() {
    let error = probe().await.ask("the probe", "echo why; exit 7").await.unwrap_err();
    assert_eq!(error.to_string(), "n1: the probe failed with status 7\n  why");
}

#[tokio::test]
async fn the_users_own_command_has_a_status_and_no_error() {
    let mut lines = Vec::new();
    let mut on_line = |line: &str| lines.push(line.to_owned());
    let status = probe().await.command("echo out; echo err >&2; exit 3", SOON, &mut on_line).await.unwrap();
    assert_eq!((status, lines), (3, vec!["out".to_owned(), "err".to_owned()]));
}

#[tokio::test]
async fn a_locked_host_runs_changes_and_is_free_after_its_release() {
    let host = locked("release").await;
    assert_eq!(host.run("a change", "echo done", SOON, &mut |_| {}).await.unwrap(), ["done"]);
    assert_eq!(host.probe().ask("a question", "echo answer").await.unwrap(), ["answer"]);
    host.release().await;
    let began = std::time::Instant::now();
    let again = locked("release").await;
    assert!(began.elapsed() < SOON, "the lock was still held");
    again.release().await;
}

#[tokio::test]
async fn a_detached_job_of_this_machine_is_a_script_like_any_other() {
    let host = locked("job").await;
    let lines = host.run_detached("a job", "key", "echo one; echo two", SOON, &mut |_| {}).await;
    assert_eq!(lines.unwrap(), ["one", "two"]);
    let failed = host.run_detached("a job", "key", "exit 9", SOON, &mut |_| {}).await;
    assert!(matches!(failed, Err(Error::Script { status: 9, .. })));
    host.release().await;
}

#[tokio::test]
async fn a_change_that_prints_nothing_for_too_long_is_silent() {
    let host = locked("silent").await;
    let error = host.run("a change", "sleep 0.3", Duration::from_millis(50), &mut |_| {}).await.unwrap_err();
    assert!(matches!(&error, Error::Silent { what, .. } if what == "a change") && error.is_lost());
    host.release().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_copied_is_named_with_its_host() {
    let (host, folder) = (locked("copy").await, tempfile::tempdir().unwrap());
    let (local, missing) = (folder.path().join("local"), folder.path().join("no/folder"));
    let error = host.probe().get(missing.to_str().unwrap(), &local).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("n1: could not copy {}", missing.display())), "{error}");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&local, "content").unwrap();
    let upload = Upload::read(&local).unwrap();
    let error = host.put(&upload, missing.to_str().unwrap(), 0o600).await.unwrap_err();
    assert!(matches!(error, Error::Copy { .. }));
    host.release().await;
}

#[tokio::test]
async fn a_host_without_sshd_is_unreachable_over_tcp_with_the_command_to_try() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("key");
    #[expect(clippy::disallowed_methods, reason = "it makes the key of a test")]
    let mut keygen = std::process::Command::new("ssh-keygen");
    assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&identity).status().unwrap().success());
    let ssh = Ssh {
        user: Some("root".to_owned()),
        port: Some(port),
        identity: vec![identity],
        via: Some(Vec::new()),
        ..Ssh::default()
    };
    let host = host(Address::Remote("127.0.0.1".to_owned()), ssh);
    let Err(error) = Probe::connect(&host, &pool()).await else { panic!("no server listens there") };
    assert!(matches!(error, Error::Unreachable { phase: Phase::Tcp, transient: false, .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains(&format!("ssh -v -p {port} -i ")), "{help}");
    let (keys, failed) = pool().host_keys(&host).await;
    assert!(keys.is_empty() && matches!(failed, Some(Error::Unreachable { phase: Phase::Tcp, .. })));
}

#[tokio::test]
async fn this_machine_shows_no_host_keys() {
    let (keys, failed) = pool().host_keys(&host(Address::Local, Ssh::default())).await;
    assert!(keys.is_empty() && failed.is_none());
}
