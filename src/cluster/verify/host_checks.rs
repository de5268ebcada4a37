//! Facts about nodes that only their hosts have: one read-only script a host.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::{
    cluster::observe::Observed,
    host::{minify, quote},
    inventory::{Fleet, Host, Node, NodeRef},
    redis::NodeReader,
    resource::Layout,
    units::{HostName, NodeName},
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
    /// `None` where there is no installed binary to compare with.
    pub(super) binary: Option<BinaryFacts>,
    pub(super) nodes_conf: String,
    /// The data folder, links resolved.
    pub(super) data: String,
    /// The node's configuration without its secrets; `None` where it could not be read.
    pub(super) config: Option<String>,
    pub(super) log: LogFacts,
    /// `None` where nodes are processes of their own.
    pub(super) unit: Option<UnitFacts>,
}

/// `device:inode` of two files; empty where one is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct BinaryFacts {
    pub(super) running: String,
    pub(super) installed: String,
}

/// What the end of a log shows of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum LogFacts {
    /// The node does not run, or its log has no line of it.
    #[default]
    NoLines,
    Unreadable,
    /// Nothing was logged since the log was rotated.
    Empty,
    /// It was read: the last lines that report a fault.
    Read(Vec<String>),
}

/// What systemd says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct UnitFacts {
    /// `systemctl is-enabled`; empty where it said nothing.
    pub(super) enabled: String,
    /// How often systemd had to restart it.
    pub(super) restarts: u32,
}

/// The answers by node, of all nodes of the fleet; an error where a host gave none.
pub(super) type HostFacts = BTreeMap<NodeRef, Result<NodeFacts, String>>;

/// Defines `check_node`.
const FUNCTIONS: &str = include_str!("host_checks.sh");

/// Asks every host once, all at the same time.
pub(super) async fn ask(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    observed: &Observed,
    targets: &BTreeMap<HostName, HostCheckTarget>,
) -> HostFacts {
    let questions = fleet.hosts.iter().map(|host| ask_host(reader, host, targets.get(&host.name), observed));
    join_all(questions).await.into_iter().flatten().collect()
}

async fn ask_host(
    reader: &NodeReader<'_>,
    host: &Host,
    target: Option<&HostCheckTarget>,
    observed: &Observed,
) -> Vec<(NodeRef, Result<NodeFacts, String>)> {
    let answer = match (reader.probe(&host.name), target) {
        (Some(probe), Some(target)) => {
            let lines = probe.ask("verify", &script(host, target, observed)).await;
            lines.map(|lines| parse(&lines)).map_err(|error| error.to_string())
        }
        _ => Err(format!("there is no connection to {}", host.name)),
    };
    let of = |node: &Node| match &answer {
        Ok(facts) => {
            facts.get(node.name()).cloned().ok_or_else(|| format!("{} said nothing about it", host.name))
        }
        Err(error) => Err(error.clone()),
    };
    host.nodes.iter().map(|node| (node.key, of(node))).collect()
}

fn script(host: &Host, target: &HostCheckTarget, observed: &Observed) -> String {
    let mut lines = vec![minify(FUNCTIONS)];
    for node in &host.nodes {
        let paths = target.layout.node(node);
        let pid = observed.view(node.key).and_then(|view| view.info.server.process_id);
        let pid = pid.map_or_else(String::new, |pid| pid.to_string());
        let unit = if target.units { paths.unit.as_str() } else { "" };
        let binary = target.binary.as_deref().unwrap_or("");
        let words = [pid.as_str(), binary, paths.data.as_str(), &paths.log, unit, &paths.config].map(quote);
        lines.push(format!("check_node {} {}\n", quote(node.name()), words.join(" ")));
    }
    lines.concat()
}

fn parse(lines: &[String]) -> BTreeMap<NodeName, NodeFacts> {
    let mut all: BTreeMap<NodeName, NodeFacts> = BTreeMap::new();
    let mut current: Option<NodeName> = None;
    for (key, value) in lines.iter().filter_map(|line| line.split_once('=')) {
        if key == "node" {
            current = Some(value.into());
        }
        if let Some(facts) = current.clone().map(|node| all.entry(node).or_default()) {
            facts.note(key, value);
        }
    }
    all
}

