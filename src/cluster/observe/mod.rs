//! Looking at every node: one pipelined round trip each, all at the same time.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::redis::{Command, Error, Reply, Row, Servers, parse_nodes, words};

/// What all nodes said at one moment, in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    pub nodes: Vec<(SocketAddr, State)>,
}

/// What one node said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It did not answer, and why.
    Down(String),
    /// It runs with another password than ours, or only one of us has any; what it said.
    AuthRejected(String),
    /// It is reading its data, this many bytes so far, and will answer soon.
    Loading(u64),
    Up(Box<View>),
}

/// A node's own view of itself and its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub id: String,
    pub rows: Vec<Row>,
    /// `CLUSTER INFO`.
    pub cluster: BTreeMap<String, String>,
    /// `INFO` server, replication, persistence, stats and memory, in one map: their keys are distinct.
    pub info: BTreeMap<String, String>,
    /// Keys in all databases.
    pub keys: u64,
    /// The current values of the directives formation changes for a while; those the engine does not know are absent.
    pub tuning: BTreeMap<&'static str, String>,
    /// Milliseconds; 15000 where it could not be read.
    pub node_timeout_ms: u64,
    /// The node's own clock at the moment it told all this, in milliseconds.
    pub now_ms: u64,
    /// Whether the engine has `CLUSTER ADDSLOTSRANGE`.
    pub slot_ranges: bool,
}

/// The directives formation sets for a while, the value it wants, and the engine's default in every version.
pub(super) const TUNING: [(&str, &str, &str); 3] = [
    ("cluster-ping-interval", "100", "0"),
    ("repl-diskless-sync-delay", "0", "5"),
    ("repl-ping-replica-period", "1", "10"),
];

impl View {
    /// Its own line.
    pub fn myself(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_myself())
    }

    /// Its peers, those it is still shaking hands with left out.
    pub fn peers(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_myself() && !row.is_handshake())
    }

    /// Its line about a peer, once it knows it.
    pub fn row(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id && !row.is_handshake())
    }

    pub fn is_replica(&self) -> bool {
        self.myself().is_some_and(Row::is_replica)
    }

    pub fn info(&self, key: &str) -> &str {
        self.info.get(key).map_or("", String::as_str)
    }

    pub fn cluster(&self, key: &str) -> &str {
        self.cluster.get(key).map_or("", String::as_str)
    }

    /// The replication offset: written as a master, applied as a replica.
    pub fn offset(&self) -> u64 {
        let key = if self.is_replica() { "slave_repl_offset" } else { "master_repl_offset" };
        self.info(key).parse().unwrap_or(0)
    }
}

impl Observed {
    pub fn get(&self, node: SocketAddr) -> Option<&State> {
        self.nodes.iter().find(|(address, _)| *address == node).map(|(_, state)| state)
    }

    pub fn view(&self, node: SocketAddr) -> Option<&View> {
        match self.get(node)? {
            State::Up(view) => Some(view),
            _ => None,
        }
    }

    /// The nodes that answered.
    pub fn views(&self) -> impl Iterator<Item = (SocketAddr, &View)> {
        self.nodes.iter().filter_map(|(address, state)| match state {
            State::Up(view) => Some((*address, &**view)),
            _ => None,
        })
    }

    /// The nodes that did not, and why.
    pub fn down(&self) -> impl Iterator<Item = (SocketAddr, &str)> {
        self.nodes.iter().filter_map(|(address, state)| match state {
            State::Down(reason) | State::AuthRejected(reason) => Some((*address, reason.as_str())),
            State::Loading(_) => Some((*address, "is still loading its data")),
            State::Up(_) => None,
        })
    }

    /// The same, as a sentence for the evidence.
    pub(super) fn silent(&self) -> impl Iterator<Item = String> {
        self.down().map(|(node, reason)| match self.get(node) {
            Some(State::AuthRejected(_)) => format!("{node} runs with another password: {reason}"),
            _ => format!("{node} does not answer"),
        })
    }

    /// The address of the node with this id.
    pub fn address_of(&self, id: &str) -> Option<SocketAddr> {
        self.views().find(|(_, view)| view.id == id).map(|(address, _)| address)
    }
}

