//! The shell of a host, its lock, and links that are lost.

use std::fs;

use provision::host::{Error, Upload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SECOND, change, connect, echo, noise, run};
use crate::support::sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_one_connection_and_one_exec() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "one-exec").await;
    assert_eq!(change.probe().facts().await.unwrap().uid, 0);
    assert_eq!(change.probe().ask("lines", "echo a; echo; echo b").await.unwrap(), ["a", "", "b"]);
    assert!(
        matches!(run(&change, "echo why; exit 7").await, Error::Script { status: 7, output, .. } if output == ["why"])
    );
    assert!(matches!(run(&change, "kill -KILL $$").await, Error::Script { .. } | Error::ShellLost { .. }));
    assert_eq!(
        (sshd.count("Accepted publickey"), sshd.count("Starting session: command")),
        (1, 1),
        "{}",
        sshd.log()
    );
    // A shell that is killed leaves its lock file, which no process locks any more.
    std::fs::remove_file("/run/provision-0-one-exec.lock").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_is_no_problem() {
    let sshd = Sshd::start("");
    let probe = connect(&sshd).await;
    let lines = probe.ask("many lines", "seq 100000; seq 100000 >&2").await.unwrap();
    assert_eq!(lines.len(), 200_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_a_login_is_not_output_of_a_script() {
    let noise = "echo welcome; echo to this host";
    // As the start-up file of a login shell does it, for every command.
    let sshd =
        Sshd::start(&format!("ForceCommand {noise}; eval \"$SSH_ORIGINAL_COMMAND\"\nAllowTcpForwarding no"));
    let change = change(&sshd, "noise").await;
    assert_eq!(change.probe().ask("a question", "echo a").await.unwrap(), ["a"]);
    let (local, remote, back) = (sshd.path("local"), sshd.path("remote"), sshd.path("back"));
    fs::write(&local, b"content").unwrap();
    change.put(&Upload::read(&local).unwrap(), remote.to_str().unwrap(), 0o644).await.unwrap();
    change.probe().get(remote.to_str().unwrap(), &back).await.unwrap();
    assert_eq!(fs::read(&back).unwrap(), b"content");
    let (open, _) = echo().await;
    let mut stream = change.probe().dial(open).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_left_by_a_frozen_link_is_taken_again() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "silent-loss").await;
    let shell = change.probe().ask("the shell", "echo $$").await.unwrap().remove(0);
    // The old session stays, as after a middlebox dropped the connection: its sshd is frozen.
    sshd.freeze_connections();
    let again = tokio::time::timeout(90 * SECOND, async {
        loop {
            if let Ok(lines) = change.probe().ask("a question", "echo again").await {
                return lines;
            }
        }
    });
    assert_eq!(again.await.unwrap(), ["again"]);
    // Its sshd is frozen and does not reap it, but a running process has an executable.
    assert!(fs::read_link(format!("/proc/{shell}/exe")).is_err(), "the shell that held the lock was killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_is_replaced_and_the_lock_taken_again() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "lost-link").await;
    change.probe().ask("nothing", ":").await.unwrap();
    sshd.drop_connections();
    assert_eq!(change.probe().ask("a question", "echo again").await.unwrap(), ["again"]);
    let other = connect(&sshd).await.lock("lost-link", "another", &|_| {}).await;
    assert!(matches!(other.err(), Some(Error::Locked { holder, .. }) if holder == "a test"));
    let local = sshd.path("local");
    fs::write(&local, noise(1 << 20)).unwrap();
    sshd.drop_connections();
    change.put(&Upload::read(&local).unwrap(), sshd.path("remote").to_str().unwrap(), 0o644).await.unwrap();
    assert_eq!(change.probe().ask("a question", "echo again").await.unwrap(), ["again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_was_cut_off_is_not_run_twice() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "cut-off").await;
    let mut cut = |_: &str| sshd.drop_connections();
    let error =
        change.run("a script", "echo begun; sleep 2; echo done", 20 * SECOND, &mut cut).await.unwrap_err();
    assert!(matches!(error, Error::ShellLost { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_timed_out_does_not_answer_for_the_next_one() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "given-up").await;
    let error = change.run("a script", "sleep 2; echo late; exit 7", SECOND, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    assert_eq!(change.probe().ask("a question", "echo mine").await.unwrap(), ["mine"]);
}
