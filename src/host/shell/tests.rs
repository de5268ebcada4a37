use std::{
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{
    framing::Shell,
    lock::{Retake, holder_of, lock_script},
    script::{buffer_output, framed, minify, one_line, quote, sentinel},
};
use crate::host::error::Error;

const SOON: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "the oracle")]
fn sh() -> Command {
    let mut command = Command::new("sh");
    command.env("LC_ALL", "C").stderr(Stdio::null());
    command
}

/// What `sh` prints for a script on its standard input.
fn output(script: &str) -> String {
    let mut child = sh().arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, script.as_bytes()).unwrap();
    drop(stdin);
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

/// A shell of this machine, behind the framing.
fn shell() -> Shell {
    crate::host::local::Local::shell(&"n1".into()).unwrap()
}

async fn run(shell: &mut Shell, script: &str) -> (i32, Vec<String>) {
    shell.run(&"n1".into(), "a script", script, SOON, &mut |_| {}).await.unwrap()
}

/// A shell whose output the test writes, with a sentinel that is known.
fn scripted(output: &str) -> Shell {
    let (ours, theirs) = duplex(1 << 16);
    let (stdout, stdin) = tokio::io::split(ours);
    let (mut read, mut write) = tokio::io::split(theirs);
    let output = output.to_owned();
    tokio::spawn(async move {
        let mut text = vec![0; 4096];
        let _ = read.read(&mut text).await;
        let _ = write.write_all(output.as_bytes()).await;
        let _ = write.shutdown().await;
    });
    Shell::new(stdin, stdout, "MARK".to_owned())
}

#[tokio::test]
async fn a_script_ends_with_its_status_and_its_lines() {
    let mut shell = shell();
    assert_eq!(
        run(&mut shell, "echo a; echo; echo b").await,
        (0, vec!["a".into(), String::new(), "b".into()])
    );
    assert_eq!(run(&mut shell, "exit 7").await, (7, vec![]));
    assert_eq!(run(&mut shell, "echo why >&2; false").await, (1, vec!["why".into()]));
}

#[tokio::test]
async fn the_last_line_needs_no_end() {
    let mut shell = shell();
    assert_eq!(run(&mut shell, "printf 'no end'").await, (0, vec!["no end".into()]));
    assert_eq!(run(&mut shell, "printf 'a\\n\\n'").await, (0, vec!["a".into(), String::new()]));
    assert_eq!(run(&mut shell, ":").await, (0, vec![]));
}

#[tokio::test]
async fn a_script_cannot_read_the_next_one() {
    let mut shell = shell();
    assert_eq!(run(&mut shell, "cat; read -r line; echo \"$line\"").await.1, [""]);
    assert_eq!(run(&mut shell, "echo next").await.1, ["next"]);
}

#[tokio::test]
async fn a_script_cannot_end_the_shell_nor_leave_variables_behind() {
    let mut shell = shell();
    assert_eq!(run(&mut shell, "left=behind; exit 3").await.0, 3);
    assert_eq!(run(&mut shell, "echo \"${left-nothing}\"").await.1, ["nothing"]);
}

#[tokio::test]
async fn every_shell_has_a_sentinel_of_its_own() {
    let all: std::collections::BTreeSet<String> = (0..50).map(|_| sentinel().unwrap()).collect();
    assert_eq!(all.len(), 50);
    assert!(all.iter().all(|word| word.len() == "provision-".len() + 24), "{all:?}");
}

#[tokio::test]
async fn a_forged_sentinel_is_output_like_any_other() {
    let mut shell = shell();
    let forged = format!("{} 0", sentinel().unwrap());
    let (status, lines) = run(&mut shell, &format!("echo '{forged}'; echo 'provision- 0'; exit 5")).await;
    assert_eq!((status, lines), (5, vec![forged, "provision- 0".to_owned()]));
}

#[tokio::test]
async fn lines_are_reported_as_they_come() {
    let seen = Mutex::new(Vec::new());
    let mut on_line = |line: &str| seen.lock().unwrap().push(line.to_owned());
    let script = "echo one; echo; echo two";
    shell().run(&"n1".into(), "a script", script, SOON, &mut on_line).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["one", "", "two"]);
}

#[tokio::test]
async fn a_script_that_timed_out_does_not_answer_for_the_next_one() {
    let mut shell = shell();
    let short = Duration::from_millis(50);
    let late = shell.run(&"n1".into(), "a script", "sleep 0.3; echo late; exit 7", short, &mut |_| {}).await;
    assert!(matches!(late, Err(Error::Silent { host, what, .. }) if host == "n1" && what == "a script"));
    assert_eq!(run(&mut shell, "echo mine").await, (0, vec!["mine".into()]));
}

