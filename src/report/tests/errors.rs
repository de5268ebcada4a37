//! Every error a user can see, with its fix. A new variant does not compile before it has an example here;
//! `INSTA_UPDATE=always cargo test --lib report::tests::errors` writes the snapshots anew.

use std::{collections::BTreeMap, io, time::Duration};

use insta::assert_snapshot;
use miette::Report;

use crate::{
    artifact, cluster, host, inspect,
    inventory::{self, Engine, Fold, NodeRef, Version},
    lab, plan, playbook, redis,
    report::{
        failure::text,
        samples::{fleet, plain},
    },
    resource::PortInUse,
    run, secret,
};

/// Examples of all variants of an enum. The patterns must cover it, and each example must be what its pattern
/// says.
macro_rules! every {
    ($name:ident: $type:ty { $($variant:pat => $example:expr),+ $(,)? }) => {
        #[test]
        fn $name() {
            #[allow(unreachable_patterns, reason = "a variant may have several examples")]
            fn covered(error: &$type) {
                match error { $($variant => {})+ }
            }
            let mut shown = String::new();
            $(
                let example: $type = $example;
                covered(&example);
                assert!(matches!(&example, $variant), "{example:?} is no {}", stringify!($variant));
                shown.push_str(&rendered(&example.into()));
            )+
            assert_snapshot!(stringify!($name), shown);
        }
    };
}

/// An error as it is printed.
fn rendered(report: &Report) -> String {
    let message = report.to_string();
    assert!(!message.ends_with('.'), "no full stop: {message}");
    plain(&text(report, 100)) + "\n\n"
}

fn word<T: for<'a> From<&'a str>>(text: &str) -> T {
    text.into()
}

fn node(number: u8) -> NodeRef {
    format!("n{number}/7001@10.77.0.1{number}:7001@17001").parse().unwrap()
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "Connection refused")
}

const AFTER: Duration = Duration::from_secs(30);

every!(errors_of_hosts: host::Error {
    host::Error::NoShell { .. } => host::Error::NoShell { host: word("n1"), source: refused() },
    host::Error::ShellLost { .. } =>
        host::Error::ShellLost { host: word("n1"), what: word("the probe"), said: word("logout") },
    host::Error::Unreachable { .. } => unreachable_in(host::Phase::Tcp),
    host::Error::Silent { .. } =>
        host::Error::Silent { host: word("n1"), what: word("packages make, gcc"), idle: AFTER },
    host::Error::Script { .. } => host::Error::Script {
        host: word("n1"), what: word("user redis"), status: 1, output: vec![word("useradd: cannot lock")],
    },
    host::Error::Copy { .. } => host::Error::Copy {
        host: word("n1"), what: word("redis-server"), reason: word("No space left on device"),
    },
    host::Error::Dial { .. } => host::Error::Dial { host: word("n1"), address: node(1).address(), source: refused() },
    host::Error::Locked { .. } => host::Error::Locked {
        host: word("n1"), cluster: word("demo"), holder: word("user 0 on desk, process 12"),
    },
    host::Error::Ledger { .. } =>
        host::Error::Ledger { host: word("n1"), path: word("/l/ledger"), line: word("{\"did\":\"new\"}") },
    host::Error::Garbled { .. } => host::Error::Garbled { host: word("n1"), answer: word("uid=x") },
});

fn unreachable_in(phase: host::Phase) -> host::Error {
    host::Error::Unreachable {
        host: word("n1"),
        address: "root@10.77.0.11:22".into(),
        phase,
        reason: "the reason".into(),
        help: "the advice; to see it by hand: ssh root@10.77.0.11".into(),
        transient: false,
    }
}

#[test]
fn errors_of_connections() {
    use host::Phase::{
        Authentication, Banner, Channel, Config, HostKey, KeyExchange, Resolve, Shell, Sudo, Tcp,
    };
    let phases = [Config, Resolve, Tcp, Banner, KeyExchange, HostKey, Authentication, Channel, Sudo, Shell];
    let shown: String = phases
        .into_iter()
        .map(|phase| {
            match phase {
                Config | Resolve | Tcp | Banner | KeyExchange | HostKey | Authentication | Channel | Sudo
                | Shell => {}
            }
            rendered(&unreachable_in(phase).into())
        })
        .collect();
    assert_snapshot!(shown);
}

