//! The `[hosts.network]` table: checked now; setting a host's address comes with a later step.

use std::net::IpAddr;

use ipnet::IpNet;

use super::check::Check;
use crate::inventory::{at::At, problem::Problem, range, written::Network};

/// The address the host must have afterwards.
pub(super) fn resolve(network: &At<Network>, host: usize, check: &mut Check<'_>) -> Option<IpAddr> {
    for server in network.dns.iter().flat_map(|dns| &dns.value) {
        check.address(&server.span, range::ip(server));
    }
    let Some(written) = &network.address else {
        let path = ["hosts", &host.to_string(), "network", "address"];
        check.missing(
            &path,
            &network.span,
            "give the address with its prefix: address = \"192.168.2.191/24\"",
        );
        return None;
    };
    let net = address(written, check)?;
    if let Some(gateway) = &network.gateway {
        self::gateway(gateway, net, check);
    }
    Some(net.addr())
}

fn address(written: &At<String>, check: &mut Check<'_>) -> Option<IpNet> {
    let Some((ip, prefix)) = written.split_once('/') else {
        let ip = check.address(&written.span, range::ip(written))?;
        let problem = Problem::new(format!("`{ip}` has no prefix length")).at(&written.span, "which subnet?");
        check.report(problem.help(format!("write it behind the address, such as {ip}/24")));
        return None;
    };
    let ip = check.address(&written.span, range::ip(ip))?;
    let net = prefix.parse().ok().and_then(|prefix| IpNet::new(ip, prefix).ok());
    let Some(net) = net else {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let problem = Problem::new(format!("`/{prefix}` is not a prefix length")).at(&written.span, "here");
        check.report(
            problem.help(format!("it goes from 0 to {most}; /24 is the usual one at home and in offices")),
        );
        return None;
    };
    let whole = net.max_prefix_len() - net.prefix_len() < 2;
    if !whole && (ip == net.network() || (ip.is_ipv4() && ip == net.broadcast())) {
        let what = if ip == net.network() { "the subnet itself" } else { "the subnet's broadcast address" };
        let problem = Problem::new(format!("{ip} is {what}")).at(&written.span, "no host can have it");
        check.report(problem.help(format!("choose another address of {}", net.trunc())));
        return None;
    }
    Some(net)
}

fn gateway(written: &At<String>, net: IpNet, check: &mut Check<'_>) {
    let Some(gateway) = check.address(&written.span, range::ip(written)) else { return };
    let problem = if gateway == net.addr() {
        Problem::new(format!("the gateway {gateway} is the host itself")).at(&written.span, "its own address")
    } else if net.contains(&gateway) {
        return;
    } else {
        Problem::new(format!("the gateway {gateway} is outside {}", net.trunc()))
            .at(&written.span, "not reachable")
    };
    check.report(problem.help(format!("it must be another address of {}", net.trunc())));
}
