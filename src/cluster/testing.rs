//! Builders for tests: a [`Fleet`] from node counts, and a cluster from a line of text a node.
//!
//! ```text
//! 7001 master 0-5460 epoch=1 keys=10
//! 7002 master 5461-10922
//! 2:7003 master 10923-16383
//! 7004 replica 7001 offset=90
//! 7005 replica 7002 link=down
//! 7006 down connection refused
//! ```
//!
//! `7001` is 10.0.0.1:7001 and `2:7001` is 10.0.0.2:7001; the id of a node is `id-` and its address. Every
//! node knows every other one unless a line says `alone`, and each knows of the others what they are. A test
//! changes from there what it is about.

use std::{collections::BTreeMap, fmt::Write, net::SocketAddr};

use super::{
    observe::{Observed, State, View},
    tunable::{Tunable, Tuning},
};
use crate::{
    inventory::{Address, Endpoints, Engine, Environment, Fleet, Host, Node, NodeRef, Source, Ssh, Version},
    redis::{
        ClusterInfo, Info, KeyspaceInfo, NodeRow, PersistenceInfo, ReplicaLine, ReplicationInfo, Role,
        ServerInfo, SlotRange, StatsInfo, count_slots, parse_nodes,
    },
    units::{HostName, MemberName, NodeId},
};

/// A node: `7001` is h0/7001 at 10.0.0.1:7001, `2:7001` is h1/7001; or by its whole address.
pub(in crate::cluster) fn at(text: &str) -> NodeRef {
    let (host, port) = text.rsplit_once(':').unwrap_or(("1", text));
    let ip = if host.contains('.') { host.to_owned() } else { format!("10.0.0.{host}") };
    let client: SocketAddr = format!("{ip}:{port}").parse().unwrap();
    let host = format!("h{}", ip.rsplit('.').next().unwrap().parse::<usize>().unwrap() - 1);
    let member = MemberName { host: host.into(), node: port.into() };
    NodeRef::new(member, Endpoints::at(client))
}

/// The id [`cluster`] gives the node at an address.
pub(in crate::cluster) fn id(text: &str) -> NodeId {
    NodeId::from(format!("id-{}", at(text)))
}

/// A fleet with this many nodes on each host: h0 has 10.0.0.1:7001 and so on.
pub(in crate::cluster) fn hosts(nodes: &[usize], replicas: usize) -> Fleet {
    let hosts = nodes.iter().enumerate().map(|(index, count)| {
        let name = HostName::from(format!("h{index}"));
        let node = |n: usize| {
            let key = at(&format!("{}:{}", index + 1, 7001 + n));
            Node { key, listen: key.announced(), simulated: false, config: BTreeMap::new() }
        };
        Host {
            nodes: (0..*count).map(node).collect(),
            address: Address::Local,
            ssh: Ssh::default(),
            zone: None,
            name: name.clone(),
        }
    });
    Fleet {
        name: "test".to_owned(),
        engine: Engine::Redis,
        version: Version::new(7, 0, 15),
        replicas,
        config: BTreeMap::new(),
        auth: None,
        source: Source::default(),
        hosts: hosts.collect(),
        environment: Environment::SingleHost,
        inventory: "test.toml".into(),
    }
}

/// Six nodes on one host, a replica for each master.
pub(in crate::cluster) fn six() -> Fleet {
    hosts(&[6], 1)
}

/// [`six`], formed.
pub(in crate::cluster) const SIX: &str = "\
7001 master 0-5460
7002 master 5461-10922
7003 master 10923-16383
7004 replica 7001
7005 replica 7002
7006 replica 7003
";

/// One line of the text.
struct Line {
    address: NodeRef,
    kind: Kind,
    slots: Vec<SlotRange>,
    epoch: u64,
    keys: u64,
    offset: u64,
    alone: bool,
    link_up: bool,
    /// Whether there was a link since the process started.
    was_linked: bool,
    state: String,
    flag: Option<String>,
}

