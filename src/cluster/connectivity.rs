//! Whether every host reaches the client and bus ports of every other one: asked before any two nodes are
//! introduced. A node that cannot be reached from all targets makes a cluster that forms and then fails.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use futures_util::future::join_all;

use crate::{
    event::StepEvents,
    host,
    inventory::{Fleet, Host, Node},
    redis::NodeReader,
    units::HostName,
};

/// A path that is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedPath {
    /// The host that tried.
    pub from: HostName,
    /// The host that was not reached.
    pub to: HostName,
    pub port: u16,
    /// The kernel's reason, or that no answer came.
    pub why: String,
}

impl fmt::Display for BlockedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}:{} {}", self.from, self.to, self.port, self.why)
    }
}

/// Tries paths, and prints the blocked ones.
const TRY_PATHS: &str = include_str!("connectivity.sh");

/// Hosts do not reach each other.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConnectivityError {
    #[error("the nodes cannot reach each other:{}", .blocked.iter().take(10).map(|path| format!("\n  {path}")).collect::<String>() + &more(.blocked.len()))]
    #[diagnostic(help(
        "open {ports} to the other hosts of the cluster (firewalld: firewall-cmd --permanent --add-port={first}/tcp, then --reload), then run the same command again; no node was introduced to another"
    ))]
    BlockedPath { blocked: Vec<BlockedPath>, ports: String, first: u16 },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] host::Error),
}

fn more(count: usize) -> String {
    if count > 10 { format!("\n  and {} more", count - 10) } else { String::new() }
}

/// Tries all paths between hosts, all hosts at the same time. The started nodes are the listeners.
pub async fn check_connectivity(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    events: &StepEvents,
) -> Result<(), ConnectivityError> {
    let tries =
        fleet.hosts.iter().filter(|_| fleet.hosts.len() > 1).map(|host| blocked_from(reader, fleet, host));
    let (mut blocked, mut unchecked) = (Vec::new(), 0);
    for answer in join_all(tries).await {
        match answer? {
            Some(paths) => blocked.extend(paths),
            None => unchecked += 1,
        }
    }
    if unchecked > 0 {
        events.notice(format!("{unchecked} hosts have no bash: that they reach all ports was not checked"));
    }
    if blocked.is_empty() {
        return Ok(());
    }
    let mut ports: Vec<u16> = blocked.iter().map(|path| path.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let (first, all) =
        (ports.first().copied().unwrap_or_default(), ports.iter().map(|port| format!("{port}/tcp")));
    Err(ConnectivityError::BlockedPath { ports: all.collect::<Vec<_>>().join(", "), first, blocked })
}

/// The blocked paths from one host; `None` where the host has no bash to try them with.
async fn blocked_from(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    host: &Host,
) -> Result<Option<Vec<BlockedPath>>, host::Error> {
    let Some(probe) = reader.probe(&host.name) else { return Ok(Some(Vec::new())) };
    let paths = paths_from(fleet, host);
    let script = script(paths.keys());
    let lines = probe.ask("which ports of the other hosts it reaches", &script).await?;
    if lines.first().is_some_and(|line| line == "no bash") {
        return Ok(None);
    }
    Ok(Some(lines.iter().filter_map(|line| blocked(host, &paths, line)).collect()))
}

/// The client and bus ports of the nodes on all other hosts.
fn paths_from<'a>(fleet: &'a Fleet, host: &Host) -> BTreeMap<SocketAddr, &'a Node> {
    let others = fleet.nodes().filter(|node| *node.host() != host.name);
    others
        .flat_map(|node| [node.key.address(), node.key.announced().bus()].map(|socket| (socket, node)))
        .collect()
}

fn script<'a>(paths: impl Iterator<Item = &'a SocketAddr>) -> String {
    let list: Vec<String> = paths.map(|path| format!("{} {}\n", path.ip(), path.port())).collect();
    // An open path takes a millisecond, and far longer where many hosts share a processor.
    let patience = 2 + list.len() / 20;
    format!("patience={patience} paths={}\n{}", host::quote(&list.concat()), host::minify(TRY_PATHS))
}

/// `10.0.0.2 17001 bash: connect: Connection refused`
fn blocked(host: &Host, paths: &BTreeMap<SocketAddr, &Node>, line: &str) -> Option<BlockedPath> {
    let mut words = line.splitn(3, ' ');
    let path = SocketAddr::new(words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let why = match words.next()?.rsplit(": ").next().unwrap_or_default() {
        "Connection refused" => "refused: firewalld, or does it listen?".to_owned(),
        "No route to host" => "no route: firewalld rejects it, or the host is off".to_owned(),
        "" => "no answer within 5s, twice: a firewall drops it".to_owned(),
        other => other.to_owned(),
    };
    let to = paths.get(&path)?.host().clone();
    Some(BlockedPath { from: host.name.clone(), to, port: path.port(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::hosts;

    fn parse(line: &str) -> Option<BlockedPath> {
        let fleet = hosts(&[1, 1], 0);
        let paths = paths_from(&fleet, &fleet.hosts[0]);
        blocked(&fleet.hosts[0], &paths, line)
    }

    #[test]
    fn the_script_tells_open_from_closed() {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (listener, gone) = (listen(), listen());
        let [open, shut] = [&listener, &gone].map(|listener| listener.local_addr().unwrap());
        drop(gone);
        let script = script([&open, &shut].into_iter());
        #[expect(clippy::disallowed_methods, reason = "a real shell is the oracle")]
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(printed.starts_with(&format!("127.0.0.1 {} ", shut.port())), "{printed}");
        assert!(printed.contains("Connection refused"), "{printed}");
    }

    #[test]
    fn every_port_of_the_other_hosts_is_tried() {
        let fleet = hosts(&[1, 2], 0);
        let paths = paths_from(&fleet, &fleet.hosts[0]);
        let expected = ["10.0.0.2:7001", "10.0.0.2:7002", "10.0.0.2:17001", "10.0.0.2:17002"]
            .map(|text| text.parse().unwrap());
        assert_eq!(paths.keys().copied().collect::<Vec<_>>(), expected);
        assert!(paths.values().all(|node| node.host() == "h1"));
    }

    #[test]
    fn a_refused_path_names_both_hosts() {
        let path = parse("10.0.0.2 17001 Connection refused").unwrap();
        assert_eq!(path.to_string(), "h0 → h1:17001 refused: firewalld, or does it listen?");
    }

    #[test]
    fn what_bash_adds_in_front_is_left_out() {
        let path = parse("10.0.0.2 7001 bash: line 1: /dev/tcp/10.0.0.2/7001: No route to host").unwrap();
        assert_eq!(path.why, "no route: firewalld rejects it, or the host is off");
    }

    #[test]
    fn silence_is_a_dropping_firewall_and_an_unknown_reason_is_kept() {
        assert_eq!(parse("10.0.0.2 7001 ").unwrap().why, "no answer within 5s, twice: a firewall drops it");
        assert_eq!(parse("10.0.0.2 7001 Network is down").unwrap().why, "Network is down");
    }

    #[test]
    fn lines_about_other_paths_are_left_out() {
        for line in
            ["", "10.0.0.2", "10.0.0.2 x refused", "10.0.0.9 7001 Connection refused", "a login banner"]
        {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
