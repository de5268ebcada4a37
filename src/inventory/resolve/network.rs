//! The `[hosts.network]` table: checked now; setting a host's address comes with a later step.

use std::net::IpAddr;

use ipnet::IpNet;

use super::resolver::Resolver;
use crate::inventory::{problem::Problem, range, raw::Network, spanned::Spanned};

/// The address the host must have afterwards.
pub(super) fn resolve(
    network: &Spanned<Network>,
    host: usize,
    resolver: &mut Resolver<'_>,
) -> Option<IpAddr> {
    for server in network.dns.iter().flat_map(|dns| &dns.value) {
        resolver.address(&server.span, range::ip(server));
    }
    let Some(written) = &network.address else {
        let path = ["hosts", &host.to_string(), "network", "address"];
        resolver.missing(
            &path,
            &network.span,
            "give the address with its prefix: address = \"192.168.2.191/24\"",
        );
        return None;
    };
    let net = address(written, resolver)?;
    if let Some(gateway) = &network.gateway {
        self::gateway(gateway, net, resolver);
    }
    Some(net.addr())
}

fn address(written: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<IpNet> {
    let Some((ip, prefix)) = written.split_once('/') else {
        let ip = resolver.address(&written.span, range::ip(written))?;
        let problem = Problem::new(format!("`{ip}` has no prefix length")).at(&written.span, "which subnet?");
        resolver.report(problem.help(format!("write it behind the address, such as {ip}/24")));
        return None;
    };
    let ip = resolver.address(&written.span, range::ip(ip))?;
    let net = prefix.parse().ok().and_then(|prefix| IpNet::new(ip, prefix).ok());
    let Some(net) = net else {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let problem = Problem::new(format!("`/{prefix}` is not a prefix length")).at(&written.span, "here");
        resolver.report(
            problem.help(format!("it goes from 0 to {most}; /24 is the usual one at home and in offices")),
        );
        return None;
    };
    let whole = net.max_prefix_len() - net.prefix_len() < 2;
    if !whole && (ip == net.network() || (ip.is_ipv4() && ip == net.broadcast())) {
        let what = if ip == net.network() { "the subnet itself" } else { "the subnet's broadcast address" };
        let problem = Problem::new(format!("{ip} is {what}")).at(&written.span, "no host can have it");
        resolver.report(problem.help(format!("choose another address of {}", net.trunc())));
        return None;
    }
    Some(net)
}

fn gateway(written: &Spanned<String>, net: IpNet, resolver: &mut Resolver<'_>) {
    let Some(gateway) = resolver.address(&written.span, range::ip(written)) else { return };
    let problem = if gateway == net.addr() {
        Problem::new(format!("the gateway {gateway} is the host itself")).at(&written.span, "its own address")
    } else if net.contains(&gateway) {
        return;
    } else {
        Problem::new(format!("the gateway {gateway} is outside {}", net.trunc()))
            .at(&written.span, "not reachable")
    };
    resolver.report(problem.help(format!("it must be another address of {}", net.trunc())));
}
