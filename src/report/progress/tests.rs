use std::time::{Duration, Instant};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{bars::live, board::Board, line::Line, merged::Merged, plain::Plain};
use crate::{event::Event, report::samples, units::HostName};

/// A clock that stands still until it is moved, and the events of a run.
struct Script {
    now: Instant,
}

impl Script {
    fn new() -> Self {
        Self { now: Instant::now() }
    }

    fn wait(&mut self, seconds: u64) -> Instant {
        self.now += Duration::from_secs(seconds);
        self.now
    }
}

fn name(host: &str) -> Option<HostName> {
    (!host.is_empty()).then(|| host.into())
}

fn started(step: &str, host: &str) -> Event {
    Event::StepStarted { step: step.into(), host: name(host) }
}

fn finished(step: &str, host: &str, changed: usize, took_ms: u64) -> Event {
    Event::StepFinished { step: step.into(), host: name(host), changed, took_ms }
}

fn failed(step: &str, host: &str) -> Event {
    Event::StepFailed { step: step.into(), host: name(host), error: "no".to_owned() }
}

fn log(step: &str, host: &str, line: &str) -> Event {
    Event::Log { step: step.into(), host: name(host), line: line.to_owned() }
}

fn changed(step: &str, host: &str, what: &str) -> Event {
    Event::Changed { step: step.into(), host: name(host), what: what.to_owned() }
}

fn progress(step: &str, host: &str, what: &str, done: u64, total: u64) -> Event {
    let (step, what) = (step.into(), what.to_owned());
    Event::Progress { step, host: name(host), what, done, total: Some(total) }
}

fn waited(what: &str, took_ms: u64, floor_ms: Option<u64>) -> Event {
    Event::Waited { step: "form".into(), what: what.to_owned(), took_ms, floor_ms }
}

fn notice(host: &str, text: &str) -> Event {
    Event::Notice { host: name(host), text: text.to_owned() }
}

fn begun(hosts: usize) -> Event {
    Event::RunStarted {
        verb: "apply".to_owned(),
        cluster: "demo".to_owned(),
        environment: samples::fleet(hosts).environment,
        version: "0.1.0".to_owned(),
    }
}

fn screen(board: &Board, now: Instant) -> String {
    let lines = live(board, 0, now);
    lines.iter().map(|line| samples::plain(line) + "\n").collect()
}

#[test]
fn the_slowest_three_hosts_are_shown() {
    let (mut script, mut board) = (Script::new(), Board::default());
    board.event(&started("configure", ""), script.now);
    for host in 1..=96 {
        let now = if host <= 3 { script.now } else { script.now + Duration::from_secs(2) };
        board.event(&started("configure", &format!("n{host}")), now);
    }
    let now = script.wait(12);
    board.event(&changed("configure", "n2", "file /etc/provision/demo/7001/redis.conf"), now);
    for host in 4..=60 {
        board.event(&finished("configure", &format!("n{host}"), 3, 900), now);
    }
    assert_snapshot!(screen(&board, now));
}

#[test]
fn a_build_shows_its_objects() {
    let (mut script, mut board) = (Script::new(), Board::default());
    board.event(&started("build", ""), script.now);
    board.event(&started("build", "n1"), script.now);
    board.event(&progress("build", "n1", "objects", 120, 342), script.now);
    board.event(&log("build", "n1", "CC networking.c"), script.now);
    let now = script.wait(33);
    assert_snapshot!(screen(&board, now));
}

#[test]
fn what_is_complete_gives_way_to_what_is_said_next() {
    let (script, mut board) = (Script::new(), Board::default());
    board.event(&progress("build", "n1", "bytes", 7_200_000, 7_200_000), script.now);
    assert!(screen(&board, script.now).contains("7.2 of 7.2 MB"));
    board.event(&log("build", "n1", "checking for gcc"), script.now);
    assert!(screen(&board, script.now).ends_with("n1: checking for gcc\n"));
}

#[test]
fn a_download_shows_megabytes() {
    let (mut script, mut board) = (Script::new(), Board::default());
    board.event(&started("build", "n1"), script.now);
    board.event(&progress("build", "n1", "bytes", 3_150_000, 7_200_000), script.now);
    let now = script.wait(125);
    assert_snapshot!(screen(&board, now));
}