every!(errors_of_plans: plan::Error {
    plan::Error::Refused(_) => cluster::SafetyViolation::WouldFlush { node: node(1), keys: 12 }.into(),
    plan::Error::PortTaken { .. } => plan::Error::PortTaken {
        host: word("n1"),
        taken: PortInUse { node: word("7001"), port: 17001, owner: word("nginx (pid 412)") },
    },
    plan::Error::RenamedData { .. } => plan::Error::RenamedData {
        host: word("n1"), path: word("/etc/provision/demo/7001/redis.conf"), directive: "dbfilename",
        is: word("dump.rdb"), wanted: word("keys.rdb"),
    },
    plan::Error::InTheWay { .. } => plan::Error::InTheWay {
        host: word("n1"), path: word("/etc/provision"), wanted: "directory", found: word("file"),
    },
    plan::Error::NothingBuilt { .. } =>
        plan::Error::NothingBuilt { host: word("n1"), what: word("redis 7.0.15") },
    plan::Error::NoSystemd { .. } =>
        plan::Error::NoSystemd { host: word("n1"), unit: word("chrony.service") },
    plan::Error::NoPackages { .. } => plan::Error::NoPackages { host: word("n1"), packages: word("make, gcc") },
});

every!(errors_of_inspection: inspect::Error {
    inspect::Error::Host(_) => host::Error::Garbled { host: word("n1"), answer: word("?") }.into(),
    inspect::Error::Secret(_) => secret::Error::Unset(word("PASSWORD")).into(),
    inspect::Error::NoSession(_) => inspect::NoSession { host: word("n1") }.into(),
});

fn slots() -> Vec<redis::SlotRange> {
    vec![redis::SlotRange::new(0, 5460)]
}

fn member() -> crate::units::MemberName {
    crate::units::MemberName { host: "n1".into(), node: "7001".into() }
}

fn auth_mismatch() -> cluster::AuthMismatch {
    let fleet = fleet(1);
    let node = fleet.hosts[0].nodes[0].key;
    let state = cluster::State::AuthRejected(word("NOAUTH Authentication required."));
    let observed = cluster::Observed { nodes: vec![(node, state)], open_slots: Vec::new() };
    cluster::auth_mismatch(&fleet, &observed, |_| Some(word("/etc/provision/demo/7001/password.conf")))
        .unwrap()
}

every!(errors_of_runs: run::Error {
    run::Error::NoRandom { .. } => run::Error::NoRandom { source: std::io::Error::other("no entropy") },
    run::Error::Host(_) => host::Error::Garbled { host: word("n1"), answer: word("?") }.into(),
    run::Error::Build(_) => artifact::Error::NotASource { file: word("x.tar.gz") }.into(),
    run::Error::Form(_) => cluster::FormError::Unfinished { missing: vec![word("slots")], after: AFTER }.into(),
    run::Error::Reach(_) => blocked().into(),
    run::Error::Rolling(_) => cluster::RollingError::CandidateUnreachable { node: node(1) }.into(),
    run::Error::Live(_) => cluster::LiveError::Redis(redis::Error::NoHost {
        node: node(1), host: word("n1"),
    }).into(),
    run::Error::Secret(_) => secret::Error::Unset(word("PASSWORD")).into(),
    run::Error::NoSession(_) => inspect::NoSession { host: word("n1") }.into(),
    run::Error::Interrupted { .. } => run::Error::Interrupted { after: word("configure") },
    run::Error::BrokenAof { .. } => run::Error::BrokenAof {
        host: word("n1"), node: word("7001"), data: word("/d/7001"), line: word("Bad file format"),
    },
    run::Error::NodeEnded { .. } => run::Error::NodeEnded {
        host: word("n1"), node: word("7001"), log: word("/l"), lines: vec![word("Bad directive")],
    },
    run::Error::NodeSilent { .. } => run::Error::NodeSilent {
        host: word("n1"), node: word("7001"), log: word("/l"), seconds: 30, lines: vec![word("Loading")],
    },
    run::Error::NotSaved { .. } => run::Error::NotSaved {
        host: word("n1"), node: word("7001"), data: word("/d/7001"), lines: vec![word("No space left on device")],
    },
    run::Error::NotStopped { .. } => run::Error::NotStopped {
        host: word("n1"), node: word("7001"), log: word("/l"), seconds: 300, lines: vec![word("Saving")],
    },
    run::Error::UnknownDirective { .. } => run::Error::UnknownDirective {
        engine: word("redis"), version: word("7.0.15"), names: vec![word("a"), word("b")],
    },
    run::Error::Refused(_) => run::RefusedConfig::Other {
        by: word("redis 7.0.15 on n1"), words: vec![word("out of memory")],
    }.into(),
    run::Error::ArtifactGone { .. } => run::Error::ArtifactGone { what: word("redis 7.0.15") },
    run::Error::NotBuilt { .. } =>
        run::Error::NotBuilt { host: word("n2"), what: word("redis 7.0.15"), builder: word("n1") },
    run::Error::Incompatible { .. } => run::Error::Incompatible {
        host: word("n2"), what: word("redis 7.0.15"), builder: word("n1"), why: word("no libssl.so.3"),
    },
    run::Error::Hosts { .. } => run::Error::Hosts {
        hosts: vec![word("n1"), word("n2")],
        errors: vec![run::Error::Moved { host: word("n1") }, run::Error::Moved { host: word("n2") }],
    },
    run::Error::Moved { .. } => run::Error::Moved { host: word("n1") },
    run::Error::OtherVersion { .. } => run::Error::OtherVersion { theirs: word("0.1.0"), ours: word("0.2.0") },
    run::Error::Unproven { .. } => run::Error::Unproven { count: 1, failed: vec![word("I13 all slots are ok")] },
});

