//! What a node is asked, and its state from the replies.

use std::net::SocketAddr;

use super::{observed::State, view::View};
use crate::{
    cluster::tunable::{Tunable, Tuning},
    redis::{
        ClusterInfo, Error, Info, InfoSection, KeyspaceInfo, MemoryInfo, PersistenceInfo, Query,
        ReplicationInfo, Reply, ServerInfo, StatsInfo, parse_nodes,
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

pub(super) fn queries() -> Vec<Query> {
    let config = |name: &str| Query::ConfigGet(name.to_owned());
    let mut queries = vec![Query::ClusterMyId, Query::ClusterNodes, Query::ClusterInfo];
    queries.extend(SECTIONS.map(Query::Info));
    queries.extend([
        config("cluster-node-timeout"),
        Query::CommandInfo("cluster|addslotsrange"),
        Query::Time,
    ]);
    queries.extend(Tunable::ALL.map(|directive| config(directive.name())));
    queries
}

pub(super) fn state(node: SocketAddr, replies: Result<Vec<Reply>, Error>) -> State {
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

/// What AUTH is refused with, in all versions. Protected mode mentions passwords too, but turns every client away.
fn is_about_passwords(reason: &str) -> bool {
    !reason.starts_with("DENIED") && (reason.starts_with("WRONGPASS") || reason.contains("password"))
}

/// What was tried and the cause at the bottom, in one line, without the node's address: the caller adds that.
fn plain(node: SocketAddr, error: &Error) -> String {
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
