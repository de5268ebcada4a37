//! Templates: the fleet and a node in, the text of a file out. An undefined variable is an error before any
//! host is touched.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tera::{Context, Tera};

use crate::{
    inventory::{Directives, Fleet, Host, Node},
    resource::{Layout, PASSWORD},
};

/// `cluster-node-timeout` of our template, in milliseconds.
const NODE_TIMEOUT_MS: u64 = 5000;
/// How many files a node may open at least.
const OPEN_FILES: u64 = 65_536;
/// What a node opens besides its clients: its data, and the other nodes.
const OTHER_FILES: u64 = 1_024;

/// The texts of the templates nodes are rendered from.
#[derive(Debug, Clone)]
pub struct Templates {
    pub config: String,
    pub unit: String,
    pub sysctl: String,
}

/// A template that cannot be rendered.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("template {name} cannot be rendered")]
#[diagnostic(help("fix the template; CONTRIBUTING lists the variables it can use"))]
pub struct Error {
    name: String,
    source: tera::Error,
}

/// The configuration of one node, whose lines may begin with `?`; see [`Config`](crate::resource::Config).
pub(super) fn config(text: &str, fleet: &Fleet, node: &Node, layout: &Layout) -> Result<String, Error> {
    let mut context = common(fleet, layout);
    let paths = layout.node(node);
    let folder = paths.config.rsplit_once('/').map_or("", |(folder, _)| folder);
    let directives = directives(fleet, node);
    let set: BTreeSet<&String> = directives.keys().collect();
    let lines: Vec<String> = directives
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name} {value}")))
        .collect();
    let announced = node.key.announced();
    context["node"] = json!({
        "name": node.name(), "ip": node.ip(), "port": node.port(), "bus_port": node.bus_port(),
        "announced": {
            "ip": announced.client.ip(), "port": announced.client.port(), "bus_port": announced.bus_port,
        },
        "simulated": node.simulated, "loopback": node.ip().is_loopback(), "host": node.host(),
    });
    context["paths"] = json!({
        "config": paths.config, "data": paths.data, "log": paths.log, "pid": paths.pid,
        "password": fleet.auth.as_ref().map(|_| format!("{folder}/{PASSWORD}")),
    });
    context["directives"] = json!(lines);
    context["set"] = json!(set);
    render(&format!("{}.conf", fleet.engine), text, &context)
}

/// The systemd template unit of all nodes of a host, for a version of systemd.
pub(super) fn unit(
    text: &str,
    fleet: &Fleet,
    layout: &Layout,
    binary: &str,
    systemd: u32,
) -> Result<String, Error> {
    let mut context = common(fleet, layout);
    context["binary"] = json!(binary);
    context["systemd"] = json!(systemd);
    context["unit_file"] = json!(layout.unit_file());
    context["has_password"] = json!(fleet.auth.is_some());
    context["restart_seconds"] = json!(restart_seconds(fleet));
    context["open_files"] = json!(open_files(fleet));
    render("node.service", text, &context)
}

/// The kernel settings of a host.
pub(super) fn sysctl(text: &str, fleet: &Fleet, layout: &Layout) -> Result<String, Error> {
    render("sysctl.conf", text, &common(fleet, layout))
}

/// The error of a line that is no kernel setting.
pub(super) fn not_sysctl(line: &str) -> Error {
    let source = tera::Error::message(format!("`{line}` is not `key = value`"));
    Error { name: "sysctl.conf".to_owned(), source }
}

/// Enough for all clients, the other nodes and the node's own files: an engine that may open fewer lowers
/// `maxclients` by itself.
fn open_files(fleet: &Fleet) -> u64 {
    let clients = fleet.nodes().filter_map(|node| {
        let all = directives(fleet, node);
        all.get("maxclients")?.last()?.trim_matches('"').parse::<u64>().ok()
    });
    clients.max().map_or(OPEN_FILES, |clients| clients.saturating_add(OTHER_FILES).max(OPEN_FILES))
}

/// Longer than twice the node timeout, which is how long replicas may take to notice that their master is
/// gone.
fn restart_seconds(fleet: &Fleet) -> u64 {
    let timeouts = fleet.nodes().filter_map(|node| {
        let all = directives(fleet, node);
        all.get("cluster-node-timeout")?.first()?.parse::<u64>().ok()
    });
    let longest = timeouts.max().unwrap_or(0).max(NODE_TIMEOUT_MS);
    2 * longest.div_ceil(1000) + 5
}

/// A template of the user's.
pub(super) fn template(
    name: &str,
    text: &str,
    fleet: &Fleet,
    host: &Host,
    layout: &Layout,
) -> Result<String, Error> {
    let mut context = common(fleet, layout);
    let nodes: Vec<Value> = host
        .nodes
        .iter()
        .map(|node| json!({ "name": node.name(), "ip": node.ip(), "port": node.port(), "bus_port": node.bus_port() }))
        .collect();
    context["host"] = json!({ "name": host.name, "nodes": nodes });
    render(name, text, &context)
}

