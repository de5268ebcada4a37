//! What only shows when all hosts are seen together, and the fold onto one host.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
};

use super::{cluster, host::Found, resolver::Resolver};
use crate::{
    inventory::{
        endpoints::NodeRef,
        fleet::{Address, Host, Node, Ssh},
        problem::Problem,
        raw::Inventory,
        spanned::Spanned,
    },
    units::{HostName, MemberName},
};

pub(super) fn check(
    written: &Inventory,
    cluster: &cluster::Resolved,
    hosts: &[Found<'_>],
    resolver: &mut Resolver<'_>,
) {
    duplicate_names(hosts, resolver);
    if !duplicate_addresses(hosts, resolver) && !resolver.folded() {
        duplicate_nodes(hosts, resolver);
    }
    if cluster.sound && !resolver.lost_some_of("hosts") && hosts.iter().all(|found| found.counted) {
        masters(written, cluster, hosts, resolver);
    }
}

fn twice(what: String, again: &Range<usize>, first: &Range<usize>, help: &str) -> Problem {
    Problem::new(what).at(again, "again").at(first, "first here").help(help)
}

fn duplicate_names(hosts: &[Found<'_>], resolver: &mut Resolver<'_>) {
    let mut seen: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for name in hosts.iter().filter_map(|found| found.written.name.as_ref()) {
        match seen.get(&name.to_lowercase()) {
            Some(first) => {
                let what = format!("two hosts are called `{}`", name.value);
                resolver.report(twice(what, &name.span, &first.span, "give each host a name of its own"));
            }
            None => drop(seen.insert(name.to_lowercase(), name)),
        }
    }
}

fn duplicate_addresses(hosts: &[Found<'_>], resolver: &mut Resolver<'_>) -> bool {
    let before = resolver.count();
    let mut seen: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
    for address in hosts.iter().filter_map(|found| found.written.address.as_ref()) {
        match seen.get(address.as_str()) {
            Some(first) => {
                let what = match address.as_str() {
                    "local" => "two hosts are this machine".to_owned(),
                    address => format!("two hosts have the address {address}"),
                };
                let help = "one machine is one host: write it once, with more `nodes`";
                resolver.report(twice(what, &address.span, &first.span, help));
            }
            None => drop(seen.insert(address, address)),
        }
    }
    resolver.count() > before
}

/// Reports one clash a host: the others follow from it.
fn duplicate_nodes(hosts: &[Found<'_>], resolver: &mut Resolver<'_>) {
    let mut seen: BTreeMap<(What, SocketAddr), (&Node, &Range<usize>)> = BTreeMap::new();
    for found in hosts.iter().filter(|found| found.placed) {
        let mut clash = None;
        for (node, at) in found.host.nodes.iter().zip(&found.nodes_at) {
            let announced = node.key.announced();
            let sockets = [
                (What::Listen, node.listen.client),
                (What::Listen, node.listen.bus()),
                (What::Announce, announced.client),
                (What::Announce, announced.bus()),
            ];
            for socket in sockets {
                match seen.get(&socket) {
                    Some((other, first)) if clash.is_none() => {
                        clash = Some((socket, node, *other, at, *first));
                    }
                    _ => drop(seen.entry(socket).or_insert((node, at))),
                }
            }
        }
        if let Some(((does, socket), node, other, at, first)) = clash {
            if std::ptr::eq(node, other) {
                let problem =
                    Problem::new(format!("a node would {does} {socket} for clients and for its bus"));
                let help = "give the bus a port of its own: `bus_port`, or leave it out";
                resolver.report(problem.at(at, "one port for both").help(help));
                continue;
            }
            let what = format!("two nodes would {does} {socket}");
            let other = if does == What::Listen { other.listen } else { other.key.announced() };
            let help = if other.client == socket {
                "give each node an address and port of its own"
            } else {
                "one of them is a bus port (port + 10000, or `bus_port`): give each node ports of its own"
            };
            resolver.report(twice(what, at, first, help));
        }
    }
}

/// What two nodes cannot do with one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Listen,
    Announce,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen => "listen on",
            Self::Announce => "announce",
        })
    }
}

fn masters(
    written: &Inventory,
    cluster: &cluster::Resolved,
    hosts: &[Found<'_>],
    resolver: &mut Resolver<'_>,
) {
    let nodes: usize = hosts.iter().map(|found| found.host.nodes.len()).sum();
    let each = cluster.replicas + 1;
    let at = written
        .cluster
        .as_ref()
        .and_then(|table| table.replicas.as_ref())
        .map(|replicas| replicas.span.clone());
    let at = at.or_else(|| hosts.first().and_then(|found| found.nodes_at.first().cloned())).unwrap_or(0..0);
    if hosts.is_empty() {
        return;
    }
    if nodes < 3 * each {
        let plural =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let left = plural(nodes / each, "master");
        let what = format!(
            "{} with {} leave {left}",
            plural(nodes, "node"),
            plural(cluster.replicas, "replica") + " each"
        );
        let needed = format!(
            "3 × ({} + 1) = {} nodes are needed: add hosts, or raise `nodes`",
            cluster.replicas,
            3 * each
        );
        resolver.report(Problem::new(what).at(&at, "a cluster needs at least 3 masters").help(needed));
    } else if resolver.folded()
        && let Err(bad) = cluster.last_ports(i64::try_from(nodes).unwrap_or(i64::MAX))
    {
        let what =
            format!("the last of {nodes} nodes on one machine gets a port it cannot have: {}", bad.what);
        resolver.report(Problem::new(what).at(&at, bad.why).help("lower `port` in [cluster]"));
    }
}

/// All nodes on this machine, on consecutive ports. Each keeps the directives of the host it was written
/// under.
pub(super) fn fold(hosts: Vec<Host>, cluster: &cluster::Resolved) -> Vec<Host> {
    let name = HostName::from("localhost");
    let node = |(node, step): (Node, u16)| {
        let listen = cluster.listen(Ipv4Addr::LOCALHOST.into(), step);
        let member = MemberName { host: name.clone(), node: listen.client.port().to_string().into() };
        Node { key: NodeRef::new(member, listen), listen, simulated: false, config: node.config }
    };
    let nodes = hosts.into_iter().flat_map(|host| host.nodes).zip(0..=u16::MAX).map(node);
    vec![Host {
        name: name.clone(),
        address: Address::Local,
        ssh: Ssh::default(),
        zone: None,
        nodes: nodes.collect(),
    }]
}
