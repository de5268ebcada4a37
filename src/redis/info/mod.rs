//! `INFO`: what a server says about itself, as far as it is read. Every field may be missing: older engines
//! do not have it, or the role does not.

mod replication;

pub use replication::{ReplicaLine, ReplicationInfo};

use super::fields::{Fields, pairs};
use crate::inventory::Engine;

/// The sections that are read of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    pub server: ServerInfo,
    pub replication: ReplicationInfo,
    pub persistence: PersistenceInfo,
    pub stats: StatsInfo,
    pub memory: MemoryInfo,
    pub keyspace: KeyspaceInfo,
}

/// `INFO server`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// `valkey` from Valkey 7.2 on; Redis does not say.
    pub server_name: Option<String>,
    /// What Redis is; a Valkey says which Redis it is compatible with.
    pub redis_version: Option<String>,
    pub valkey_version: Option<String>,
    pub build_id: Option<String>,
    /// `cluster` on a node: `redis_mode`, or `server_mode` on Valkey.
    pub mode: Option<String>,
    pub process_id: Option<u32>,
    pub uptime_seconds: Option<u64>,
}

impl ServerInfo {
    pub fn parse(text: &str) -> Self {
        let fields = Fields::parse(text);
        let cluster = |key: &str| fields.text(key).filter(|mode| mode == "cluster");
        Self {
            server_name: fields.text("server_name"),
            redis_version: fields.text("redis_version"),
            valkey_version: fields.text("valkey_version"),
            build_id: fields.text("redis_build_id"),
            mode: cluster("server_mode").or_else(|| fields.text("redis_mode")),
            process_id: fields.number("process_id"),
            uptime_seconds: fields.number("uptime_in_seconds"),
        }
    }

    /// The engine that runs; `None` where it did not say.
    pub fn engine(&self) -> Option<Engine> {
        match (&self.valkey_version, &self.redis_version) {
            (Some(_), _) => Some(Engine::Valkey),
            (None, Some(_)) => Some(Engine::Redis),
            (None, None) => None,
        }
    }

    /// The version of the engine that runs.
    pub fn version(&self) -> Option<&str> {
        self.valkey_version.as_deref().or(self.redis_version.as_deref())
    }

    /// All that distinguishes one build from another, in one line.
    pub fn build(&self) -> String {
        let parts = [&self.server_name, &self.redis_version, &self.valkey_version, &self.build_id];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// `INFO persistence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersistenceInfo {
    /// Bytes read so far by a server that loads its data.
    pub loaded_bytes: Option<u64>,
    pub aof_enabled: Option<bool>,
    /// `ok`, or what became of the last write to the AOF.
    pub aof_last_write_status: Option<String>,
    pub aof_last_bgrewrite_status: Option<String>,
    pub rdb_last_bgsave_status: Option<String>,
    pub aof_rewrite_in_progress: Option<bool>,
    pub aof_rewrite_scheduled: Option<bool>,
    pub rdb_bgsave_in_progress: Option<bool>,
    /// When the last save ended well, in seconds by the node's own clock.
    pub rdb_last_save_time: Option<u64>,
    /// Keys that the running save or rewrite has written; from 6.2 on.
    pub save_keys_processed: Option<u64>,
}

impl PersistenceInfo {
    pub fn parse(text: &str) -> Self {
        let fields = Fields::parse(text);
        Self {
            loaded_bytes: fields.number("loading_loaded_bytes"),
            aof_enabled: fields.flag("aof_enabled"),
            aof_last_write_status: fields.text("aof_last_write_status"),
            aof_last_bgrewrite_status: fields.text("aof_last_bgrewrite_status"),
            rdb_last_bgsave_status: fields.text("rdb_last_bgsave_status"),
            aof_rewrite_in_progress: fields.flag("aof_rewrite_in_progress"),
            aof_rewrite_scheduled: fields.flag("aof_rewrite_scheduled"),
            rdb_bgsave_in_progress: fields.flag("rdb_bgsave_in_progress"),
            rdb_last_save_time: fields.number("rdb_last_save_time"),
            save_keys_processed: fields.number("current_save_keys_processed"),
        }
    }

    /// The first of the last results that was not `ok`, as `INFO` writes it.
    pub fn fault(&self) -> Option<String> {
        let results = [
            ("aof_last_write_status", &self.aof_last_write_status),
            ("aof_last_bgrewrite_status", &self.aof_last_bgrewrite_status),
            ("rdb_last_bgsave_status", &self.rdb_last_bgsave_status),
        ];
        results.into_iter().find_map(|(name, result)| {
            result.as_deref().filter(|result| *result != "ok").map(|result| format!("{name}:{result}"))
        })
    }
}

/// `INFO stats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatsInfo {
    /// How many full synchronisations replicas have begun here.
    pub sync_full: Option<u64>,
}

impl StatsInfo {
    pub fn parse(text: &str) -> Self {
        Self { sync_full: Fields::parse(text).number("sync_full") }
    }
}

/// `INFO memory`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryInfo {
    /// As the server writes it: `1.89M`.
    pub used_human: Option<String>,
    /// Bytes in use, buffers of replicas and of the AOF included.
    pub used: Option<u64>,
    /// Bytes of those buffers, which do not count towards the limit; from 4.0 on.
    pub not_counted: Option<u64>,
    /// `maxmemory` in bytes; 0 is no limit.
    pub max: Option<u64>,
    /// `maxmemory-policy`.
    pub policy: Option<String>,
}

impl MemoryInfo {
    pub fn parse(text: &str) -> Self {
        let fields = Fields::parse(text);
        Self {
            used_human: fields.text("used_memory_human"),
            used: fields.number("used_memory"),
            not_counted: fields.number("mem_not_counted_for_evict"),
            max: fields.number("maxmemory"),
            policy: fields.text("maxmemory_policy"),
        }
    }

    /// Bytes that count towards the limit.
    pub fn counted(&self) -> u64 {
        self.used.unwrap_or(0).saturating_sub(self.not_counted.unwrap_or(0))
    }
}

/// `INFO keyspace`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyspaceInfo {
    /// Keys in all databases.
    pub keys: u64,
}

impl KeyspaceInfo {
    /// Sums up `db0:keys=12,expires=0,avg_ttl=0`.
    pub fn parse(text: &str) -> Self {
        let keys =
            |value: &str| value.split(',').find_map(|part| part.strip_prefix("keys=")?.parse::<u64>().ok());
        let counts = pairs(text).filter_map(|(_, value)| keys(value));
        Self { keys: counts.fold(0, u64::saturating_add) }
    }
}

#[cfg(test)]
mod tests;