fn common(fleet: &Fleet, layout: &Layout) -> Value {
    json!({
        "cluster": fleet.name, "engine": fleet.engine, "version": fleet.version.to_string(),
        "server": fleet.engine.server(),
        "folders": {
            "bin": layout.bin, "etc": layout.etc, "data": layout.data, "log": layout.log, "run": layout.run,
            "state": layout.state,
        },
        "account": layout.account,
    })
}

/// The fleet's directives, with the host's over them.
fn directives(fleet: &Fleet, node: &Node) -> Directives {
    let mut all = fleet.config.clone();
    all.extend(node.config.clone());
    all
}

fn render(name: &str, text: &str, context: &Value) -> Result<String, Error> {
    let wrong = |source| Error { name: name.to_owned(), source };
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    tera.add_raw_template(name, text).map_err(wrong)?;
    let context = Context::from_serialize(context).map_err(wrong)?;
    tera.render(name, &context).map_err(wrong)
}

#[cfg(test)]
impl Error {
    /// For the table of all errors.
    pub(crate) fn example() -> Self {
        let text = tera::Tera::default().render("redis.conf", &tera::Context::new());
        Self { name: "redis.conf".to_owned(), source: text.unwrap_err() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inventory::{Fold, parse},
        plan::testing::{facts, fleet, fleet_with, templates},
    };

    /// The version of systemd that brought each directive, by systemd's NEWS; those that are not here are as
    /// old as the oldest we support, 219 of EL 7.
    const SINCE: [(&str, u32); 12] = [
        ("RestrictRealtime", 231),
        ("ProtectControlGroups", 232),
        ("ProtectKernelModules", 232),
        ("ProtectKernelTunables", 232),
        ("RestrictNamespaces", 233),
        ("LockPersonality", 235),
        ("@system-service", 239),
        ("ProtectHostname", 242),
        ("RestrictSUIDSGID", 242),
        ("ProtectKernelLogs", 244),
        ("ProtectClock", 245),
        ("ProtectProc", 247),
    ];

    fn config_of(fleet: &Fleet) -> String {
        let node = fleet.nodes().next().unwrap();
        config(&templates().config, fleet, node, &Layout::new(fleet, &facts())).unwrap()
    }

    fn unit_of(fleet: &Fleet, systemd: u32) -> String {
        let layout = Layout::new(fleet, &facts());
        unit(&templates().unit, fleet, &layout, "/bin/redis-server", systemd).unwrap()
    }

    fn has_line(text: &str, line: &str) -> bool {
        text.lines().any(|other| other == line)
    }

    #[test]
    fn a_unit_has_what_its_systemd_knows() {
        let fleet = fleet(&["a"]);
        for systemd in [0, 219, 231, 239, 246, 252, 257] {
            let text = unit_of(&fleet, systemd);
            for (key, since) in SINCE {
                assert_eq!(text.contains(key), systemd >= since, "{key} on systemd {systemd}:\n{text}");
            }
            assert!(!text.contains("\n\n\n") && text.contains("CapabilityBoundingSet=\n"), "{text}");
            assert!(text.contains("\n\n[Install]\n"), "{text}");
        }
    }

    #[test]
    fn a_unit_may_open_files_for_all_the_clients_it_is_to_have() {
        let limit = |config: &str| unit_of(&fleet_with(&["a"], &format!("[cluster.config]\n{config}")), 252);
        assert!(has_line(&limit(""), "LimitNOFILE=65536"));
        assert!(has_line(&limit("maxclients = 10000"), "LimitNOFILE=65536"));
        assert!(has_line(&limit("maxclients = 100000"), "LimitNOFILE=101024"));
    }

    #[test]
    fn a_node_binds_and_announces_its_own_address() {
        let text = config_of(&fleet(&["a"]));
        for line in [
            "bind 10.0.0.1",
            "port 7001",
            "cluster-enabled yes",
            "?cluster-announce-ip 10.0.0.1",
            "?bind-source-addr 10.0.0.1",
            "?replica-announce-ip|slave-announce-ip 10.0.0.1",
            "?replica-announce-port|slave-announce-port 7001",
        ] {
            assert!(has_line(&text, line), "{line}:\n{text}");
        }
        assert!(has_line(&text, "?protected-mode no"), "other nodes come from other addresses:\n{text}");
        assert!(!text.contains("include"), "{text}");
    }

    #[test]
    fn directives_stand_below_the_defaults_and_a_hosts_own_replace_those_of_the_fleet() {
        let config =
            "[cluster.config]\nappendonly = \"no\"\nsave = [\"900 1\", \"60 9\"]\nmaxmemory = \"1gb\"";
        let mut fleet = fleet_with(&["a"], config);
        fleet.hosts[0].nodes[0].config.insert("maxmemory".to_owned(), vec!["2gb".to_owned()]);
        let text = config_of(&fleet);
        for line in ["appendonly no", "save 900 1", "save 60 9", "maxmemory 2gb"] {
            assert!(has_line(&text, line), "{line}:\n{text}");
        }
        assert!(!has_line(&text, "maxmemory 1gb"), "{text}");
        assert!(text.find("appendonly yes") < text.find("appendonly no"), "the last one counts:\n{text}");
    }

    #[test]
    fn a_password_is_included_and_never_written_into_the_configuration() {
        let text = config_of(&fleet_with(&["a"], "auth = { env = \"ORDERS_PASSWORD\" }"));
        assert!(has_line(&text, "include \"/etc/provision/orders/7001/password.conf\""), "{text}");
        assert!(!text.contains("requirepass") && !text.contains("?protected-mode no"), "{text}");
        let unit = unit_of(&fleet_with(&["a"], "auth = { env = \"ORDERS_PASSWORD\" }"), 252);
        assert!(
            unit.contains("/%i/password.conf") && !unit_of(&fleet(&["a"]), 252).contains("password.conf")
        );
    }

    #[test]
    fn an_address_is_the_source_of_its_node_unless_it_is_the_only_loopback_one() {
        let local = |nodes: &str| {
            let text = format!(
                "[cluster]\nname = \"orders\"\nversion = \"7.0.15\"\nreplicas = 0\n[[hosts]]\nname = \"a\"\n\
                 address = \"local\"\nnodes = {nodes}\n"
            );
            config_of(&parse("orders.toml", &text, Fold::AsWritten).unwrap())
        };
        let simulated = local("{ ips = \"127.0.1.1-3\", port = 6379 }");
        assert!(has_line(&simulated, "?bind-source-addr 127.0.1.1"), "{simulated}");
        assert!(has_line(&simulated, "?protected-mode no"), "{simulated}");
        assert!(!local("3").contains("bind-source-addr"));
    }

    #[test]
    fn what_a_server_knows_decides_its_lines_whatever_its_version() {
        let old = ["daemonize", "slave-announce-ip", "slave-announce-port"];
        let new = ["cluster-announce-ip", "replica-announce-ip", "slave-announce-ip", "supervised"];
        for version in ["3.0.7", "9.9.9"] {
            let fleet = fleet_with(&["a"], &format!("version = \"{version}\""));
            let layout = Layout::new(&fleet, &facts());
            let config = crate::resource::Config {
                path: String::new(),
                text: config(&templates().config, &fleet, fleet.nodes().next().unwrap(), &layout).unwrap(),
                mode: 0o640,
                owner: None,
                binary: String::new(),
                account: None,
            };
            let lines = |knows: &[&str]| {
                let settled = config.settle(|name| Some(knows.contains(&name)));
                assert!(settled.is_settled() && !settled.text.contains('?'), "{}", settled.text);
                settled.text.lines().map(str::to_owned).collect::<Vec<_>>()
            };
            let has = |lines: &[String], line: &str| lines.iter().any(|other| other == line);
            let (old, new) = (lines(&old), lines(&new));
            assert!(
                has(&old, "slave-announce-ip 10.0.0.1") && has(&old, "slave-announce-port 7001"),
                "{old:?}"
            );
            assert!(!has(&old, "cluster-announce-ip 10.0.0.1") && !has(&old, "supervised no"), "{old:?}");
            assert!(has(&new, "replica-announce-ip 10.0.0.1") && has(&new, "supervised no"), "{new:?}");
            assert!(
                !new.iter().any(|line| line.starts_with("slave-") || line.starts_with("bind-source")),
                "{new:?}"
            );
        }
    }

    #[test]
    fn an_undefined_variable_is_an_error_that_names_the_template() {
        let fleet = fleet(&["a"]);
        let layout = Layout::new(&fleet, &facts());
        let render = |text: &str| template("motd", text, &fleet, &fleet.hosts[0], &layout);
        let error = render("{{ nodes_typo }}").unwrap_err();
        assert_eq!(error.to_string(), "template motd cannot be rendered");
        assert!(render("{{ unclosed").is_err());
        let text = "{{ host.name }}:{% for node in host.nodes %} {{ node.port }}{% endfor %}";
        assert_eq!(render(text).unwrap(), "a: 7001 7002 7003");
    }

    #[test]
    fn a_node_restarts_later_than_its_replica_may_take_over() {
        let seconds = |timeout: &str| {
            let config = format!("[cluster.config]\ncluster-node-timeout = {timeout}");
            restart_seconds(&fleet_with(&["a"], &config))
        };
        assert_eq!((restart_seconds(&fleet(&["a"])), seconds("15000"), seconds("15001")), (15, 35, 37));
        assert_eq!(seconds("100"), 15, "never shorter than for the timeout of the template");
    }
}
