//! The servers of a fleet: who may ask them ([`NodeReader`]) and change them ([`NodeWriter`]), and their
//! answers as types.
//!
//! The only room that knows the `redis` crate.

mod cluster_info;
mod cluster_nodes;
mod command;
mod configuration;
mod connection;
mod error;
mod fields;
mod info;
mod links;
mod probe_writer;
mod reader;
mod reply;
mod role;
mod slots;
mod writer;

pub use cluster_info::ClusterInfo;
pub use cluster_nodes::{ClusterNodes, MalformedNodes, NodeRow, parse as parse_nodes};
pub(crate) use command::words;
pub use command::{Command, InfoSection, Query};
pub use configuration::parse_configuration;
pub use error::Error;
pub use info::{
    Info, KeyspaceInfo, MemoryInfo, PersistenceInfo, ReplicaLine, ReplicationInfo, ServerInfo, StatsInfo,
};
pub use links::{ClusterLinks, LinkCount};
pub use probe_writer::{ProbeKey, ProbeTrouble, ProbeWrite, ProbeWriter};
pub use reader::NodeReader;
pub use reply::Reply;
pub use role::Role;
pub use slots::{SLOTS, SlotRange, of_key as slot_of_key};
pub(crate) use slots::{count as count_slots, join as join_slots, ranges as slot_ranges, show as show_slots};
pub use writer::NodeWriter;
