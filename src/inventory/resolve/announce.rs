//! The `[hosts.announce]` table: what nodes behind an address translation tell clients and peers.

use std::net::{IpAddr, SocketAddr};

use super::{cluster, resolver::Resolver};
use crate::inventory::{
    endpoints::Endpoints,
    engine::{Engine, Version},
    problem::Problem,
    range,
    raw::Announce,
    spanned::Spanned,
};

/// `cluster-announce-ip` and its ports came with it (release notes of Redis 4.0).
const ANNOUNCE_SINCE: Version = Version::new(4, 0, 0);

/// What the first node of a host announces; the others count on from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    address: IpAddr,
    port: Option<u16>,
    bus_port: Option<u16>,
}

impl Announced {
    /// What the node announces that comes so many places after the first.
    pub(super) fn at(self, listen: Endpoints, step: u16) -> Endpoints {
        let port = self.port.map_or(listen.client.port(), |first| first.saturating_add(step));
        let bus_port = self.bus_port.map_or(listen.bus_port, |first| first.saturating_add(step));
        Endpoints { client: SocketAddr::new(self.address, port), bus_port }
    }
}

pub(super) fn resolve(
    written: &Spanned<Announce>,
    host: usize,
    cluster: &cluster::Resolved,
    resolver: &mut Resolver<'_>,
) -> Option<Announced> {
    if let Some((Engine::Redis, has)) = cluster.release()
        && has < ANNOUNCE_SINCE
    {
        let problem = Problem::new(format!("Redis {has} announces nothing but its own address"));
        resolver.report(problem.at(&written.span, "Redis 4.0 made it a choice").help("take a newer release"));
    }
    let mut port = |port: &Option<Spanned<i64>>| port.as_ref().map(|port| announced_port(port, resolver));
    let (port, bus_port) = (port(&written.port), port(&written.bus_port));
    let Some(address) = &written.address else {
        let path = ["hosts", &host.to_string(), "announce", "address"];
        let help = "say under which address the others reach it: address = \"203.0.113.7\"";
        resolver.missing(&path, &written.span, help);
        return None;
    };
    let ip = resolver.address(&address.span, range::ip(address))?;
    if ip.is_unspecified() || ip.is_multicast() {
        let problem = Problem::new(format!("{ip} is no machine's address")).at(&address.span, "here");
        resolver.report(problem.help("write the address under which the others reach it"));
        return None;
    }
    Some(Announced { address: ip, port: port.flatten(), bus_port: bus_port.flatten() })
}

/// Where the translation stands it may use any port.
fn announced_port(port: &Spanned<i64>, resolver: &mut Resolver<'_>) -> Option<u16> {
    let valid = u16::try_from(port.value).ok().filter(|port| *port > 0);
    if valid.is_none() {
        let problem = Problem::new(format!("port {} does not exist", port.value));
        resolver.report(problem.at(&port.span, "ports go from 1 to 65535").help("write one of them"));
    }
    valid
}
