//! The `[[hosts]]` tables.

use std::ops::Range;

use super::{announce, cluster, config, network, nodes, resolver::Resolver, ssh};
use crate::{
    inventory::{
        fleet::{Address, Host, Ssh},
        problem::Problem,
        range,
        raw::HostTable,
        spanned::Spanned,
    },
    units::HostName,
};

/// A host, and where its parts are written.
pub(super) struct Found<'a> {
    pub(super) host: Host,
    pub(super) written: &'a HostTable,
    /// Where each node comes from: its address, or `nodes`, or the host's table.
    pub(super) nodes_at: Vec<Range<usize>>,
    /// False where the number of nodes could not be read.
    pub(super) counted: bool,
    /// False where the nodes' addresses are not those they would have.
    pub(super) placed: bool,
}

pub(super) fn resolve<'a>(
    written: Option<&'a Spanned<Vec<Spanned<HostTable>>>>,
    cluster: &cluster::Resolved,
    ssh: &Ssh,
    resolver: &mut Resolver<'_>,
) -> Vec<Found<'a>> {
    const HELP: &str = "add a machine: [[hosts]] with name = \"laptop\" and address = \"local\"";
    let Some(hosts) = written else {
        resolver.missing(&["hosts"], &(0..0), HELP);
        return Vec::new();
    };
    if hosts.is_empty() && !resolver.lost_some_of("hosts") {
        resolver.report(Problem::new("there is no host").at(&hosts.span, "empty").help(HELP));
    }
    let alone = hosts.len() == 1;
    hosts.iter().enumerate().map(|(index, table)| host(index, table, alone, cluster, ssh, resolver)).collect()
}

fn host<'a>(
    index: usize,
    table: &'a Spanned<HostTable>,
    alone: bool,
    cluster: &cluster::Resolved,
    ssh: &Ssh,
    resolver: &mut Resolver<'_>,
) -> Found<'a> {
    let position = index.to_string();
    let key = |key| ["hosts", &position, key];
    if table.name.is_none() {
        resolver.missing(&key("name"), &table.span, "give the host a name of its own: name = \"laptop\"");
    }
    if table.address.is_none() {
        let help = "say where it answers: address = \"192.168.2.191\", or \"local\" for this machine";
        resolver.missing(&key("address"), &table.span, help);
    }
    let name = table.name.as_ref().map(|name| self::name(name, resolver)).unwrap_or_default();
    let address = table.address.as_ref().and_then(|written| address(written, resolver));
    let own = table.network.as_ref().and_then(|network| network::resolve(network, index, resolver));
    let announced =
        table.announce.as_ref().and_then(|written| announce::resolve(written, index, cluster, resolver));
    let config = config::resolve(table.config.as_ref(), cluster.release(), resolver);
    let context = nodes::HostContext {
        index,
        name: &name,
        address: address.as_ref(),
        own,
        announced,
        alone,
        cluster,
        config: &config,
    };
    let nodes = nodes::resolve(table, &context, resolver);
    let zone = table.zone.as_ref().and_then(|zone| resolver.line("`zone`", zone));
    let own = ssh::resolve(table.ssh.as_ref(), &key("ssh"), resolver);
    let (address, ssh) = (address.unwrap_or(Address::Local), ssh::over(own, ssh));
    Found {
        host: Host { name, address, ssh, zone, nodes: nodes.nodes },
        written: table,
        nodes_at: nodes.at,
        counted: nodes.counted,
        placed: nodes.placed,
    }
}

fn name(name: &Spanned<String>, resolver: &mut Resolver<'_>) -> HostName {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !good || name.len() > 63 || !name.chars().all(plain) {
        let problem = Problem::new(format!("`{}` cannot be a host's name", name.value.escape_debug()));
        let rule = "a letter or digit, then letters, digits, `.` and `-`, at most 63 in all";
        resolver.report(
            problem.at(&name.span, rule).help("such as \"redis-191\"; it need not be the machine's own name"),
        );
    }
    name.as_str().into()
}

fn address(written: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<Address> {
    let text = written.as_str();
    if text == "local" {
        return Some(Address::Local);
    }
    let extra = match text {
        _ if text.contains('@') => Some("set the account in [ssh]: user = \"…\""),
        _ if text.contains("://") => Some("write the address alone"),
        _ if ["local", "localhost"].contains(&text.to_lowercase().as_str()) => {
            Some("this machine, without SSH, is \"local\"")
        }
        _ => None,
    };
    if let Some(help) = extra {
        let problem = Problem::new(format!("`{}` is not an address by itself", text.escape_debug()));
        resolver.report(problem.at(&written.span, "an IP address, a DNS name or \"local\"").help(help));
        return None;
    }
    if range::is_dns_name(text) {
        return Some(Address::Remote(text.to_owned()));
    }
    let ip = resolver.address(&written.span, range::ip(text))?;
    if ip.is_unspecified() || ip.is_multicast() {
        let problem = Problem::new(format!("{ip} is no machine's address")).at(&written.span, "here");
        resolver.report(problem.help("write the address it answers SSH on, or \"local\" for this machine"));
        return None;
    }
    Some(Address::Remote(ip.to_string()))
}
