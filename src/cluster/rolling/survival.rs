//! Whether a node's keys are there again after a restart.

use std::net::SocketAddr;

use super::error::Error;
use crate::{
    cluster::drift,
    inventory::Fleet,
    redis::{InfoSection, KeyspaceInfo, NodeReader, Query},
};

/// Refuses a restart that would lose keys: of a node that has some and does not leave them where its new configuration
/// looks for them, which is the AOF if there shall be one, and else the RDB file that SIGTERM writes where `save` is set.
pub async fn survives(reader: &NodeReader<'_>, fleet: &Fleet, node: SocketAddr) -> Result<(), Error> {
    let config = |name: &str| Query::ConfigGet(name.to_owned());
    let asked = [Query::Info(InfoSection::Keyspace), config("appendonly"), config("save")];
    let replies = reader.read(node, &asked).await?;
    let [keyspace, appendonly, save] = replies.as_slice() else { return Ok(()) };
    let keys = KeyspaceInfo::parse(keyspace.text()).keys;
    let (kept, fix) = if reads_aof(fleet, node) {
        (appendonly.config_value() == Some("yes"), "CONFIG SET appendonly yes")
    } else {
        (save.config_value().is_some_and(|points| !points.is_empty()), "CONFIG SET save \"3600 1\"")
    };
    if keys > 0 && !kept { Err(Error::OnlyCopy { node, keys, fix }) } else { Ok(()) }
}

/// Whether a node's configuration turns the AOF on, as the template does where the inventory says nothing.
fn reads_aof(fleet: &Fleet, address: SocketAddr) -> bool {
    let managed = fleet.nodes().find(|node| node.address == address).map(|node| drift::managed(fleet, node));
    let lines = managed.and_then(|mut managed| managed.remove("appendonly")).unwrap_or_default();
    lines.last().is_none_or(|line| !line.trim().eq_ignore_ascii_case("no"))
}
