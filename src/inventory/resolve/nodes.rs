//! The nodes of one host: a number of them on consecutive ports, or one for each simulated address.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
};

use super::{announce::Announced, cluster, resolver::Resolver};
use crate::{
    inventory::{
        endpoints::{Endpoints, NodeRef},
        fleet::{Address, Directives, Node},
        one_or_many::OneOrMany,
        problem::Problem,
        range,
        raw::{Announce, HostTable, Nodes, SimulatedTable},
        spanned::Spanned,
    },
    units::{HostName, MemberName, NodeName},
};

/// More nodes than this on one host is a slip.
const MAX_NODES: i64 = 1000;

/// The host that carries the nodes.
pub(super) struct HostContext<'a> {
    pub(super) index: usize,
    pub(super) name: &'a HostName,
    /// `None` where it is missing or wrong, which is reported already.
    pub(super) address: Option<&'a Address>,
    /// The address `hosts.network` gives it.
    pub(super) own: Option<IpAddr>,
    /// What `hosts.announce` has its nodes say.
    pub(super) announced: Option<Announced>,
    /// It is the only host.
    pub(super) alone: bool,
    pub(super) cluster: &'a cluster::Resolved,
    pub(super) config: &'a Directives,
}

/// A host's nodes, and how far they can be trusted in further checks.
pub(super) struct Resolved {
    pub(super) nodes: Vec<Node>,
    pub(super) at: Vec<Range<usize>>,
    pub(super) counted: bool,
    pub(super) placed: bool,
}

pub(super) fn resolve(
    table: &Spanned<HostTable>,
    context: &HostContext<'_>,
    resolver: &mut Resolver<'_>,
) -> Resolved {
    let before = resolver.count();
    let index = context.index.to_string();
    let lost = resolver.was_removed(&["hosts", &index, "nodes"])
        || resolver.was_removed(&["hosts", &index, "nodes", "ips"]);
    let span = table.nodes.as_ref().map_or(&table.span, |nodes| &nodes.span);
    let found = match table.nodes.as_ref().map(|nodes| &nodes.value) {
        Some(Nodes::Simulated(simulated)) => {
            self::simulated(simulated, table.announce.as_ref(), span, context, resolver)
        }
        Some(Nodes::Count(count)) => self::counted(*count, span, table, context, resolver),
        None => {
            let smallest = 3 * (i64::try_from(context.cluster.replicas).unwrap_or(1) + 1);
            self::counted(if context.alone { smallest } else { 1 }, span, table, context, resolver)
        }
    };
    let clean = !lost && resolver.count() == before;
    let counted = clean || !found.is_empty() && !lost;
    let (nodes, at) = found.into_iter().unzip();
    let addressed = context.own.is_some() || table.network.is_none() && context.address.is_some();
    let placed = clean && context.cluster.sound && addressed;
    Resolved { nodes, at, counted, placed }
}

type Located = Vec<(Node, Range<usize>)>;

fn counted(
    count: i64,
    span: &Range<usize>,
    table: &HostTable,
    context: &HostContext<'_>,
    resolver: &mut Resolver<'_>,
) -> Located {
    if !(1..=MAX_NODES).contains(&count) {
        let problem =
            Problem::new(format!("a host cannot carry {count} nodes")).at(span, format!("1 to {MAX_NODES}"));
        resolver.report(problem.help("remove the host, or give it at least one node"));
        return Vec::new();
    }
    let Some(ip) = base(table, context, resolver) else { return Vec::new() };
    if context.cluster.sound
        && !resolver.folded()
        && let Err(bad) = context.cluster.last_ports(count)
    {
        let problem =
            Problem::new(format!("the last of {count} nodes gets a port it cannot have: {}", bad.what));
        resolver.report(problem.at(span, bad.why).help("lower `port` in [cluster], or the number of nodes"));
        return Vec::new();
    }
    let nodes = (0..u16::try_from(count).unwrap_or(0)).map(|step| {
        let listen = context.cluster.listen(ip, step);
        let announced = context.announced.map_or(listen, |announced| announced.at(listen, step));
        (node(context, listen.client.port().to_string().into(), listen, announced, false), span.clone())
    });
    nodes.collect()
}