#[tokio::test]
async fn a_shell_that_ends_is_lost_and_a_line_that_was_cut_off_is_dropped() {
    let mut shell = scripted("whole\ncut o");
    let mut seen = Vec::new();
    let lost = shell.run(&"n1".into(), "a script", ":", SOON, &mut |line| seen.push(line.to_owned())).await;
    assert!(matches!(lost, Err(Error::ShellLost { .. })), "{lost:?}");
    assert_eq!(seen, ["whole"]);
    assert!(shell.has_ended());
}

#[tokio::test]
async fn a_status_that_is_no_number_is_a_failure() {
    assert_eq!(run(&mut scripted("\nMARK what\n"), ":").await, (-1, vec![]));
}

#[tokio::test]
async fn a_closed_shell_has_ended() {
    let mut shell = shell();
    assert!(!shell.has_ended());
    shell.close().await;
    assert!(shell.has_ended());
}

/// A shell behind a login that prints these lines; what the greeting says.
async fn behind(login: &str) -> (Shell, Option<String>) {
    let (ours, theirs) = duplex(1 << 16);
    let (stdout, stdin) = tokio::io::split(ours);
    let (sender, greeting) = tokio::sync::oneshot::channel();
    let greeted = move |words: &str| drop(sender.send(words.to_owned()));
    let shell = Shell::with_login_banner(stdin, stdout, "MARK".to_owned(), greeted, || "an error".to_owned());
    let (mut read, mut write) = tokio::io::split(theirs);
    write.write_all(login.as_bytes()).await.unwrap();
    write.shutdown().await.unwrap();
    tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    let words = greeting.await.ok();
    (shell, words)
}

#[tokio::test]
async fn what_a_login_prints_is_no_output() {
    let (mut shell, words) = behind("Welcome\n\nMARK hello /bin/gzip\nfirst\n\nMARK 0\n").await;
    assert_eq!(words.as_deref(), Some(" /bin/gzip"));
    assert_eq!(shell.captured_output(), "an error");
    assert_eq!(run(&mut shell, ":").await, (0, vec!["first".into()]));
}

#[tokio::test]
async fn the_last_lines_of_a_login_without_a_shell_are_kept() {
    let login: String = (1..=9).map(|n| format!("line {n}\n\n")).collect();
    let (shell, words) = behind(&login).await;
    assert_eq!(words, None);
    assert_eq!(shell.captured_output(), "line 5; line 6; line 7; line 8; line 9; an error");
}

#[test]
fn a_framed_script_ends_with_the_sentinel_and_its_status() {
    assert_eq!(output(&framed("echo ran; (exit 3)", "MARK")), "ran\n\nMARK 3\n");
}

/// Fragments of scripts, some of which close blocks that others open.
fn script() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        Just("echo ran"),
        Just("}"),
        Just("{ echo ran; }"),
        Just("( echo ran )"),
        Just("if :; then echo ran; fi"),
        Just("case ran in ran) echo ran ;; esac"),
        Just("for i in 1 2; do echo ran; done"),
        Just("printf 'ran}'"),
        Just("# }"),
        Just("a=\"}\"; echo ran"),
    ];
    prop::collection::vec(fragment.prop_map(str::to_owned), 1..5).prop_map(|all| all.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever part of a script arrives, the shell runs nothing of it. A `}` alone would close the frame,
    /// but a script that has one is not valid.
    #[test]
    fn a_script_that_is_cut_anywhere_runs_nothing(script in script(), cut in any::<prop::sample::Index>()) {
        let valid = sh().args(["-n", "-c", &script]).status().unwrap().success();
        prop_assume!(valid);
        let text = framed(&script, "MARK");
        let whole = text.trim_end().len();
        let cut = cut.index(whole);
        prop_assert_eq!(output(&text[..cut]), "", "{:?}", &text[..cut]);
        prop_assert!(output(&text).contains("MARK"));
    }

    /// A quoted word reaches a command unchanged.
    #[test]
    fn a_quoted_word_is_one_word(word in "[^\u{0}]{0,24}") {
        prop_assert_eq!(output(&format!("printf '%s.' {} end", quote(&word))), format!("{word}.end."));
    }

    /// Minified, a script without here-documents prints the same.
    #[test]
    fn a_minified_script_does_the_same(script in script(), indent in 0usize..6) {
        let indented: String =
            script.lines().map(|line| format!("{}{line}\n\n  # a comment\n", " ".repeat(indent))).collect();
        prop_assert_eq!(output(&minify(&indented)), output(&script));
        prop_assert!(!minify(&indented).contains("comment"));
    }
}

