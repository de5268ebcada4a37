//! Where the shards go, as a table.

use std::fmt::Write;

use super::Detail;
use crate::{
    cluster::{Shard, Topology},
    inventory::{Fleet, NodeRef},
    redis::show_slots,
};

/// How many shards a brief plan has rows for.
const SHARDS: usize = 10;

/// A row a shard under a line of headings, then the notes; each line without its end. In brief, many shards
/// are the first ones and a number.
pub(super) fn table(topology: &Topology, fleet: &Fleet, detail: Detail) -> Vec<String> {
    let shown = match topology.shards.len() {
        all if detail == Detail::Full || all <= SHARDS => all,
        _ => SHARDS - 2,
    };
    let mut rows = vec![["slots", "master", "replicas"].map(str::to_owned)];
    rows.extend(topology.shards.iter().take(shown).map(|shard| row(shard, fleet)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (slots, master) = (width(0), width(1));
    let line = |[first, second, third]: &[String; 3]| {
        let mut line = String::new();
        let _ = write!(line, "{first:<slots$}  {second:<master$}  {third}");
        line.trim_end().to_owned()
    };
    let more = match topology.shards.len() - shown {
        0 => None,
        n => Some(format!("… and {n} more shards")),
    };
    rows.iter().map(line).chain(more).chain(topology.notes.iter().cloned()).collect()
}

fn row(shard: &Shard, fleet: &Fleet) -> [String; 3] {
    let replicas: Vec<String> = shard.replicas.iter().map(|node| spot(*node, fleet)).collect();
    [show_slots(&shard.slots), spot(shard.master, fleet), replicas.join(", ")]
}

/// `redis-191 192.168.2.191:7001 (rack-a)`; on a single host the address alone.
fn spot(node: NodeRef, fleet: &Fleet) -> String {
    let host = fleet.hosts.iter().find(|host| host.nodes.iter().any(|n| n.key == node));
    let Some(host) = host.filter(|_| fleet.hosts.len() > 1) else { return node.to_string() };
    let zone = host.zone.as_ref().map_or_else(String::new, |zone| format!(" ({zone})"));
    format!("{} {node}{zone}", host.name)
}