impl Servers {
    /// Looks at every node. Never fails: a node that cannot be asked is [`State::Down`]. One that does not answer the call is
    /// called once more: its machine may have been busy with something else.
    pub async fn observe(&self) -> Observed {
        let questions = questions();
        let ask = |nodes: Vec<SocketAddr>| {
            self.read_each(nodes.into_iter().map(|node| (node, questions.clone())).collect())
        };
        let mut answers = ask(self.nodes().map(|node| node.address).collect()).await;
        let is_late = |replies: &Result<_, Error>| replies.as_ref().is_err_and(Error::is_late);
        let late = answers.iter().filter(|(_, replies)| is_late(replies)).map(|(node, _)| *node);
        for (node, replies) in ask(late.collect()).await {
            if let Some(answer) = answers.iter_mut().find(|(address, _)| *address == node) {
                answer.1 = replies;
            }
        }
        Observed { nodes: answers.into_iter().map(|(node, replies)| (node, state(node, replies))).collect() }
    }
}

fn questions() -> Vec<Command> {
    let fixed = [
        "CLUSTER MYID",
        "CLUSTER NODES",
        "CLUSTER INFO",
        "INFO server",
        "INFO replication",
        "INFO persistence",
        "INFO stats",
        "INFO memory",
        "INFO keyspace",
        "CONFIG GET cluster-node-timeout",
        "COMMAND INFO cluster|addslotsrange",
        "TIME",
    ];
    let tuning = TUNING.map(|(name, ..)| words(&format!("CONFIG GET {name}")));
    fixed.iter().map(|text| words(text)).chain(tuning).collect()
}

fn state(node: SocketAddr, replies: Result<Vec<Reply>, Error>) -> State {
    let replies = match replies {
        Ok(replies) => replies,
        Err(Error::Refused { reason, .. }) if is_about_passwords(&reason) => {
            return State::AuthRejected(reason);
        }
        Err(error) => return State::Down(plain(node, &error)),
    };
    if let Some(reason) = replies.iter().filter_map(Reply::error).find(|text| text.starts_with("NOAUTH")) {
        return State::AuthRejected(reason.to_owned());
    }
    if replies.iter().any(|reply| reply.error().is_some_and(|text| text.starts_with("LOADING"))) {
        let lines = replies.iter().flat_map(|reply| pairs(reply.text()));
        let loaded = lines.filter(|(key, _)| key == "loading_loaded_bytes").find_map(|(_, n)| n.parse().ok());
        return State::Loading(loaded.unwrap_or(0));
    }
    match view(&replies) {
        Ok(view) => State::Up(Box::new(view)),
        Err(reason) => State::Down(reason),
    }
}

/// What AUTH is refused with, in all versions. Protected mode speaks of passwords too, but turns everyone away.
fn is_about_passwords(reason: &str) -> bool {
    !reason.starts_with("DENIED") && (reason.starts_with("WRONGPASS") || reason.contains("password"))
}

/// What was tried and the cause at the bottom, in one line; the node's address is said by whoever shows it.
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
    let [
        id,
        rows,
        cluster,
        server,
        replication,
        persistence,
        stats,
        memory,
        keyspace,
        timeout,
        ranges,
        time,
        tuning @ ..,
    ] = replies
    else {
        return Err("it gave fewer replies than commands".to_owned());
    };
    for reply in [id, rows, cluster, server] {
        if let Some(error) = reply.error() {
            return Err(format!("it answers, but not as a cluster node: {error}"));
        }
    }
    let listing = parse_nodes(rows.text()).map_err(|error| format!("CLUSTER NODES: {error}"))?;
    let info =
        [server, replication, persistence, stats, memory].into_iter().flat_map(|reply| pairs(reply.text()));
    let values = TUNING.iter().zip(tuning);
    Ok(View {
        id: id.text().to_owned(),
        rows: listing.rows,
        cluster: pairs(cluster.text()).collect(),
        info: info.collect(),
        keys: count_keys(keyspace.text()),
        tuning: values
            .filter_map(|((name, ..), reply)| reply.config_value().map(|v| (*name, v.to_owned())))
            .collect(),
        node_timeout_ms: timeout.config_value().and_then(|value| value.parse().ok()).unwrap_or(15_000),
        now_ms: milliseconds(time),
        slot_ranges: ranges.list().first().is_some_and(|command| !command.list().is_empty()),
    })
}

/// What `TIME` answers: seconds, and microseconds.
fn milliseconds(time: &Reply) -> u64 {
    let part = |index: usize| time.list().get(index).and_then(Reply::int).unwrap_or(0).unsigned_abs();
    part(0) * 1000 + part(1) / 1000
}

/// `key:value` lines.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| line.trim().split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned()))
}

/// Keys in all databases, of `INFO keyspace`.
pub(super) fn count_keys(keyspace: &str) -> u64 {
    pairs(keyspace).filter_map(|(_, value)| keys(&value)).sum()
}

/// The count in `keys=12,expires=0,avg_ttl=0`.
fn keys(value: &str) -> Option<u64> {
    value.split(',').find_map(|part| part.strip_prefix("keys=")?.parse().ok())
}
