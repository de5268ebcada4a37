//! Tables, reports and pages.

use insta::assert_snapshot;

use crate::{
    cluster::{
        Evidence, Finding, FindingKind, Invariant, Member, MemberState, Op, Relation, Severity,
        Status as Verdict, Subject,
    },
    event::Event,
    host::{Decision, Key},
    inventory::Endpoints,
    redis::SlotRange,
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
        id: Some(format!("{number:040x}").into()),
        relation: Relation::Wanted,
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
        others: Vec::new(),
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

/// A cluster of which something is wrong: a status with everything in it.
fn troubled() -> Status {
    let key = |number: usize| fleet(6).hosts[number - 1].nodes[0].key;
    let finding = |kind, subject, evidence: &str, repair| Finding {
        kind,
        subject,
        severity: Severity::Broken,
        evidence: evidence.to_owned(),
        repair,
    };
    let id = |digit: &str| crate::units::NodeId::from(digit.repeat(40));
    let set = |number| Op::Set {
        node: key(number),
        directive: "maxmemory".to_owned(),
        value: "1gb".to_owned(),
        was: "0".to_owned(),
    };
    let drift = |number| finding(FindingKind::Drift, Subject::Node(key(number)), "", Some(set(number)));
    let forget = Op::Forget { id: id("d"), address: "10.77.0.19:7001".to_owned() };
    let claim = Op::Claim { node: key(2), slots: vec![SlotRange::new(0, 9)] };
    let other = |name: Option<&str>, digit: &str, port: u16, state, relation| Member {
        name: name.map(|name| name.parse().unwrap()),
        id: Some(id(digit)),
        endpoints: Some(Endpoints::at(format!("10.77.0.19:{port}").parse().unwrap())),
        state,
        relation,
    };
    let mut nodes = nodes();
    nodes[0].relation = Relation::Moved;
    nodes[2] = NodeStatus {
        problem: Some("it is not running".to_owned()),
        relation: Relation::Returning,
        ..node(3, "down", "")
    };
    nodes[5] = NodeStatus { relation: Relation::New, id: None, ..node(6, "master", "") };
    let stale = "10.77.0.12:7001 still lists dddd, which is the id of no node";
    Status {
        healthy: false,
        findings: vec![
            finding(FindingKind::StaleId, Subject::Member(id("d")), stale, Some(forget.clone())),
            finding(
                FindingKind::UnownedSlots,
                Subject::Slots(vec![SlotRange::new(0, 9)]),
                "10 slots planned for 10.77.0.12:7001 have no owner",
                Some(claim.clone()),
            ),
            finding(
                FindingKind::Invariant("I21".to_owned()),
                Subject::Cluster,
                "host n1 holds 2 of 3 masters: its loss stops the cluster",
                None,
            ),
            drift(1),
            drift(4),
        ],
        ops: vec![forget, claim, set(1), set(4)],
        others: vec![
            other(Some("n7/7001"), "b", 7001, MemberState::Up, Relation::Leaving),
            other(Some("n1/7001"), "c", 7002, MemberState::Up, Relation::Moved),
            other(None, "d", 7003, MemberState::Down, Relation::Remnant),
            other(None, "e", 7004, MemberState::Up, Relation::Stranger),
        ],
        ..state("2 things are missing, the first: 10.77.0.12:7001 still lists dddd", nodes)
    }
}

#[test]
fn a_cluster_of_which_something_is_wrong() {
    assert_snapshot!(plain(&status(&troubled())));
}

#[test]
fn ten_findings_are_listed_and_the_one_of_the_heading_is_not() {
    let gap = |number: usize| Finding {
        kind: FindingKind::Link,
        subject: Subject::Cluster,
        severity: Severity::Broken,
        evidence: format!("gap {number}"),
        repair: None,
    };
    let shown = |standing: &str, count| {
        let all = Status { findings: (0..count).map(gap).collect(), ..state(standing, Vec::new()) };
        plain(&status(&all)).lines().skip(2).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown("gap 0", 1), [""; 0]);
    let many = shown("12 things are missing, the first: gap 0", 12);
    assert_eq!((many.len(), &*many[9], &*many[10]), (11, "! gap 9", "  and 2 more, which --json shows"));
}

#[test]
fn the_json_of_a_status_and_of_a_proof_is_what_the_schema_says() {
    let schema = jsonschema::draft202012::new(&crate::report::schema()).unwrap();
    let shown = [serde_json::to_value(troubled()), serde_json::to_value(evidence())];
    for mut shown in shown.map(Result::unwrap) {
        let errors: Vec<String> = schema.iter_errors(&shown).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        for (list, key) in [("findings", "kind"), ("ops", "op"), ("others", "relation")] {
            let mut other = shown.clone();
            if let Some(value) = other.get_mut(list) {
                value[0][key] = "colour".into();
                assert!(!schema.is_valid(&other), "the schema allows any {key}");
            }
        }
        shown["colour"] = "red".into();
        assert!(!schema.is_valid(&shown), "the schema allows anything");
    }
}

#[test]
fn the_json_of_a_status() {
    let mut all = troubled();
    all.nodes.truncate(1);
    all.findings.truncate(3);
    all.ops.truncate(2);
    all.others.truncate(1);
    assert_snapshot!(serde_json::to_string_pretty(&all).unwrap());
}

fn evidence() -> Evidence {
    let invariant = |id: &str, title: &str, status, evidence: &str, took_ms| Invariant {
        id: id.to_owned(),
        title: title.to_owned(),
        status,
        by_choice: id == "I25",
        evidence: evidence.to_owned(),
        took_ms,
    };
    let environment = fleet(6).environment;
    let invariants = vec![
        invariant("I1", "node ids are distinct", Verdict::Holds, "6 nodes, 6 ids", 3),
        invariant(
            "I13",
            "all slots are ok",
            Verdict::Broken,
            "10.77.0.12:7001: cluster_slots_ok:<nil> & more",
            5001,
        ),
        invariant("I25", "writes reach the replicas", Verdict::NotProven, "nothing was written", 3),
        invariant("I32", "no faults in the logs", Verdict::NotProven, "no connection to n2", 5001),
        invariant("I36", "units start at boot", Verdict::NotApplicable, "there is no systemd", 0),
    ];
    Evidence { environment, invariants, took_ms: 5004 }
}

#[test]
fn a_table_of_evidence() {
    assert_snapshot!(plain(&evidence_table(&evidence())));
}

#[test]
fn a_verdict_is_proven_only_where_all_was_seen() {
    let mut evidence = evidence();
    let last = |evidence: &Evidence| {
        let text = plain(&evidence_table(evidence));
        text.lines().last().unwrap().rsplit_once("; ").unwrap().1.to_owned()
    };
    assert_eq!(last(&evidence), "not proven on real hosts");
    evidence.invariants.retain(|invariant| invariant.status != Verdict::Broken);
    assert_eq!(last(&evidence), "not proven on real hosts", "I32 could not be looked at");
    evidence.invariants.retain(|invariant| !invariant.fails());
    assert_eq!(last(&evidence), "proven as far as reading can on real hosts");
    evidence.invariants.retain(|invariant| invariant.status != Verdict::NotProven);
    assert_eq!(last(&evidence), "proven on real hosts");
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