every!(errors_of_safety: cluster::SafetyViolation {
    cluster::SafetyViolation::Foreign { .. } => cluster::SafetyViolation::Foreign {
        node: node(1), id: "a".repeat(40).into(), address: word("10.0.0.9:7001"),
    },
    cluster::SafetyViolation::OtherCluster { .. } => cluster::SafetyViolation::OtherCluster {
        node: node(1), id: "a".repeat(40).into(), address: word("10.0.0.9:7001"),
    },
    cluster::SafetyViolation::SameId { .. } =>
        cluster::SafetyViolation::SameId { one: node(1), other: node(2), id: "a".repeat(40).into() },
    cluster::SafetyViolation::TwoClusters { .. } =>
        cluster::SafetyViolation::TwoClusters { one: node(1), other: node(2), slot: 7 },
    cluster::SafetyViolation::WouldFlush { .. } =>
        cluster::SafetyViolation::WouldFlush { node: node(1), keys: 12 },
    cluster::SafetyViolation::LostShard { .. } => cluster::SafetyViolation::LostShard {
        node: node(1), member: member().into(), id: "a".repeat(40).into(), slots: slots(),
    },
    cluster::SafetyViolation::TwoSnapshots { .. } => cluster::SafetyViolation::TwoSnapshots {
        node: node(1), member: member().into(), other: "n4/7001".parse::<crate::units::MemberName>().unwrap().into(),
        slots: slots(),
    },
    cluster::SafetyViolation::UnknownCopy { .. } =>
        cluster::SafetyViolation::UnknownCopy { node: node(1), member: member().into(), slots: slots() },
    cluster::SafetyViolation::WouldIgnore { .. } => cluster::SafetyViolation::WouldIgnore {
        node: node(1), member: member().into(), file: word("dump.rdb"), directive: word("appendonly"),
    },
    cluster::SafetyViolation::LostIdentity { .. } => cluster::SafetyViolation::LostIdentity {
        node: node(1), member: member().into(), id: "a".repeat(40).into(),
    },
    cluster::SafetyViolation::NoMajority { .. } => cluster::SafetyViolation::NoMajority {
        node: node(1), member: member().into(), slots: slots(),
    },
    cluster::SafetyViolation::OtherEngine { .. } =>
        cluster::SafetyViolation::OtherEngine { has: Engine::Redis, wants: Engine::Valkey },
    cluster::SafetyViolation::Downgrade { .. } => cluster::SafetyViolation::Downgrade {
        has: Version::new(7, 0, 15), wants: Version::new(6, 2, 14),
    },
    cluster::SafetyViolation::OtherCount { .. } =>
        cluster::SafetyViolation::OtherCount { what: "nodes", has: 6, wants: 8 },
    cluster::SafetyViolation::OtherNodes { .. } => cluster::SafetyViolation::OtherNodes {
        host: "n1".into(),
        has: vec!["7541".into(), "7542".into()],
        wants: vec!["7641".into(), "7642".into()],
    },
    cluster::SafetyViolation::Moved { .. } => cluster::SafetyViolation::Moved {
        id: "a".repeat(40).into(), member: member().into(), has: word("10.0.0.1:7001"), wants: word("10.0.0.9:7001"),
    },
    cluster::SafetyViolation::AuthMismatch(_) => cluster::SafetyViolation::AuthMismatch(auth_mismatch()),
    cluster::SafetyViolation::TwoManifests(_) => cluster::SafetyViolation::TwoManifests(
        cluster::TwoManifests { one: "n1".into(), other: "n2".into() },
    ),
});

