//! Equal changes on many hosts, and on many nodes of a host, become one line: `n1…n6: file /etc/motd`. Pure:
//! what is put in comes out again, each change of each host in exactly one group.

use crate::{
    inventory::{Fleet, Host, Node},
    report::names::compressed,
    resource::Action,
    units::{HostName, NodeName},
};

/// One change of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) host: HostName,
    pub(super) action: Option<Action>,
    /// What kind of thing is changed (`file`); it gets a plural `s` where there are several.
    pub(super) noun: &'static str,
    /// Which one.
    pub(super) subject: String,
    pub(super) why: String,
    pub(super) diff: Option<String>,
}

/// Items that differ in their host and in the name of the node only: every host with every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// In the order of the inventory.
    pub(super) hosts: Vec<HostName>,
    /// The nodes whose names the subjects have, in the order of the inventory; empty where they name none.
    pub(super) nodes: Vec<NodeName>,
    /// The first of the items.
    pub(super) first: Item,
    /// The node of that item.
    pub(super) first_node: Option<NodeName>,
    /// Whether the diffs of the items differ in what is each host's and node's own.
    pub(super) varies: bool,
    key: Key,
}

/// What must be equal, besides the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    action: Option<Action>,
    noun: &'static str,
    /// The subject up to the node's name, and after it.
    around: (String, String),
    why: String,
    /// Without what is a host's and a node's own.
    diff: Option<String>,
    /// How often the host had the same item before: it may run a command twice.
    repeated: usize,
}

impl Group {
    /// The subjects of a host, short: `/etc/provision/demo/7001…7006/redis.conf`.
    pub(super) fn subject(&self) -> String {
        let (before, after) = &self.key.around;
        let names: Vec<&str> = self.nodes.iter().map(NodeName::as_str).collect();
        let names = compressed(&names);
        if names.contains(", ") && !after.is_empty() {
            return format!("{before}{{{names}}}{after}");
        }
        format!("{before}{names}{after}")
    }

    /// All subjects of a host.
    #[cfg(test)]
    fn subjects(&self) -> Vec<String> {
        let (before, after) = &self.key.around;
        match &self.nodes[..] {
            [] => vec![before.clone()],
            nodes => nodes.iter().map(|node| format!("{before}{node}{after}")).collect(),
        }
    }
}

/// Groups items. Those of one host keep their order as far as their groups do: a group stands where its first
/// item stood.
pub(super) fn group(items: Vec<Item>, fleet: &Fleet) -> Vec<Group> {
    let mut hosts: Vec<(HostName, Vec<Item>)> = Vec::new();
    for item in items {
        match hosts.iter_mut().find(|(host, _)| *host == item.host) {
            Some((_, items)) => items.push(item),
            None => hosts.push((item.host.clone(), vec![item])),
        }
    }
    hosts.sort_by_key(|(name, _)| fleet.hosts.iter().position(|host| host.name == *name));
    let mut groups: Vec<Group> = Vec::new();
    for (host, items) in hosts {
        let host = fleet.hosts.iter().find(|other| other.name == host);
        for group in of_host(items, host) {
            let same = |other: &&mut Group| other.key == group.key && other.nodes == group.nodes;
            match groups.iter_mut().find(same) {
                Some(other) => {
                    other.varies |= group.varies || other.first.diff != group.first.diff;
                    other.hosts.extend(group.hosts);
                }
                None => groups.push(group),
            }
        }
    }
    groups
}

/// The first half: items of one host that differ in the node's name only.
fn of_host(items: Vec<Item>, host: Option<&Host>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for item in items {
        let (mut key, node) = Key::new(&item, host);
        let nodes: Vec<NodeName> = node.iter().cloned().collect();
        loop {
            match groups.iter_mut().find(|group| group.key == key) {
                None => {
                    let hosts = vec![item.host.clone()];
                    groups.push(Group { hosts, nodes, first: item, first_node: node, varies: false, key });
                    break;
                }
                Some(group) if nodes.iter().any(|node| !group.nodes.contains(node)) => {
                    group.nodes.extend(nodes);
                    group.varies |= group.first.diff != item.diff;
                    break;
                }
                Some(_) => key.repeated += 1,
            }
        }
    }
    let place = |name: &NodeName| host?.nodes.iter().position(|node| node.name() == name);
    for group in &mut groups {
        group.nodes.sort_by_key(place);
    }
    groups
}

impl Key {
    /// The key of an item, and the node whose name its subject has.
    fn new(item: &Item, host: Option<&Host>) -> (Self, Option<NodeName>) {
        let split = host.and_then(|host| split(&item.subject, host));
        let node = split.map(|(_, node, _)| node);
        let around = match split {
            Some((before, _, after)) => (before.to_owned(), after.to_owned()),
            None => (item.subject.clone(), String::new()),
        };
        let diff = item.diff.as_deref().map(|diff| without_own(diff, host, node));
        let key =
            Self { action: item.action, noun: item.noun, around, why: item.why.clone(), diff, repeated: 0 };
        (key, node.map(|node| node.name().clone()))
    }
}

/// The name of a node in a text, as a word or as a part of a path; what is before and after it.
fn split<'t, 'h>(text: &'t str, host: &'h Host) -> Option<(&'t str, &'h Node, &'t str)> {
    host.nodes.iter().find_map(|node| {
        let ends = |c: char| matches!(c, '/' | ' ');
        let (at, _) = text.match_indices(node.name().as_str()).find(|(at, name)| {
            text[..*at].chars().next_back().is_none_or(ends)
                && text[at + name.len()..].chars().next().is_none_or(ends)
        })?;
        Some((&text[..at], node, &text[at + node.name().len()..]))
    })
}

/// A diff without the names, addresses and ports that are the host's and the node's own: what is left is
/// equal where the same template was filled in. The node of a host that has one only is known.
fn without_own(diff: &str, host: Option<&Host>, node: Option<&Node>) -> String {
    let Some(host) = host else { return diff.to_owned() };
    let node = node.or(match &host.nodes[..] {
        [only] => Some(only),
        _ => None,
    });
    let mut own = vec![(host.name.to_string(), "{host}")];
    if let Some(node) = node {
        own.push((node.name().to_string(), "{node}"));
        own.push((node.ip().to_string(), "{ip}"));
        own.push((node.port().to_string(), "{port}"));
        own.push((node.bus_port().to_string(), "{bus}"));
        let announced = node.key.announced();
        own.push((announced.client.ip().to_string(), "{announced ip}"));
        own.push((announced.client.port().to_string(), "{announced port}"));
        own.push((announced.bus_port.to_string(), "{announced bus}"));
    }
    own.into_iter().fold(diff.to_owned(), |text, (word, sign)| replace_word(&text, &word, sign))
}

/// Replaces a text where no letter or digit is beside it.
pub(super) fn replace_word(text: &str, word: &str, by: &str) -> String {
    if word.is_empty() {
        return text.to_owned();
    }
    let (mut out, mut from) = (String::new(), 0);
    for (at, _) in text.match_indices(word) {
        let end = at + word.len();
        let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        if free(text[..at].chars().next_back()) && free(text[end..].chars().next()) {
            out.push_str(&text[from..at]);
            out.push_str(by);
            from = end;
        }
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests;
