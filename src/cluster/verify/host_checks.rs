//! What only the machine can tell about its nodes: one read-only script a host.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::join_all;

use crate::{
    cluster::Observed,
    host::quote,
    inventory::{Fleet, Host},
    redis::Servers,
    resource::Layout,
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

/// What a machine said about one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NodeFacts {
    /// `device:inode` of the running executable, and of the installed one.
    pub(super) running: String,
    pub(super) installed: String,
    pub(super) nodes_conf: String,
    /// Lines of the log since start that speak of a fault.
    pub(super) faults: Vec<String>,
    /// `systemctl is-enabled`, and how often systemd had to restart it.
    pub(super) enabled: String,
    pub(super) restarts: String,
}

/// The answers by node; why there are none, by host.
pub(super) type HostFacts = BTreeMap<SocketAddr, Result<NodeFacts, String>>;

/// Log lines that speak of a fault that lasts. What a cluster prints while a peer is away is none.
const FAULTS: &str = "Failed listening|NOAUTH|Fatal|BUG REPORT|Can.t save in background|Error writing to the AOF|\
                      corrupted|an.t update cluster config|Unrecoverable|MISCONF|Wrong signature|Bad file format";

/// Asks every host once, all at the same time.
pub(super) async fn ask(
    servers: &Servers,
    fleet: &Fleet,
    observed: &Observed,
    targets: &BTreeMap<String, HostCheckTarget>,
) -> HostFacts {
    let questions = fleet.hosts.iter().filter_map(|host| {
        let target = targets.get(&host.name)?;
        Some(ask_host(servers, host, script(host, target, observed)))
    });
    join_all(questions).await.into_iter().flatten().collect()
}

async fn ask_host(
    servers: &Servers,
    host: &Host,
    script: String,
) -> Vec<(SocketAddr, Result<NodeFacts, String>)> {
    let answer = match servers.probe(&host.name) {
        None => Err(format!("there is no connection to {}", host.name)),
        Some(probe) => probe.ask("verify", &script).await.map_err(|error| error.to_string()),
    };
    let facts = answer.map(|lines| parse(&lines));
    let of = |address: SocketAddr| match &facts {
        Ok(facts) => facts.get(&address).cloned().ok_or_else(|| "the host did not speak of it".to_owned()),
        Err(error) => Err(error.clone()),
    };
    host.nodes.iter().map(|node| (node.address, of(node.address))).collect()
}

fn script(host: &Host, target: &HostCheckTarget, observed: &Observed) -> String {
    let mut lines = vec![format!("faults={}\n{FUNCTIONS}", quote(FAULTS))];
    let binary = target.binary.as_deref().map_or_else(|| "''".to_owned(), quote);
    for node in &host.nodes {
        let paths = target.layout.node(node);
        let pid = observed.view(node.address).map_or("", |view| view.info("process_id"));
        let pid = if pid.bytes().all(|byte| byte.is_ascii_digit()) { pid } else { "" };
        let unit = if target.units { quote(&paths.unit) } else { "''".to_owned() };
        let (conf, log) = (quote(&format!("{}/nodes.conf", paths.data)), quote(&paths.log));
        lines.push(format!("look {} '{pid}' {binary} {conf} {log} {unit}\n", node.address));
    }
    lines.concat()
}

/// A line a fact, its kind in front; the last megabyte of a log is enough to see what ails it now.
const FUNCTIONS: &str = r#"
look() {
  echo "node=$1"
  [ -z "$2" ] || echo "running=$(stat -L -c %d:%i "/proc/$2/exe" 2>/dev/null)"
  [ -z "$3" ] || echo "installed=$(stat -L -c %d:%i "$3" 2>/dev/null)"
  [ ! -r "$4" ] || sed 's/^/conf=/' "$4"
  [ -z "$2" ] || [ ! -r "$5" ] || tail -c 1000000 "$5" | grep "^$2:" | grep -E "$faults" | tail -n 3 | sed 's/^/fault=/'
  if [ -n "$6" ]; then
    echo "enabled=$(systemctl is-enabled "$6" 2>&1)"
    echo "restarts=$(systemctl show -p NRestarts "$6" 2>/dev/null)"
  fi
}
"#;

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