#[test]
fn steps_that_run_at_the_same_time_have_a_line_each() {
    let (mut script, mut board) = (Script::new(), Board::default());
    board.event(&started("build", "n1"), script.now);
    board.event(&progress("build", "n1", "objects", 342, 342), script.now);
    let now = script.wait(20);
    for host in ["n2", "n3"] {
        board.event(&started("configure", host), now);
        board.event(&log("configure", host, "Setting up ca-certificates\u{1b}[2J"), now);
    }
    let now = script.wait(3);
    assert_snapshot!(screen(&board, now));
}

#[test]
fn a_step_of_the_whole_cluster_says_what_it_does() {
    let (mut script, mut board) = (Script::new(), Board::default());
    board.event(&started("form", ""), script.now);
    board.event(&progress("form", "", "roles", 2, 5), script.now);
    let now = script.wait(1);
    assert_snapshot!(screen(&board, now), @"⠋ form 1s  [========>           ] 2 of 5 roles");
}

#[test]
fn the_slowest_wait_is_told_at_the_end() {
    let (script, mut board) = (Script::new(), Board::default());
    board.event(&started("form", ""), script.now);
    board.event(&waited("roles", 178, None), script.now);
    board.event(&waited("writable", 2034, Some(2000)), script.now);
    board.event(&waited("replicas online", 178, None), script.now);
    let lines = board.event(&finished("form", "", 1, 2041), script.now);
    let text = lines[0].plain();
    assert_eq!(text, "form done, 1 changed, 2.04s (writable after 2.03s, the engine's own floor is 2.00s)");
    assert!(lines[0].coloured().is_some_and(|line| samples::plain(&line).chars().count() <= 80));
}

#[test]
fn a_step_that_failed_is_shown_while_other_hosts_are_at_it() {
    let (script, mut board) = (Script::new(), Board::default());
    for host in ["n1", "n2"] {
        board.event(&started("start", host), script.now);
    }
    board.event(&failed("start", "n1"), script.now);
    assert!(screen(&board, script.now).contains("n2"));
    board.event(&failed("start", "n2"), script.now);
    assert_eq!(screen(&board, script.now), "");
}

#[test]
fn what_comes_after_the_end_of_a_step_goes_when_the_next_begins() {
    let (script, mut board) = (Script::new(), Board::default());
    board.event(&started("start", ""), script.now);
    board.event(&finished("start", "", 0, 5), script.now);
    board.event(&changed("start", "n3", "node 7001 restarted"), script.now);
    board.event(&changed("start", "n4", "node 7001 restarted"), script.now);
    assert_snapshot!(screen(&board, script.now), @"⠋ start 0s  2 changed, last n4: node 7001 restarted");
    board.event(&started("form", ""), script.now);
    assert!(!screen(&board, script.now).contains("restarted"));
}

#[test]
fn equal_notes_of_many_hosts_are_one_line() {
    let (mut script, mut merged) = (Script::new(), Merged::default());
    for host in ["n10", "n9", "n8", "n11", "n9"] {
        merged.note(Some(&host.into()), "bash is missing", script.now);
    }
    merged.note(None, "bash is missing", script.now);
    merged.note(Some(&"n8".into()), "other", script.now);
    assert!(merged.due(script.now).is_empty(), "others may join");
    let now = script.wait(1);
    let lines: Vec<String> = merged.due(now).iter().map(Line::plain).collect();
    assert_eq!(lines, ["note: n8…n11: bash is missing", "note: bash is missing", "note: n8: other"]);
    assert!(merged.due(now).is_empty() && merged.take().is_empty(), "a line is shown once");
}

#[test]
fn failures_of_many_hosts_are_one_line() {
    let (script, mut merged) = (Script::new(), Merged::default());
    for host in ["n1", "n2", "n3"] {
        merged.failure(Some(&host.into()), &"configure".into(), script.now);
    }
    merged.failure(Some(&"n4".into()), &"start".into(), script.now);
    merged.failure(None, &"form".into(), script.now);
    let lines: Vec<String> = merged.take().iter().map(Line::plain).collect();
    assert_eq!(lines, ["n1…n3: configure failed", "n4: start failed", "form failed"]);
}

