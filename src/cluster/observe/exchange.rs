//! What a node is asked, and its state from the replies.

use super::{observed::State, view::View};
use crate::{
    cluster::tunable::{Tunable, Tuning},
    inventory::NodeRef,
    redis::{
        ClusterInfo, Error, Info, InfoSection, KeyspaceInfo, MemoryInfo, PersistenceInfo, Query,
        ReplicationInfo, Reply, ServerInfo, StatsInfo, parse_configuration, parse_nodes,
    },
    units::NodeId,
};

/// The engine's default for `cluster-node-timeout`, in milliseconds.
const DEFAULT_NODE_TIMEOUT_MS: u64 = 15_000;

/// The sections of `INFO` a node is asked for, in the order their answers are read.
const SECTIONS: [InfoSection; 6] = [
    InfoSection::Server,
    InfoSection::Replication,
    InfoSection::Persistence,
    InfoSection::Stats,
    InfoSection::Memory,
    InfoSection::Keyspace,
];

/// What every look asks, and what one for the whole configuration asks besides: a cluster that forms is
/// looked at many times a second, and the answer is as long as all the others together.
pub(super) fn queries(whole_configuration: bool) -> Vec<Query> {
    let config = |name: &str| Query::ConfigGet(name.to_owned());
    let mut queries = vec![Query::ClusterMyId, Query::ClusterNodes, Query::ClusterInfo];
    queries.extend(SECTIONS.map(Query::Info));
    queries.extend([
        config("cluster-node-timeout"),
        Query::CommandInfo("cluster|addslotsrange"),
        Query::Time,
    ]);
    queries.extend(Tunable::ALL.map(|directive| config(directive.name())));
    queries.extend(whole_configuration.then(|| config("*")));
    queries
}

pub(super) fn state(node: NodeRef, replies: Result<Vec<Reply>, Error>) -> State {
    let replies = match replies {
        Ok(replies) => replies,
        Err(Error::Refused { reason, .. }) if is_about_passwords(&reason) => {
            return State::AuthRejected(reason);
        }
        Err(error) => return State::Down(plain(node, &error)),
    };
    let mut errors = replies.iter().filter_map(Reply::error);
    if let Some(reason) = errors.clone().find(|text| text.starts_with("NOAUTH")) {
        return State::AuthRejected(reason.to_owned());
    }
    if errors.any(|text| text.starts_with("LOADING")) {
        // INFO answers while the data is loaded; in which of the replies the section is, is all the same.
        let loaded = replies.iter().find_map(|reply| PersistenceInfo::parse(reply.text()).loaded_bytes);
        return State::Loading(loaded.unwrap_or(0));
    }
    match view(&replies) {
        Ok(view) => State::Up(Box::new(view)),
        Err(reason) => State::Down(reason),
    }
}

/// What AUTH is refused with, in all versions. Protected mode mentions passwords too, but turns every client
/// away.
fn is_about_passwords(reason: &str) -> bool {
    !reason.starts_with("DENIED") && (reason.starts_with("WRONGPASS") || reason.contains("password"))
}

/// What was tried and the cause at the bottom, in one line, without the node's address: the caller adds that.
fn plain(node: NodeRef, error: &Error) -> String {
    let text = error.to_string();
    let tried = text.strip_prefix(&format!("{node}: ")).unwrap_or(&text).to_owned();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| tried.clone(), |cause| format!("{tried}: {cause}"))
}

fn view(replies: &[Reply]) -> Result<View, String> {
    let [id, rows, cluster, rest @ ..] = replies else {
        return Err(TOO_FEW.to_owned());
    };
    let Some((sections, [timeout, ranges, time, tuning @ ..])) = rest.split_at_checked(SECTIONS.len()) else {
        return Err(TOO_FEW.to_owned());
    };
    for reply in [id, rows, cluster].into_iter().chain(sections.first()) {
        if let Some(error) = reply.error() {
            return Err(format!("it answers, but not as a cluster node: {error}"));
        }
    }
    let nodes = parse_nodes(rows.text()).map_err(|error| format!("CLUSTER NODES: {error}"))?;
    let node_timeout = timeout.config_value().and_then(|value| value.parse().ok());
    Ok(View {
        id: NodeId::from(id.text()),
        rows: nodes.rows,
        cluster: ClusterInfo::parse(cluster.text()),
        info: info(sections),
        tuning: Tuning::parse(tuning),
        config: tuning.get(Tunable::ALL.len()).map(parse_configuration).unwrap_or_default(),
        node_timeout_ms: node_timeout.unwrap_or(DEFAULT_NODE_TIMEOUT_MS),
        now_ms: milliseconds(time),
        slot_ranges: ranges.list().first().is_some_and(|command| !command.list().is_empty()),
    })
}

