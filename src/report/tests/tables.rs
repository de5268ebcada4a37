//! Tables, reports and pages.

use insta::assert_snapshot;

use crate::{
    cluster::{Evidence, Invariant, Status as Verdict},
    event::Event,
    host::{Decision, Key},
    report::{
        HostKey, NodeStatus, Status, evidence_table,
        host_key::text as host_key_text,
        how_to_connect, html, junit,
        samples::{fleet, plain},
        status,
    },
    secret::SecretSource,
};

fn node(number: usize, state: &str, role: &str) -> NodeStatus {
    let up = matches!(state, "master" | "replica");
    NodeStatus {
        host: format!("n{number}").into(),
        address: format!("10.77.0.{}:7001", 10 + number),
        state: state.to_owned(),
        role: role.to_owned(),
        keys: up.then_some(1200),
        memory: up.then(|| "2.13M".to_owned()),
        version: up.then(|| "7.0.15".to_owned()),
        pid: up.then_some(28_356),
        problem: None,
    }
}

fn state(standing: &str, nodes: Vec<NodeStatus>) -> Status {
    let environment = fleet(6).environment;
    Status {
        cluster: "demo".to_owned(),
        engine: "redis".to_owned(),
        version: "7.0.15".to_owned(),
        environment,
        healthy: nodes.iter().all(|node| node.problem.is_none()),
        standing: standing.to_owned(),
        refusal: None,
        findings: Vec::new(),
        ops: Vec::new(),
        nodes,
    }
}

fn nodes() -> Vec<NodeStatus> {
    let slots = ["0-5460", "5461-10922", "10923-16383"];
    let masters = (1..=3).map(|n| node(n, "master", slots[n - 1]));
    masters.chain((4..=6).map(|n| node(n, "replica", &format!("of 10.77.0.{}:7001", 7 + n)))).collect()
}

#[test]
fn a_healthy_cluster() {
    assert_snapshot!(plain(&status(&state("formed", nodes()))));
}

#[test]
fn a_degraded_cluster() {
    let mut nodes = nodes();
    nodes[1] = NodeStatus { problem: Some("it is not running".to_owned()), ..node(2, "down", "") };
    nodes[3].problem = Some("its link to the master is down".to_owned());
    let standing = "10.77.0.12:7001: could not connect: Connection refused (os error 111)";
    assert_snapshot!(plain(&status(&state(standing, nodes))));
}

#[test]
fn a_cluster_with_a_host_that_is_away() {
    let mut nodes = nodes();
    nodes[5] =
        NodeStatus { problem: Some("its host cannot be reached".to_owned()), ..node(6, "unknown", "") };
    assert_snapshot!(plain(&status(&state("10.77.0.16:7001: its host cannot be reached", nodes))));
}

#[test]
fn the_json_of_a_status() {
    let mut nodes = nodes();
    nodes.truncate(1);
    assert_snapshot!(serde_json::to_string_pretty(&state("formed", nodes)).unwrap());
}

fn evidence() -> Evidence {
    let invariant = |id: &str, title: &str, status, evidence: &str, took_ms| Invariant {
        id: id.to_owned(),
        title: title.to_owned(),
        status,
        evidence: evidence.to_owned(),
        took_ms,
    };
    let environment = fleet(6).environment;
    let invariants = vec![
        invariant("I1", "node ids are distinct", Verdict::Pass, "6 nodes, 6 ids", 3),
        invariant(
            "I13",
            "all slots are ok",
            Verdict::Fail,
            "10.77.0.12:7001: cluster_slots_ok:<nil> & more",
            5001,
        ),
        invariant("I36", "units start at boot", Verdict::NotApplicable, "there is no systemd", 0),
    ];
    Evidence { environment, invariants, took_ms: 5004 }
}

#[test]
fn a_table_of_evidence() {
    assert_snapshot!(plain(&evidence_table(&evidence())));
}

#[test]
fn the_evidence_for_ci() {
    assert_snapshot!(junit(&evidence(), "demo"));
}

#[test]
fn junit_is_xml_whatever_a_host_says() {
    let mut evidence = evidence();
    evidence.invariants[1].evidence = "\u{1b}[2J\"><script>&\u{0}".to_owned();
    let text = junit(&evidence, "a<b");
    assert!(text.contains("&quot;&gt;&lt;script&gt;&amp;") && text.contains("a&lt;b"), "{text}");
    assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{text}");
}

fn events() -> Vec<Event> {
    let finished = |step: &str, host: Option<&str>, changed, took_ms| Event::StepFinished {
        step: step.into(),
        host: host.map(Into::into),
        changed,
        took_ms,
    };
    vec![
        finished("configure", Some("n1"), 5, 90),
        finished("configure", None, 30, 96),
        Event::Waited {
            step: "form".into(),
            what: "writable".to_owned(),
            took_ms: 2034,
            floor_ms: Some(2000),
        },
        Event::Notice { host: None, text: "<b>bash</b> is missing".to_owned() },
        Event::StepFailed { step: "verify".into(), host: None, error: "1 of the invariants".to_owned() },
    ]
}

#[test]
fn the_page_of_a_run() {
    let page = html(&fleet(6), &events(), Some(&evidence())).unwrap();
    let dated = page.lines().find(|line| line.starts_with("Written by")).unwrap().to_owned();
    assert_snapshot!(page.replace(&dated, "Written by provision [version] on [date]."));
}

#[test]
fn a_page_escapes_what_hosts_say_and_counts_a_step_once() {
    let page = html(&fleet(6), &events(), None).unwrap();
    assert!(page.contains("&lt;b&gt;bash") && !page.contains("<b>bash"), "{page}");
    assert_eq!(page.matches("<td>configure</td>").count(), 1, "{page}");
    assert!(page.contains("not proven"));
}

#[test]
fn the_last_words_of_apply() {
    let mut fleet = fleet(1);
    assert_snapshot!(how_to_connect(&fleet));
    fleet.auth = Some(SecretSource::Env("REDIS_PASSWORD".to_owned()));
    assert_snapshot!("the_last_words_with_a_variable", how_to_connect(&fleet));
    fleet.auth = Some(SecretSource::File("/srv/demo.auth".into()));
    assert_snapshot!("the_last_words_with_a_file", how_to_connect(&fleet));
    fleet.hosts.clear();
    assert_eq!(how_to_connect(&fleet), "");
}

#[test]
fn keys_of_hosts() {
    let key = Key { kind: "ssh-ed25519".to_owned(), blob: vec![1, 2, 3] };
    let changed = Decision::Changed { file: "/k".into(), line: 3, kind: "ssh-ed25519".to_owned() };
    let revoked = Decision::Revoked { file: "/k".into(), line: 4 };
    let decisions = [Decision::Trusted, Decision::Unknown, changed, revoked];
    let text: String = decisions
        .iter()
        .zip([22, 22, 2222, 22])
        .map(|(decision, port)| {
            let shown = HostKey { host: "n1", address: "10.77.0.11", port, key: &key, decision };
            plain(&host_key_text(&shown)) + "\n"
        })
        .collect();
    assert_snapshot!(text);
}
