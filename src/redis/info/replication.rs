//! `INFO replication`, with the lines about replicas.

use std::net::SocketAddr;

use crate::redis::{
    fields::{Fields, clean, pairs},
    role::Role,
};

/// More replicas than one master ever has.
const MAX_REPLICAS: usize = 1024;

/// What a server says about its replication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicationInfo {
    pub role: Option<Role>,
    /// Of a replica: where its master is.
    pub master_host: Option<String>,
    pub master_port: Option<u16>,
    /// Of a replica: whether the link to its master is up.
    pub master_link_up: Option<bool>,
    /// Of a replica whose link is down: for how long. Where there was none since the process started it is
    /// -1, or up to 6.0 longer than the process runs (replication in server.c, INFO).
    pub master_link_down_seconds: Option<i64>,
    pub master_last_io_seconds_ago: Option<i64>,
    pub master_sync_in_progress: Option<bool>,
    /// Bytes of the data set received so far; from 6.2 on, and only during the transfer.
    pub master_sync_read_bytes: Option<u64>,
    pub replica_read_only: Option<bool>,
    /// Of a replica: how much of its master's stream it has applied.
    pub replica_offset: Option<u64>,
    /// The id of the stream of writes: a master and its replicas have the same.
    pub master_replid: Option<String>,
    pub master_repl_offset: Option<u64>,
    /// Of a master: its replicas.
    pub replicas: Vec<ReplicaLine>,
}

/// One replica, as its master sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaLine {
    pub ip: String,
    pub port: u16,
    /// Whether it receives the stream: `state=online`.
    pub online: bool,
    pub offset: Option<u64>,
    /// Seconds since its last acknowledgement.
    pub lag: Option<i64>,
}

impl ReplicationInfo {
    pub fn parse(text: &str) -> Self {
        let fields = Fields::parse(text);
        let replicas = pairs(text).filter(|(key, _)| is_replica_key(key));
        Self {
            role: fields.text("role").and_then(|role| Role::from_word(&role)),
            master_host: fields.text("master_host"),
            master_port: fields.number("master_port"),
            master_link_up: fields.text("master_link_status").map(|status| status == "up"),
            master_link_down_seconds: fields.number("master_link_down_since_seconds"),
            master_last_io_seconds_ago: fields.number("master_last_io_seconds_ago"),
            master_sync_in_progress: fields.flag("master_sync_in_progress"),
            master_sync_read_bytes: fields.number("master_sync_read_bytes"),
            replica_read_only: fields.flag("slave_read_only"),
            replica_offset: fields.number("slave_repl_offset"),
            master_replid: fields.text("master_replid"),
            master_repl_offset: fields.number("master_repl_offset"),
            replicas: replicas
                .filter_map(|(_, value)| ReplicaLine::parse(value))
                .take(MAX_REPLICAS)
                .collect(),
        }
    }

    /// Whether the link to the master is up. False on a master.
    pub fn link_is_up(&self) -> bool {
        self.master_link_up == Some(true)
    }

    /// Whether the replica at this address receives the stream.
    pub fn has_online(&self, replica: SocketAddr) -> bool {
        self.lines_of(replica).any(|line| line.online)
    }

    /// Seconds since the replica at this address acknowledged something; the longest where it has several
    /// lines.
    pub fn lag_of(&self, replica: SocketAddr) -> Option<i64> {
        self.lines_of(replica).filter_map(|line| line.lag).max()
    }

    fn lines_of(&self, replica: SocketAddr) -> impl Iterator<Item = &ReplicaLine> {
        let ip = replica.ip().to_string();
        self.replicas.iter().filter(move |line| line.ip == ip && line.port == replica.port())
    }

    /// Where the master is, for messages.
    pub fn master_address(&self) -> String {
        let port = self.master_port.map(|port| port.to_string());
        format!("{}:{}", self.master_host.as_deref().unwrap_or("?"), port.as_deref().unwrap_or("?"))
    }
}

impl ReplicaLine {
    /// Reads `ip=127.0.0.1,port=7004,state=online,offset=84,lag=0`; newer versions add fields at the end.
    fn parse(value: &str) -> Option<Self> {
        let field = |name: &str| value.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            ip: clean(field("ip")?),
            port: field("port")?.parse().ok()?,
            online: field("state") == Some("online"),
            offset: field("offset").and_then(|offset| offset.parse().ok()),
            lag: field("lag").and_then(|lag| lag.parse().ok()),
        })
    }
}

/// `slave0`, `slave1`…, and nothing else that begins so.
fn is_replica_key(key: &str) -> bool {
    key.strip_prefix("slave").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