const TOO_FEW: &str = "it gave fewer replies than commands";

/// The sections, in the order of [`SECTIONS`].
fn info(sections: &[Reply]) -> Info {
    let text = |index: usize| sections.get(index).map_or("", Reply::text);
    Info {
        server: ServerInfo::parse(text(0)),
        replication: ReplicationInfo::parse(text(1)),
        persistence: PersistenceInfo::parse(text(2)),
        stats: StatsInfo::parse(text(3)),
        memory: MemoryInfo::parse(text(4)),
        keyspace: KeyspaceInfo::parse(text(5)),
    }
}

/// What `TIME` answers: seconds, and microseconds.
fn milliseconds(time: &Reply) -> u64 {
    let part = |index: usize| time.list().get(index).and_then(Reply::int).unwrap_or(0).unsigned_abs();
    part(0).saturating_mul(1000).saturating_add(part(1) / 1000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cluster::testing::at,
        host,
        redis::{Role, SlotRange},
    };

    const NODES: &str = "\
        aa 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460\n\
        bb 10.0.0.1:7002@17002 slave aa 0 1 1 connected\n";

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    fn error(text: &str) -> Reply {
        Reply::Error(text.to_owned())
    }

    fn config(name: &str, value: &str) -> Reply {
        Reply::List(vec![text(name), text(value)])
    }

    /// What Redis 7.0 answers to [`queries`].
    fn replies() -> Vec<Reply> {
        vec![
            text("aa"),
            text(NODES),
            text("cluster_state:ok\r\ncluster_current_epoch:4\r\n"),
            text("# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nprocess_id:9\r\n"),
            text("# Replication\r\nrole:master\r\nmaster_repl_offset:70\r\n"),
            text("# Persistence\r\nloading:0\r\naof_enabled:1\r\n"),
            text("# Stats\r\nsync_full:2\r\n"),
            text("# Memory\r\nused_memory_human:1.00M\r\n"),
            text("# Keyspace\r\ndb0:keys=12,expires=0\r\n"),
            config("cluster-node-timeout", "5000"),
            Reply::List(vec![Reply::List(vec![text("cluster|addslotsrange")])]),
            Reply::List(vec![text("1700000000"), text("123456")]),
            Reply::List(Vec::new()),
            config("repl-diskless-sync-delay", "5"),
            config("repl-ping-replica-period", "10"),
        ]
    }

    fn up(replies: Vec<Reply>) -> View {
        match state(at("7001"), Ok(replies)) {
            State::Up(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn there_is_a_query_for_every_reply() {
        assert_eq!(queries(false).len(), replies().len());
        assert_eq!(queries(true).len(), replies().len() + 1);
        assert_eq!(queries(true).last(), Some(&Query::ConfigGet("*".to_owned())));
    }

    #[test]
    fn a_node_that_answers_is_up() {
        let view = up(replies());
        assert_eq!(view.id, NodeId::from("aa"));
        assert_eq!(view.myself().unwrap().slots, [SlotRange::new(0, 5460)]);
        assert_eq!((view.cluster.is_ok(), view.current_epoch()), (true, 4));
        assert_eq!(view.info.server.process_id, Some(9));
        assert_eq!(view.info.replication.role, Some(Role::Master));
        assert_eq!((view.offset(), view.keys()), (70, 12));
        assert_eq!(view.info.persistence.aof_enabled, Some(true));
        assert_eq!(view.info.stats.sync_full, Some(2));
        assert_eq!(view.info.memory.used_human.as_deref(), Some("1.00M"));
        assert_eq!((view.node_timeout_ms, view.now_ms), (5_000, 1_700_000_000_123));
        assert!(view.slot_ranges);
    }

    #[test]
    fn directives_the_engine_does_not_know_have_no_value() {
        let tuning = up(replies()).tuning;
        assert_eq!(tuning.get(Tunable::PingInterval), None);
        assert_eq!(tuning.get(Tunable::SyncDelay), Some("5"));
        assert_eq!(tuning.get(Tunable::ReplicaPingPeriod), Some("10"));
    }

    #[test]
    fn the_whole_configuration_is_kept_where_it_was_asked_for() {
        let mut all = replies();
        assert!(up(all.clone()).config.is_empty());
        all.push(Reply::List(["hz", "10", "requirepass", "sesame"].map(text).to_vec()));
        let view = up(all);
        assert_eq!(view.config, std::collections::BTreeMap::from([("hz".to_owned(), "10".to_owned())]));
        assert!(!format!("{view:?}").contains("sesame"));
    }

    #[test]
    fn an_old_engine_has_no_slot_ranges_and_defaults_fill_the_gaps() {
        let mut replies = replies();
        replies[9] = error("ERR unknown command");
        replies[10] = Reply::List(vec![Reply::Nil]);
        replies[11] = error("ERR unknown command");
        let view = up(replies);
        assert!(!view.slot_ranges);
        assert_eq!((view.node_timeout_ms, view.now_ms), (DEFAULT_NODE_TIMEOUT_MS, 0));
    }

    #[test]
    fn a_node_that_loads_counts_its_bytes() {
        let mut replies = vec![error("LOADING Redis is loading the dataset in memory"); 15];
        replies[5] = text("# Persistence\r\nloading:1\r\nloading_loaded_bytes:4096\r\n");
        assert_eq!(state(at("7001"), Ok(replies)), State::Loading(4096));
        let all = vec![error("LOADING"); 15];
        assert_eq!(state(at("7001"), Ok(all)), State::Loading(0));
    }

    #[test]
    fn a_node_with_another_password_is_not_down() {
        let reason = "NOAUTH Authentication required.";
        assert_eq!(state(at("7001"), Ok(vec![error(reason); 15])), State::AuthRejected(reason.to_owned()));
        for reason in [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "ERR Client sent AUTH, but no password is set",
            "ERR invalid password",
        ] {
            let refused = Error::Refused { node: at("7001"), reason: reason.to_owned() };
            assert_eq!(state(at("7001"), Err(refused)), State::AuthRejected(reason.to_owned()));
        }
    }

    #[test]
    fn protected_mode_is_no_question_of_passwords() {
        let reason = "DENIED Redis is running in protected mode because no password is set";
        let refused = Error::Refused { node: at("7001"), reason: reason.to_owned() };
        assert!(matches!(state(at("7001"), Err(refused)), State::Down(_)));
    }

    #[test]
    fn a_node_that_is_down_says_what_was_tried_and_the_cause() {
        let source = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let source = host::Error::Dial { host: "h0".into(), address: at("7001").address(), source };
        let down = state(at("7001"), Err(Error::Dial { node: at("7001"), source }));
        assert_eq!(down, State::Down("could not connect: connection refused".to_owned()));
        let silent = Error::Silent {
            node: at("7001"),
            doing: "running INFO".to_owned(),
            after: Duration::from_secs(10),
        };
        let expected = State::Down("no reply within 10s while running INFO".to_owned());
        assert_eq!(state(at("7001"), Err(silent)), expected);
    }

    #[test]
    fn a_server_outside_a_cluster_is_down_with_its_answer() {
        let mut replies = replies();
        replies[0] = error("ERR This instance has cluster support disabled");
        let text = "it answers, but not as a cluster node: ERR This instance has cluster support disabled";
        assert_eq!(state(at("7001"), Ok(replies)), State::Down(text.to_owned()));
    }

    #[test]
    fn a_table_that_cannot_be_read_and_too_few_replies_are_down() {
        let mut garbled = replies();
        garbled[1] = text("aa 10.0.0.1:7001@17001 myself");
        let State::Down(reason) = state(at("7001"), Ok(garbled)) else { panic!() };
        assert!(reason.starts_with("CLUSTER NODES: line 1 is not a cluster node"), "{reason}");
        for count in [0, 2, 8, 11] {
            let few = state(at("7001"), Ok(replies()[..count].to_vec()));
            assert_eq!(few, State::Down(TOO_FEW.to_owned()), "{count}");
        }
    }
}
