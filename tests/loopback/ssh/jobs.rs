//! Detached jobs: they outlive a lost link and a killed run.

use std::fs;

use provision::host::Error;

use super::{SECOND, change};
use crate::support::{sshd::Sshd, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_continues_while_the_link_is_lost() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "work").await;
    let counted = sshd.path("counted");
    let script = format!(
        "i=0; while [ $i -lt 60 ]; do i=$((i + 1)); echo \"line $i\"; echo >>{}; sleep 0.05; done",
        counted.display()
    );
    let mut cuts = 0;
    let mut cut = |line: &str| {
        // After the last one only the tidying up may be left.
        if line.ends_with("20") || line.ends_with("40") || line.ends_with("60") {
            cuts += 1;
            assert_eq!(jobs("test-count"), 1, "this check can fail");
            sshd.drop_connections();
        }
    };
    let lines = change.run_detached("counting", "test-count", &script, 20 * SECOND, &mut cut).await.unwrap();
    let expected: Vec<String> = (1..=60).map(|i| format!("line {i}")).collect();
    assert_eq!(lines, expected);
    assert_eq!((fs::read_to_string(&counted).unwrap().len(), cuts), (60, 3), "it ran once");
    assert_eq!(jobs("test-count"), 0, "it was tidied up");
}

/// How many jobs of this name the host has.
fn jobs(name: &str) -> usize {
    let entries = fs::read_dir("/run/provision-work").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_run_is_collected() {
    let sshd = Sshd::start("");
    let file = sshd.path("ran");
    let script = format!("echo one; echo >>{}; sleep 1; echo two; exit 3", file.display());
    let first = change(&sshd, "killed").await;
    let abandoned = tokio::time::timeout(
        SECOND / 2,
        first.run_detached("it", "test-killed", &script, 20 * SECOND, &mut |_| {}),
    )
    .await;
    assert!(abandoned.is_err());
    drop(first);
    sshd.drop_connections();
    let second = change(&sshd, "killed").await;
    let error =
        second.run_detached("it", "test-killed", &script, 20 * SECOND, &mut |_| {}).await.unwrap_err();
    assert!(
        matches!(&error, Error::Script { status: 3, output, .. } if output == &["one", "two"]),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_prints_nothing_for_too_long_is_killed() {
    let sshd = Sshd::start("");
    let change = change(&sshd, "silent").await;
    let error = change
        .run_detached("it", "test-silent", "echo begun; sleep 317", 2 * SECOND, &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    let sleeps = || std::process::Command::new("pgrep").args(["-x", "-f", "sleep 317"]).status().unwrap();
    until("nothing of it runs", || !sleeps().success());
}