#[test]
fn a_word_with_a_nul_is_empty() {
    assert_eq!(quote("a\0b"), "''");
}

#[test]
fn buffered_output_is_the_same_with_the_same_status() {
    for (script, expected, status) in
        [("echo a\necho b", "a\nb\n", 0), ("echo a; exit 4", "a\n", 4), ("false", "\n", 1)]
    {
        let ran = sh().args(["-c", &buffer_output(script)]).output().unwrap();
        assert_eq!(
            (String::from_utf8_lossy(&ran.stdout).as_ref(), ran.status.code()),
            (expected, Some(status))
        );
    }
}

#[test]
fn programs_that_pass_through_login_shells_are_valid_as_one_line() {
    for program in [include_str!("../put.sh"), include_str!("../ssh/relay.sh")] {
        let line = one_line(program);
        assert!(!line.contains(['\'', '\n']) && !line.contains(" #"), "{line}");
        assert!(sh().args(["-n", "-c", &line]).status().unwrap().success(), "{line}");
    }
}

#[test]
fn the_lock_script_is_valid_and_quotes_its_holder() {
    for retake in [Retake::No, Retake::Yes] {
        let script = lock_script("orders", "me on host; 'touch /tmp/x'", retake);
        assert!(sh().args(["-n", "-c", &script]).status().unwrap().success(), "{script}");
        let word = shlex::split(script.lines().find(|line| line.starts_with("holder=")).unwrap()).unwrap();
        assert_eq!(word, ["holder=me on host; 'touch /tmp/x'"]);
        assert!(script.starts_with("cluster=orders\n"), "{script}");
        let again = script.contains("\nretake=yes\n");
        assert_eq!(again, retake == Retake::Yes, "only a run that held it may end the shell that holds it");
    }
}

#[test]
fn the_holder_of_a_lock_is_named_without_control_characters() {
    assert_eq!(holder_of("locked by me\u{1b}[2J on host").as_deref(), Some("me[2J on host"));
    assert_eq!(holder_of("sh: flock: not found"), None);
}

/// A lock of a cluster that no other test uses.
async fn lock(shell: &mut Shell, cluster: &str, holder: &str) -> Result<Option<String>, Error> {
    shell.lock(&"n1".into(), cluster, holder, &|_| {}, Retake::No).await
}

#[tokio::test]
async fn a_lock_is_held_by_one_shell_until_that_shell_ends() {
    let cluster = format!("unit-{}", sentinel().unwrap());
    let (mut first, mut second) = (shell(), shell());
    assert_eq!(lock(&mut first, &cluster, "the first run").await.unwrap(), None);
    let waited = Mutex::new(Vec::new());
    let on_wait = |holder: &str| waited.lock().unwrap().push(holder.to_owned());
    let host = "n1".into();
    let taking = second.lock(&host, &cluster, "the second run", &on_wait, Retake::No);
    let ending = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        first.close().await;
    };
    let (taken, ()) = tokio::join!(taking, ending);
    assert_eq!(taken.unwrap(), None);
    assert_eq!(*waited.lock().unwrap(), ["the first run"]);
    second.close().await;
}

#[tokio::test]
async fn locks_of_two_clusters_do_not_meet() {
    let (one, other) = (format!("unit-{}", sentinel().unwrap()), format!("unit-{}", sentinel().unwrap()));
    let (mut first, mut second) = (shell(), shell());
    assert_eq!(lock(&mut first, &one, "a run").await.unwrap(), None);
    assert_eq!(lock(&mut second, &other, "another run").await.unwrap(), None);
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn a_child_that_outlives_its_script_does_not_keep_the_lock() {
    let cluster = format!("unit-{}", sentinel().unwrap());
    let (mut first, mut second) = (shell(), shell());
    assert_eq!(lock(&mut first, &cluster, "a run").await.unwrap(), None);
    run(&mut first, "sleep 5 >/dev/null 2>&1 &").await;
    first.close().await;
    let began = std::time::Instant::now();
    assert_eq!(lock(&mut second, &cluster, "another run").await.unwrap(), None);
    assert!(began.elapsed() < Duration::from_secs(4), "the child held it");
    second.close().await;
}
