//! `CLUSTER LINKS`: the bus connections of a node, from Redis 7.0 on.

use std::collections::HashMap;

use super::reply::Reply;
use crate::units::NodeId;

/// How many links a node has with each other one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterLinks {
    by_node: HashMap<NodeId, LinkCount>,
}

/// Links with one other node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCount {
    /// Opened by the node itself.
    pub outbound: usize,
    /// Opened by the other node; it has a name only after its second packet.
    pub inbound: usize,
    /// When the newest outbound one was opened, by the node's own clock, in milliseconds.
    pub opened_ms: u64,
}

impl ClusterLinks {
    /// Reads the answer; `None` where the engine does not have the command.
    pub fn parse(reply: &Reply) -> Option<Self> {
        if reply.error().is_some() {
            return None;
        }
        let mut links = Self::default();
        for link in reply.list() {
            let count = links.by_node.entry(NodeId::from(field(link, "node"))).or_default();
            if field(link, "direction") == "to" {
                count.outbound += 1;
                let opened = value(link, "create-time").and_then(Reply::int).unwrap_or(0);
                count.opened_ms = count.opened_ms.max(opened.unsigned_abs());
            } else {
                count.inbound += 1;
            }
        }
        Some(links)
    }

    #[cfg(test)]
    pub(crate) fn both_ways(ids: impl IntoIterator<Item = NodeId>, opened_ms: u64) -> Self {
        let both = LinkCount { outbound: 1, inbound: 1, opened_ms };
        Self { by_node: ids.into_iter().map(|id| (id, both)).collect() }
    }

    #[cfg(test)]
    pub(crate) fn count_mut(&mut self, id: &str) -> &mut LinkCount {
        self.by_node.entry(NodeId::from(id)).or_default()
    }

    /// The links with one node.
    pub fn with(&self, id: &str) -> LinkCount {
        self.by_node.get(id).copied().unwrap_or_default()
    }
}

/// A field of one link, which is a flat list of names and values.
fn value<'a>(link: &'a Reply, name: &str) -> Option<&'a Reply> {
    let mut pairs = link.list().chunks_exact(2);
    pairs.find(|pair| pair[0].text() == name).map(|pair| &pair[1])
}

fn field<'a>(link: &'a Reply, name: &str) -> &'a str {
    value(link, name).map_or("", Reply::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(direction: &str, node: &str, opened: i64) -> Reply {
        let texts = ["direction", direction, "node", node, "create-time"].map(|t| Reply::Text(t.to_owned()));
        Reply::List(texts.into_iter().chain([Reply::Int(opened)]).collect())
    }

    #[test]
    fn links_are_counted_by_node_and_direction() {
        let links = [link("to", "a", 5), link("from", "a", 9), link("from", "a", 9), link("to", "b", 7)];
        let links = ClusterLinks::parse(&Reply::List(links.into())).unwrap();
        assert_eq!(links.with("a"), LinkCount { outbound: 1, inbound: 2, opened_ms: 5 });
        assert_eq!(links.with("b"), LinkCount { outbound: 1, inbound: 0, opened_ms: 7 });
        assert_eq!(links.with("c"), LinkCount::default());
    }

    #[test]
    fn an_engine_without_the_command_is_not_one_without_links() {
        assert_eq!(ClusterLinks::parse(&Reply::Error("ERR Unknown subcommand".to_owned())), None);
        assert_eq!(ClusterLinks::parse(&Reply::List(Vec::new())), Some(ClusterLinks::default()));
    }
}
