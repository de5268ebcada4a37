//! Where the shards go, as a table for people.

use std::{fmt::Write, net::SocketAddr};

use crate::{
    cluster::{Shard, Topology},
    inventory::Fleet,
    redis::show_slots,
};

/// A row a shard under a line of headings, then the notes; each line without its end.
pub(super) fn table(topology: &Topology, fleet: &Fleet) -> Vec<String> {
    let mut rows = vec![["slots", "master", "replicas"].map(str::to_owned)];
    rows.extend(topology.shards.iter().map(|shard| row(shard, fleet)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (slots, master) = (width(0), width(1));
    let line = |[first, second, third]: &[String; 3]| {
        let mut line = String::new();
        let _ = write!(line, "{first:<slots$}  {second:<master$}  {third}");
        line.trim_end().to_owned()
    };
    rows.iter().map(line).chain(topology.notes.iter().cloned()).collect()
}

fn row(shard: &Shard, fleet: &Fleet) -> [String; 3] {
    let replicas: Vec<String> = shard.replicas.iter().map(|node| spot(*node, fleet)).collect();
    [show_slots(&shard.slots), spot(shard.master, fleet), replicas.join(", ")]
}

/// `redis-191 192.168.2.191:7001 (rack-a)`; on a single host the address alone.
fn spot(node: SocketAddr, fleet: &Fleet) -> String {
    let host = fleet.hosts.iter().find(|host| host.nodes.iter().any(|n| n.address == node));
    let Some(host) = host.filter(|_| fleet.hosts.len() > 1) else { return node.to_string() };
    let zone = host.zone.as_ref().map_or_else(String::new, |zone| format!(" ({zone})"));
    format!("{} {node}{zone}", host.name)
}