enum Kind {
    Master,
    Replica(NodeRef),
    Other(State),
}

impl Line {
    fn parse(index: usize, text: &str) -> Self {
        let mut words = text.split_whitespace();
        let address = at(words.next().unwrap());
        let role = words.next().unwrap_or("master");
        let rest: Vec<&str> = words.collect();
        let kind = match role {
            "master" => Kind::Master,
            "replica" => Kind::Replica(at(rest[0])),
            "down" => Kind::Other(State::Down(rest.join(" "))),
            "rejected" => Kind::Other(State::AuthRejected(rest.join(" "))),
            "loading" => Kind::Other(State::Loading(rest[0].parse().unwrap())),
            other => panic!("{other} is no role"),
        };
        let value = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str| value(key).map(|text| text.parse::<u64>().unwrap());
        let is_master = matches!(kind, Kind::Master);
        let ranges = |word: &&str| if is_master { word.parse::<SlotRange>().ok() } else { None };
        let slots: Vec<SlotRange> = rest.iter().filter_map(ranges).collect();
        let born = if slots.is_empty() { 0 } else { index as u64 + 1 };
        Self {
            address,
            kind,
            epoch: number("epoch").unwrap_or(born),
            slots,
            keys: number("keys").unwrap_or(0),
            offset: number("offset").unwrap_or(100),
            alone: rest.contains(&"alone"),
            link_up: !matches!(value("link"), Some("down" | "never")),
            was_linked: value("link") != Some("never"),
            state: value("state").unwrap_or("ok").to_owned(),
            flag: value("flag").map(str::to_owned),
        }
    }

    fn master(&self) -> Option<NodeRef> {
        match self.kind {
            Kind::Replica(master) => Some(master),
            _ => None,
        }
    }

    /// The line of `CLUSTER NODES` about this node, in the table of `reader`.
    fn row(&self, reader: &Self, all: &[Self]) -> String {
        let myself = self.address == reader.address;
        let mut flags = if myself { "myself,".to_owned() } else { String::new() };
        flags += if self.master().is_some() { "slave" } else { "master" };
        if let Some(flag) = self.flag.as_ref().filter(|_| !myself) {
            write!(flags, ",{flag}").unwrap();
        }
        let master = self.master().map_or_else(|| "-".to_owned(), |master| format!("id-{master}"));
        let of = |address| all.iter().find(|line| line.address == address);
        let epoch = self.master().and_then(of).map_or(self.epoch, |master| master.epoch);
        let slots: Vec<String> = self.slots.iter().map(ToString::to_string).collect();
        format!(
            "id-{0} {0}@{1} {flags} {master} 0 1000 {epoch} connected {2}\n",
            self.address,
            self.address.address().port() + 10_000,
            slots.join(" ")
        )
    }

    fn view(&self, all: &[Self]) -> View {
        let known = all.iter().filter(|line| line.address == self.address || !(self.alone || line.alone));
        let text: String = known.clone().map(|line| line.row(self, all)).collect();
        let rows = parse_nodes(&text).unwrap().rows;
        let owned: usize = rows.iter().map(|row| count_slots(&row.slots)).sum();
        let epoch = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
        let mut tuning = Tuning::default();
        tuning.set(Tunable::SyncDelay, "5");
        tuning.set(Tunable::ReplicaPingPeriod, "10");
        View {
            id: NodeId::from(format!("id-{}", self.address)),
            cluster: ClusterInfo {
                state: self.state.clone(),
                slots_ok: Some(owned as u64),
                slots_pfail: Some(0),
                slots_fail: Some(0),
                known_nodes: Some(rows.len() as u64),
                size: Some(rows.iter().filter(|row| !row.slots.is_empty()).count() as u64),
                current_epoch: Some(epoch),
                my_epoch: Some(self.epoch),
            },
            info: self.info(all),
            rows,
            tuning,
            config: BTreeMap::new(),
            node_timeout_ms: 15_000,
            now_ms: 1_000,
            slot_ranges: true,
        }
    }