every!(errors_of_forming: cluster::FormError {
    cluster::FormError::Refused(_) => cluster::SafetyViolation::WouldFlush { node: node(1), keys: 1 }.into(),
    cluster::FormError::NoAnswer { .. } => cluster::FormError::NoAnswer {
        nodes: BTreeMap::from([(node(1), word("10.77.0.11:7001: could not connect"))]), after: AFTER,
    },
    cluster::FormError::Unfinished { .. } => cluster::FormError::Unfinished {
        missing: (1..=12).map(|n| format!("n{n} has not met n{}", n + 1)).collect(), after: AFTER,
    },
});

fn blocked() -> cluster::ConnectivityError {
    let path = |n: u8| cluster::BlockedPath {
        from: word("n1"),
        to: format!("n{n}").into(),
        port: 17001,
        why: word("Connection refused"),
    };
    let blocked = (2..=13).map(path).collect();
    cluster::ConnectivityError::BlockedPath { blocked, ports: word("7001/tcp and 17001/tcp"), first: 7001 }
}

every!(errors_of_connectivity: cluster::ConnectivityError {
    cluster::ConnectivityError::BlockedPath { .. } => blocked(),
    cluster::ConnectivityError::Host(_) =>
        host::Error::Garbled { host: word("n1"), answer: word("?") }.into(),
});

every!(errors_of_live_changes: cluster::LiveError {
    cluster::LiveError::Redis(_) => redis::Error::NoHost { node: node(1), host: word("n1") }.into(),
    cluster::LiveError::Refused { .. } => cluster::LiveError::Refused {
        node: node(1), directive: word("maxclients"), answer: word("ERR The operating system is not able to"),
    },
    cluster::LiveError::NotWritten { .. } => cluster::LiveError::NotWritten {
        node: node(1), file: "its AOF", why: word("aof_last_bgrewrite_status is not ok"),
    },
});

every!(errors_of_rolling_restarts: cluster::RollingError {
    cluster::RollingError::Redis(_) => redis::Error::NoHost { node: node(1), host: word("n1") }.into(),
    cluster::RollingError::NotHandedOver { .. } => cluster::RollingError::NotHandedOver {
        master: node(1), replica: node(4), why: word("it is still a replica"), after: AFTER,
    },
    cluster::RollingError::NotResponding { .. } =>
        cluster::RollingError::NotResponding { node: node(1), why: word("no reply"), after: AFTER },
    cluster::RollingError::OnlyCopy { .. } =>
        cluster::RollingError::OnlyCopy { node: node(1), keys: 12, fix: "CONFIG SET save \"3600 1\"" },
    cluster::RollingError::UnsafeFiles { .. } => cluster::RollingError::UnsafeFiles {
        node: node(1), keys: 12, what: word("aof_last_write_status:err"),
    },
    cluster::RollingError::NoLeader { .. } => cluster::RollingError::NoLeader {
        id: "07c37d".into(), slots: slots(), why: word("it has no replica that answers"), after: AFTER,
    },
    cluster::RollingError::SlotMoving { .. } => cluster::RollingError::SlotMoving { open: cluster::OpenSlot {
        node: node(1), slot: 93, side: cluster::Side::Migrating, peer: "07c37d".into(), imported: Some(2),
    } },
    cluster::RollingError::NewTrouble { .. } => cluster::RollingError::NewTrouble {
        node: node(1), what: word("10.0.0.1:7002 does not answer"),
    },
    cluster::RollingError::NoFailoverCandidate { .. } =>
        cluster::RollingError::NoFailoverCandidate { node: node(1), after: AFTER },
    cluster::RollingError::CandidateUnreachable { .. } =>
        cluster::RollingError::CandidateUnreachable { node: node(1) },
    cluster::RollingError::NotSettled { .. } =>
        cluster::RollingError::NotSettled { node: node(1), missing: word("its link"), after: AFTER },
});