/// The address the nodes of a host share. A name will not do: peers learn each other's addresses, not names.
fn base(table: &HostTable, context: &HostContext<'_>, resolver: &mut Resolver<'_>) -> Option<IpAddr> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let span = table.address.as_ref().map_or(0..0, |address| address.span.clone());
    if resolver.folded() || context.own.is_some() || table.network.is_some() {
        return Some(context.own.unwrap_or(here));
    }
    match context.address {
        Some(Address::Local) if !context.alone => {
            let problem = Problem::new("the other hosts cannot reach the nodes of this machine");
            let problem = problem.at(&span, "nodes of a local host listen on 127.0.0.1");
            let help =
                "give its address in [hosts.network], or fold all hosts onto this machine with --single-host";
            resolver.report(problem.help(help));
            None
        }
        Some(Address::Local) | None => Some(here),
        Some(Address::Remote(name)) => name.parse().ok().or_else(|| {
            let problem = Problem::new(format!("the cluster needs the IP address of `{name}`"));
            let problem = problem.at(&span, "a name cannot be announced to the other nodes");
            resolver.report(problem.help("write the IP address here, or give it in [hosts.network]"));
            None
        }),
    }
}

fn simulated(
    table: &SimulatedTable,
    written_announce: Option<&Spanned<Announce>>,
    span: &Range<usize>,
    context: &HostContext<'_>,
    resolver: &mut Resolver<'_>,
) -> Located {
    if let Some(announce) = written_announce {
        let problem = Problem::new("each simulated address announces itself");
        resolver.report(
            problem.at(&announce.span, "here").help("remove it, or give the host a number of `nodes`"),
        );
    }
    let port = match &table.port {
        Some(port) if context.cluster.bus_port.is_some() => resolver.port_alone(port),
        Some(port) => resolver.port(port),
        None => Some(context.cluster.port),
    };
    let Some(ips) = &table.ips else {
        let index = context.index.to_string();
        let help = "say which addresses to simulate: ips = \"127.0.1.1-6\"";
        resolver.missing(&["hosts", &index, "nodes", "ips"], span, help);
        return Vec::new();
    };
    let texts = match &ips.value {
        OneOrMany::One(text) => vec![(&text.0, &ips.span)],
        OneOrMany::Many(texts) => texts.iter().map(|text| (&text.value.0, &text.span)).collect(),
    };
    if texts.is_empty() {
        let problem = Problem::new("a host cannot carry 0 nodes").at(&ips.span, "no address");
        resolver.report(problem.help("list at least one address, such as \"127.0.1.1-6\""));
    }
    let mut found = Vec::new();
    for (text, span) in texts {
        let Some(range) = resolver.address(span, range::expand(text)) else { continue };
        local_only(&range, span, context, resolver);
        let port = port.unwrap_or(context.cluster.port);
        found.extend(range.into_iter().map(|ip| {
            let name = format!("{ip}-{port}").replace(':', "_");
            let listen = match context.cluster.bus_port {
                Some(bus_port) => Endpoints { client: SocketAddr::new(ip, port), bus_port },
                None => Endpoints::at(SocketAddr::new(ip, port)),
            };
            (node(context, name.into(), listen, listen, true), span.clone())
        }));
    }
    found
}

/// Only 127.0.0.0/8 is there on every Linux without being set up.
fn local_only(range: &[IpAddr], span: &Range<usize>, context: &HostContext<'_>, resolver: &mut Resolver<'_>) {
    if context.address != Some(&Address::Local) {
        return;
    }
    let problem = match range.iter().find(|ip| !matches!(ip, IpAddr::V4(ip) if ip.is_loopback())) {
        Some(outside) => {
            Problem::new(format!("this machine cannot simulate {outside}")).at(span, "not in 127.0.0.0/8")
        }
        None if !context.alone && !resolver.folded() => {
            Problem::new("the other hosts cannot reach simulated addresses")
                .at(span, "only this machine has them")
        }
        None => return,
    };
    resolver.report(
        problem.help("simulate addresses of 127.0.0.0/8 on a single local host, such as \"127.0.1.1-6\""),
    );
}

fn node(
    context: &HostContext<'_>,
    name: NodeName,
    listen: Endpoints,
    announced: Endpoints,
    simulated: bool,
) -> Node {
    let member = MemberName { host: context.name.clone(), node: name };
    let config = context.config.clone();
    Node { key: NodeRef::new(member, announced), listen, simulated, config }
}