    fn info(&self, all: &[Self]) -> Info {
        Info {
            server: ServerInfo {
                redis_version: Some("7.0.15".to_owned()),
                mode: Some("cluster".to_owned()),
                process_id: Some(u32::from(self.address.address().port())),
                uptime_seconds: Some(600),
                ..ServerInfo::default()
            },
            replication: self.replication(all),
            persistence: PersistenceInfo { aof_enabled: Some(true), ..PersistenceInfo::default() },
            stats: StatsInfo { sync_full: Some(1) },
            keyspace: KeyspaceInfo { keys: self.keys },
            ..Info::default()
        }
    }

    fn replication(&self, all: &[Self]) -> ReplicationInfo {
        let followers = all.iter().filter(|line| line.master() == Some(self.address) && line.link_up);
        let line = |line: &Self| ReplicaLine {
            ip: line.address.address().ip().to_string(),
            port: line.address.address().port(),
            online: true,
            offset: Some(line.offset),
            lag: Some(0),
        };
        let shard = self.master().unwrap_or(self.address);
        let common = ReplicationInfo {
            master_replid: Some(format!("replid-{shard}")),
            master_repl_offset: Some(self.offset),
            ..ReplicationInfo::default()
        };
        let Some(master) = self.master() else {
            return ReplicationInfo {
                role: Some(Role::Master),
                replicas: followers.map(line).collect(),
                ..common
            };
        };
        ReplicationInfo {
            role: Some(Role::Replica),
            master_host: Some(master.address().ip().to_string()),
            master_port: Some(master.address().port()),
            master_link_up: Some(self.link_up),
            master_link_down_seconds: (!self.link_up).then_some(if self.was_linked { 9 } else { -1 }),
            master_last_io_seconds_ago: Some(0),
            master_sync_in_progress: Some(false),
            replica_read_only: Some(true),
            replica_offset: Some(self.offset),
            ..common
        }
    }
}

/// What a cluster answers that is described by a line a node.
pub(in crate::cluster) fn cluster(text: &str) -> Observed {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let all: Vec<Line> = lines.enumerate().map(|(index, line)| Line::parse(index, line)).collect();
    let state = |line: &Line| match &line.kind {
        Kind::Other(state) => state.clone(),
        Kind::Master | Kind::Replica(_) => State::Up(Box::new(line.view(&all))),
    };
    let nodes = all.iter().map(|line| (line.address, state(line))).collect();
    Observed { nodes, open_slots: Vec::new() }
}

/// What one node answered, to be changed.
pub(in crate::cluster) fn view_mut<'a>(observed: &'a mut Observed, node: &str) -> &'a mut View {
    let state = observed.nodes.iter_mut().find(|(address, _)| *address == at(node)).map(|(_, state)| state);
    match state {
        Some(State::Up(view)) => view,
        other => panic!("{node} did not answer: {other:?}"),
    }
}

/// The line that one node has about another, to be changed.
pub(in crate::cluster) fn row_mut<'a>(
    observed: &'a mut Observed,
    reader: &str,
    node: &str,
) -> &'a mut NodeRow {
    let id = id(node);
    view_mut(observed, reader).rows.iter_mut().find(|row| row.id == id).unwrap()
}

/// Takes a node out of the table of another.
pub(in crate::cluster) fn unmeet(observed: &mut Observed, reader: &str, node: &str) {
    let id = id(node);
    view_mut(observed, reader).rows.retain(|row| row.id != id);
}

/// Adds a line of `CLUSTER NODES` to the table of one node.
pub(in crate::cluster) fn add_row(observed: &mut Observed, reader: &str, line: &str) {
    let rows = parse_nodes(line).unwrap().rows;
    view_mut(observed, reader).rows.extend(rows);
}