#[test]
fn an_error_of_a_password() {
    assert_snapshot!(rendered(&auth_mismatch().into()));
}

#[test]
fn an_error_of_a_template() {
    assert_snapshot!(rendered(&plan::RenderError::example().into()));
}

#[test]
fn an_error_of_the_cache_folder() {
    assert_snapshot!(rendered(&crate::cache_dir::NoCacheDir.into()));
}

every!(errors_of_redis: redis::Error {
    redis::Error::Dial { .. } => redis::Error::Dial {
        node: node(1),
        source: host::Error::Dial { host: word("n1"), address: node(1).address(), source: refused() },
    },
    redis::Error::NoHost { .. } => redis::Error::NoHost { node: node(1), host: word("n1") },
    redis::Error::Refused { .. } => redis::Error::Refused { node: node(1), reason: word("WRONGPASS") },
    redis::Error::Silent { .. } =>
        redis::Error::Silent { node: node(1), doing: word("CLUSTER NODES"), after: AFTER },
    redis::Error::Broken { .. } =>
        redis::Error::Broken { node: node(1), doing: word("INFO"), reason: word("broken pipe") },
    redis::Error::ConnectTimeout { .. } => redis::Error::ConnectTimeout { node: node(1), after: AFTER },
});

every!(errors_of_artifacts: artifact::Error {
    artifact::Error::Host(_) => host::Error::Garbled { host: word("n1"), answer: word("?") }.into(),
    artifact::Error::Cache { .. } => artifact::Error::Cache { path: "/c".into(), source: refused() },
    artifact::Error::Pins { .. } =>
        artifact::Error::Pins { path: "/i.lock".into(), source: Box::new(refused()) },
    artifact::Error::PinsUnwritable { .. } =>
        artifact::Error::PinsUnwritable { path: "/i.lock".into(), source: refused() },
    artifact::Error::NoSource { .. } => artifact::Error::NoSource {
        title: word("redis 7.0.15"),
        refusals: vec![artifact::Refusal { place: word("release"), reason: word("HTTP 404") }],
    },
    artifact::Error::Mismatch { .. } => artifact::Error::Mismatch {
        file: word("redis.tar.gz"), found: "a".repeat(64), origin: word("the inventory"),
        expected: vec!["b".repeat(64)],
    },
    artifact::Error::WrongVersion { .. } => artifact::Error::WrongVersion {
        file: word("redis.tar.gz"), found: word("redis 7.0.14"), wanted: word("redis 7.0.15"),
    },
    artifact::Error::NotASource { .. } => artifact::Error::NotASource { file: word("x.tar.gz") },
    artifact::Error::Extract { .. } =>
        artifact::Error::Extract { host: word("n1"), file: word("x.tar.xz"), reason: word("no xz") },
    artifact::Error::Tools { .. } => artifact::Error::Tools {
        host: word("n1"), missing: vec![word("make"), word("cc")], help: word("apt-get install make gcc"),
    },
    artifact::Error::Compile { .. } => artifact::Error::Compile {
        host: word("n1"), title: word("redis 7.0.15"), log: "/c/logs/build.log".into(),
        diagnosis: Box::new(artifact::diagnose(&["cc1: fatal error: No space left on device"])),
    },
    artifact::Error::WrongBinary { .. } => artifact::Error::WrongBinary {
        host: word("n1"), title: word("redis 7.0.15"), answer: word("?"), log: "/c/logs/build.log".into(),
    },
    artifact::Error::Busy { .. } => artifact::Error::Busy { title: word("redis 7.0.15"), waited: AFTER * 20 },
});