impl NodeFacts {
    fn note(&mut self, key: &str, value: &str) {
        let line = |text: &mut String| {
            text.push_str(value);
            text.push('\n');
        };
        match key {
            "running" => value.clone_into(&mut self.binary.get_or_insert_default().running),
            "installed" => value.clone_into(&mut self.binary.get_or_insert_default().installed),
            "data" => value.clone_into(&mut self.data),
            "conf" => line(&mut self.nodes_conf),
            "config" => line(self.config.get_or_insert_default()),
            "log" => {
                self.log = match value {
                    "unreadable" => LogFacts::Unreadable,
                    "empty" => LogFacts::Empty,
                    _ => LogFacts::Read(Vec::new()),
                }
            }
            "fault" => match &mut self.log {
                LogFacts::Read(faults) => faults.push(value.to_owned()),
                log => *log = LogFacts::Read(vec![value.to_owned()]),
            },
            "enabled" => value.clone_into(&mut self.unit.get_or_insert_default().enabled),
            "restarts" => {
                let count = value.trim_start_matches("NRestarts=").parse();
                self.unit.get_or_insert_default().restarts = count.unwrap_or(0);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn facts_belong_to_the_node_before_them() {
        let answer = "node=7001\nrunning=8:1\ninstalled=8:1\ndata=/d\nconf=a b\nconf=vars x\nlog=empty\n\
                      node=7002\nrunning=8:2\nconfig=\nconfig=port 7002\nlog=read\nfault=77:M Fatal\n\
                      enabled=enabled\nrestarts=NRestarts=3\n";
        let facts = parse(&lines(answer));
        let first = NodeFacts {
            binary: Some(BinaryFacts { running: "8:1".to_owned(), installed: "8:1".to_owned() }),
            nodes_conf: "a b\nvars x\n".to_owned(),
            data: "/d".to_owned(),
            log: LogFacts::Empty,
            ..NodeFacts::default()
        };
        assert_eq!(facts["7001"], first);
        let second = NodeFacts {
            binary: Some(BinaryFacts { running: "8:2".to_owned(), installed: String::new() }),
            config: Some("\nport 7002\n".to_owned()),
            log: LogFacts::Read(vec!["77:M Fatal".to_owned()]),
            unit: Some(UnitFacts { enabled: "enabled".to_owned(), restarts: 3 }),
            ..NodeFacts::default()
        };
        assert_eq!(facts["7002"], second);
    }

    #[test]
    fn lines_before_the_first_node_and_of_no_kind_are_left_out() {
        let facts = parse(&lines("running=8:1\nnode=7001\nbanner\ncolour=red\n"));
        assert_eq!(facts, BTreeMap::from([("7001".into(), NodeFacts::default())]));
    }

    #[test]
    fn what_follows_an_unknown_name_is_of_no_node() {
        let facts = parse(&lines("node=7001\ndata=/d\nnode=?\ndata=/e\n"));
        assert_eq!(facts["7001"].data, "/d");
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own files, and a real shell as the oracle")]
    fn facts_of_this_process(log: &str, config: &str) -> NodeFacts {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (name, text) in [("log", log), ("nodes.conf", "a b\n"), ("redis.conf", config)] {
            std::fs::write(path(name), text).unwrap();
        }
        let pid = std::process::id().to_string();
        let binary = std::env::current_exe().unwrap().display().to_string();
        let words =
            [pid, binary, path(""), path("log"), String::new(), path("redis.conf")].map(|word| quote(&word));
        let script = format!("{}check_node 7001 {}", minify(FUNCTIONS), words.join(" "));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let facts = parse(&lines(&String::from_utf8(output.stdout).unwrap()));
        facts["7001"].clone()
    }

    /// The function runs on this machine, about this very process.
    #[test]
    fn the_script_finds_binary_files_and_faults() {
        let pid = std::process::id();
        let log = format!("{pid}:M 1 Fatal error\n{pid}:M 1 fine\n9:M 1 Fatal, of an earlier process\n");
        let facts = facts_of_this_process(&log, "# c\nport 7001\n requirepass secret\nuser x\nhz 10\n");
        let binary = facts.binary.unwrap();
        assert!(!binary.running.is_empty() && binary.running == binary.installed, "{binary:?}");
        assert_eq!(facts.nodes_conf, "a b\n");
        assert_eq!(facts.config.as_deref(), Some("\nport 7001\nhz 10\n"));
        assert_eq!(facts.log, LogFacts::Read(vec![format!("{pid}:M 1 Fatal error")]));
        assert_eq!(facts.unit, None);
    }

    #[test]
    fn a_log_that_shows_nothing_of_the_process_is_not_one_without_faults() {
        let pid = std::process::id();
        let log = |text: &str| facts_of_this_process(text, "").log;
        assert_eq!(log("9:M 1 Fatal\n"), LogFacts::NoLines);
        assert_eq!(log(""), LogFacts::Empty);
        assert_eq!(log(&format!("{pid}:M 1 fine\n")), LogFacts::Read(Vec::new()));
        let line = format!("pid={pid} role=master level=warning message=\"Fatal error\"");
        assert_eq!(log(&format!("{line}\n")), LogFacts::Read(vec![line]), "log-format logfmt");
        let many: String = (0..9).map(|n| format!("{pid}:M Fatal {n}\n")).collect();
        assert!(matches!(log(&many), LogFacts::Read(faults) if faults.len() == 4));
    }
}