#[test]
fn a_log_has_a_line_a_step_and_one_in_ten_seconds() {
    let (mut script, mut plain) = (Script::new(), Plain::default());
    let mut log_lines = plain.of_event(&begun(6), script.now);
    log_lines.extend(plain.of_event(&started("build", ""), script.now));
    log_lines.extend(plain.of_event(&started("build", "n1"), script.now));
    for second in 1..=33u64 {
        let now = script.wait(1);
        log_lines.extend(plain.of_event(&progress("build", "n1", "objects", second * 10, 342), now));
        log_lines.extend(plain.of_event(&log("build", "n1", "CC networking.c"), now));
        log_lines.extend(plain.of_event(&progress("build", "n1", "objects", second * 10 + 1, 342), now));
        log_lines.extend(plain.of_time(now));
    }
    log_lines.extend(plain.of_event(&notice("n1", "the server is built with another allocator"), script.now));
    log_lines.extend(plain.of_event(&finished("build", "n1", 1, 33_100), script.now));
    log_lines.extend(plain.of_event(&finished("build", "", 1, 33_100), script.now));
    log_lines.extend(plain.of_event(&failed("start", "n2"), script.now));
    log_lines.extend(plain.of_event(&Event::RunFinished { ok: false, changed: 1, took_ms: 1 }, script.now));
    assert_snapshot!(log_lines.join("\n"));
}

#[test]
fn a_quick_run_in_a_log() {
    let (script, mut plain) = (Script::new(), Plain::default());
    let events = [
        begun(1),
        started("install", ""),
        started("install", "laptop"),
        changed("install", "laptop", "directory /opt/provision"),
        finished("install", "laptop", 8, 31),
        finished("install", "", 8, 32),
        started("form", ""),
        waited("writable", 2034, Some(2000)),
        finished("form", "", 1, 2012),
        Event::RunFinished { ok: true, changed: 9, took_ms: 2100 },
    ];
    let lines: Vec<String> = events.iter().flat_map(|event| plain.of_event(event, script.now)).collect();
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_run_that_says_nothing_gives_no_heartbeat() {
    let (mut script, mut plain) = (Script::new(), Plain::default());
    plain.of_event(&begun(1), script.now);
    assert!(plain.of_time(script.wait(60)).is_empty());
}

#[test]
fn lines_that_stay_have_their_signs() {
    let lines = [
        Line::Started { what: "apply".to_owned() },
        Line::Finished { step: "install".into(), changed: 8, took_ms: 32, wait: None },
        Line::Failed { step: "start".into(), hosts: vec!["n1".into(), "n2".into()] },
        Line::Note { text: "no bash".to_owned(), hosts: Vec::new() },
        Line::Ended { changed: 8, took_ms: 40 },
    ];
    let lines: Vec<String> = lines.iter().filter_map(Line::coloured).map(|l| samples::plain(&l)).collect();
    assert_eq!(lines, ["✓ install 8 changed, 32ms", "✗ n1, n2: start", "note: no bash"]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let step = prop_oneof![Just("build"), Just("configure"), Just("form")];
    let host = prop_oneof![Just(""), Just("n1"), Just("n2"), Just("n3"), Just("n4"), Just("n5")];
    (step, host, 0..7u8).prop_map(|(step, host, kind)| match kind {
        0 | 1 => started(step, host),
        2 => finished(step, host, 1, 1),
        3 => failed(step, host),
        4 => log(step, host, "x"),
        5 => progress(step, host, "objects", 1, 0),
        _ => changed(step, host, "y"),
    })
}

proptest! {
    /// Whatever comes in whatever order: the screen stays small, and a log has at most a line an event.
    #[test]
    fn the_screen_stays_small(events in prop::collection::vec(any_event(), 0..80)) {
        let (script, mut board, mut plain) = (Script::new(), Board::default(), Plain::default());
        for event in &events {
            board.event(event, script.now);
            prop_assert!(board.lines(true, script.now).len() <= 3 + 3, "three steps and three hosts");
            let lines = plain.of_event(event, script.now);
            let ends = matches!(event, Event::StepFinished { host: None, .. });
            prop_assert!(ends || lines.is_empty(), "only the end of a step gives lines at once");
        }
    }
}