every!(errors_of_secrets: secret::Error {
    secret::Error::Unset(_) => secret::Error::Unset(word("PASSWORD")),
    secret::Error::Unreadable { .. } => secret::Error::Unreadable { path: "/p".into(), source: refused() },
    secret::Error::Loose { .. } => secret::Error::Loose { path: "/p".into(), mode: 0o644 },
    secret::Error::Unfit(_) => secret::Error::Unfit(word("/p")),
    secret::Error::Unwritable { .. } => secret::Error::Unwritable { path: "/p".into(), source: refused() },
});

every!(errors_of_labs: lab::Error {
    lab::Error::NotRoot => lab::Error::NotRoot,
    lab::Error::NoDataDir => lab::Error::NoDataDir,
    lab::Error::BadName { .. } => lab::Error::BadName { name: word("Lab") },
    lab::Error::Missing { .. } =>
        lab::Error::Missing { missing: vec!["nft", "ip"], help: word("install it with `apt-get`") },
    lab::Error::Resources { .. } =>
        lab::Error::Resources { what: "the hosts' memory", needed: 240, free: 100 },
    lab::Error::Subnet { .. } => lab::Error::Subnet { subnet: net(), route: word("10.77.0.0/16 dev tun0") },
    lab::Error::SubnetLost { .. } =>
        lab::Error::SubnetLost { subnet: net(), route: word("10.77.0.0/16 dev tun0") },
    lab::Error::Differs { .. } =>
        lab::Error::Differs { name: word("lab"), found: word("3 hosts"), wanted: word("4") },
    lab::Error::NoSubnet => lab::Error::NoSubnet,
    lab::Error::Narrow { .. } => lab::Error::Narrow { subnet: net(), hosts: 200 },
    lab::Error::NoLab { .. } => lab::Error::NoLab { folder: "/labs/lab".into() },
    lab::Error::NoGuest { .. } => lab::Error::NoGuest { name: word("n9"), known: word("n1, n2") },
    lab::Error::Off { .. } => lab::Error::Off { name: word("n1") },
    lab::Error::NoBoot { .. } => lab::Error::NoBoot {
        name: word("n1"), after: AFTER, log: "/labs/lab/console.log".into(), tail: word("\n  Failed to mount"),
    },
    lab::Error::Late { .. } => lab::Error::Late { what: word("the end of n1"), after: AFTER },
    lab::Error::Tool { .. } =>
        lab::Error::Tool { command: word("ip netns add x"), said: word("Operation not permitted") },
    lab::Error::NoTool { .. } => lab::Error::NoTool { command: word("nft"), source: refused() },
    lab::Error::File { .. } => lab::Error::File { path: "/labs/lab".into(), source: refused() },
    lab::Error::State { .. } => lab::Error::State {
        path: "/labs/lab/state.json".into(), source: serde_json::from_str::<u8>("x").unwrap_err(),
    },
    lab::Error::NotARoot { .. } => lab::Error::NotARoot { root: "/r".into(), missing: "systemd" },
});

fn net() -> ipnet::Ipv4Net {
    "10.77.0.0/24".parse().unwrap()
}

#[test]
fn errors_of_what_a_user_writes() {
    let fleet = fleet(6);
    let words = |list: &[&str]| list.iter().map(|text| word(text)).collect::<Vec<_>>();
    let load = |text: &str| inventory::parse("demo.toml", text, Fold::AsWritten).unwrap_err();
    let playbook = playbook::load(&fleet, "cluster").unwrap();
    let step = "[[step]]\nname = \"a\"\nfiel = { path = \"/x\", content = \"\" }\n";
    let reports: [Report; 6] = [
        inventory::select(&fleet, &words(&["n7"])).unwrap_err().into(),
        inventory::select(&fleet, &words(&["nothing*"])).unwrap_err().into(),
        playbook.refuse_unknown(&words(&["verfy"])).unwrap_err().into(),
        load("[cluster]\nname = \"demo\"\nversion = \"7\"\n").into(),
        load("[cluster\n").into(),
        playbook::parse(&fleet, "cluster", "cluster.toml", step).unwrap_err().into(),
    ];
    let shown: String = reports.iter().map(rendered).collect();
    assert_snapshot!(shown);
}
