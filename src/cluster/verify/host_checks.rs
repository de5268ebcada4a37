//! Facts about nodes that only their hosts have: one read-only script a host.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::join_all;

use crate::{
    cluster::observe::Observed,
    host::{minify, quote},
    inventory::{Fleet, Host},
    redis::NodeReader,
    resource::Layout,
    units::HostName,
};

/// Where to look on a host, and what should be there.
#[derive(Debug, Clone)]
pub struct HostCheckTarget {
    pub layout: Layout,
    /// The path of the binary the nodes must run.
    pub binary: Option<String>,
    /// Whether nodes run as systemd units.
    pub units: bool,
}

/// One host's facts about one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NodeFacts {
    /// `device:inode` of the running executable, and of the installed one.
    pub(super) running: String,
    pub(super) installed: String,
    pub(super) nodes_conf: String,
    /// Lines of the log since start that report a fault.
    pub(super) faults: Vec<String>,
    /// `systemctl is-enabled`, and how often systemd had to restart it.
    pub(super) enabled: String,
    pub(super) restarts: String,
}

/// What was to be checked on any host: what was not is no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scope {
    /// Any host at all.
    pub(super) hosts: bool,
    /// The installed binary.
    pub(super) binary: bool,
    /// Units of systemd.
    pub(super) units: bool,
}

impl Scope {
    pub(super) fn of(targets: &BTreeMap<HostName, HostCheckTarget>) -> Self {
        Self {
            hosts: !targets.is_empty(),
            binary: targets.values().any(|target| target.binary.is_some()),
            units: targets.values().any(|target| target.units),
        }
    }
}

/// The answers by node; an error where its host gave none.
pub(super) type HostFacts = BTreeMap<SocketAddr, Result<NodeFacts, String>>;

/// Defines `check_node`.
const FUNCTIONS: &str = include_str!("host_checks.sh");

/// Asks every host once, all at the same time.
pub(super) async fn ask(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    observed: &Observed,
    targets: &BTreeMap<HostName, HostCheckTarget>,
) -> HostFacts {
    let questions = fleet.hosts.iter().filter_map(|host| {
        let target = targets.get(&host.name)?;
        Some(ask_host(reader, host, script(host, target, observed)))
    });
    join_all(questions).await.into_iter().flatten().collect()
}

async fn ask_host(
    reader: &NodeReader<'_>,
    host: &Host,
    script: String,
) -> Vec<(SocketAddr, Result<NodeFacts, String>)> {
    let answer = match reader.probe(&host.name) {
        None => Err(format!("there is no connection to {}", host.name)),
        Some(probe) => probe.ask("verify", &script).await.map_err(|error| error.to_string()),
    };
    let facts = answer.map(|lines| parse(&lines));
    let of = |address: SocketAddr| match &facts {
        Ok(facts) => {
            facts.get(&address).cloned().ok_or_else(|| "the host gave no answer about it".to_owned())
        }
        Err(error) => Err(error.clone()),
    };
    host.nodes.iter().map(|node| (node.address, of(node.address))).collect()
}

fn script(host: &Host, target: &HostCheckTarget, observed: &Observed) -> String {
    let mut lines = vec![minify(FUNCTIONS)];
    let binary = target.binary.as_deref().map_or_else(|| "''".to_owned(), quote);
    for node in &host.nodes {
        let paths = target.layout.node(node);
        let pid = observed.view(node.address).and_then(|view| view.info.server.process_id);
        let pid = pid.map_or_else(String::new, |pid| pid.to_string());
        let unit = if target.units { quote(&paths.unit) } else { "''".to_owned() };
        let (conf, log) = (quote(&format!("{}/nodes.conf", paths.data)), quote(&paths.log));
        lines.push(format!("check_node {} '{pid}' {binary} {conf} {log} {unit}\n", node.address));
    }
    lines.concat()
}

fn parse(lines: &[String]) -> BTreeMap<SocketAddr, NodeFacts> {
    let mut all: BTreeMap<SocketAddr, NodeFacts> = BTreeMap::new();
    let mut current = None;
    for (key, value) in lines.iter().filter_map(|line| line.split_once('=')) {
        if key == "node" {
            current = value.parse().ok();
        }
        let Some(facts) = current.map(|address| all.entry(address).or_default()) else { continue };
        match key {
            "running" => value.clone_into(&mut facts.running),
            "installed" => value.clone_into(&mut facts.installed),
            "conf" => {
                facts.nodes_conf.push_str(value);
                facts.nodes_conf.push('\n');
            }
            "fault" => facts.faults.push(value.to_owned()),
            "enabled" => value.clone_into(&mut facts.enabled),
            "restarts" => value.trim_start_matches("NRestarts=").clone_into(&mut facts.restarts),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::at;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn facts_belong_to_the_node_before_them() {
        let answer = "node=10.0.0.1:7001\nrunning=8:1\ninstalled=8:1\nconf=a b\nconf=vars x\nnode=10.0.0.1:7002\n\
                      running=8:2\nfault=77:M Fatal\nenabled=enabled\nrestarts=NRestarts=3\n";
        let facts = parse(&lines(answer));
        let first = &facts[&at("10.0.0.1:7001")];
        assert_eq!((first.running.as_str(), first.installed.as_str()), ("8:1", "8:1"));
        assert_eq!(first.nodes_conf, "a b\nvars x\n");
        let second = &facts[&at("10.0.0.1:7002")];
        assert_eq!(second.faults, ["77:M Fatal"]);
        assert_eq!((second.enabled.as_str(), second.restarts.as_str()), ("enabled", "3"));
        assert_eq!(second.installed, "");
    }

    #[test]
    fn lines_before_the_first_node_and_of_no_kind_are_left_out() {
        let facts = parse(&lines("running=8:1\nnode=10.0.0.1:7001\nbanner\ncolour=red\n"));
        assert_eq!(facts, BTreeMap::from([(at("10.0.0.1:7001"), NodeFacts::default())]));
    }

    #[test]
    fn an_address_nothing_can_read_takes_no_facts() {
        let facts = parse(&lines("node=10.0.0.1:7001\nrunning=8:1\nnode=?\nrunning=8:2\n"));
        assert_eq!(facts[&at("10.0.0.1:7001")].running, "8:1");
        assert_eq!(facts.len(), 1);
    }

    /// The function runs on this machine, about this very process.
    #[test]
    fn the_script_finds_binary_file_and_faults() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let pid = std::process::id();
        let log = format!("{pid}:M 1 Fatal error\n{pid}:M 1 fine\n9:M 1 Fatal, of an earlier process\n");
        #[expect(clippy::disallowed_methods, reason = "a test's own files")]
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        write("log", &log);
        write("nodes.conf", "a b\n");
        let binary = std::env::current_exe().unwrap().display().to_string();
        let words = [binary, path("nodes.conf"), path("log")].map(|word| quote(&word));
        let script = format!("{}check_node 10.0.0.1:7001 {pid} {} ''", minify(FUNCTIONS), words.join(" "));
        #[expect(clippy::disallowed_methods, reason = "a real shell is the oracle")]
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let facts = parse(&lines(&String::from_utf8(output.stdout).unwrap()));
        let facts = &facts[&at("10.0.0.1:7001")];
        assert!(!facts.running.is_empty() && facts.running == facts.installed, "{facts:?}");
        assert_eq!(facts.nodes_conf, "a b\n");
        assert_eq!(facts.faults, [format!("{pid}:M 1 Fatal error")]);
        assert_eq!(facts.enabled, "");
    }
}
