//! Templates: the fleet and a node in, the text of a file out. An undefined variable is an error before any host is
//! touched.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tera::{Context, Tera};

use crate::{
    inventory::{Directives, Fleet, Host, Node, Version},
    resource::{Layout, PASSWORD},
};

/// `cluster-node-timeout` of our template, in milliseconds.
const NODE_TIMEOUT: u64 = 5000;

/// A template that cannot be rendered.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("template {name} cannot be rendered")]
#[diagnostic(help("mend the template; CONTRIBUTING lists the variables it can use"))]
pub struct Error {
    name: String,
    source: tera::Error,
}

/// The configuration of one node.
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
    context["node"] = json!({
        "name": node.name, "ip": node.ip(), "port": node.port(), "bus_port": node.bus_port(),
        "simulated": node.simulated, "loopback": node.ip().is_loopback(), "host": node.host,
    });
    context["paths"] = json!({
        "config": paths.config, "data": paths.data, "log": paths.log, "pid": paths.pid,
        "password": fleet.auth.as_ref().map(|_| format!("{folder}/{PASSWORD}")),
    });
    context["directives"] = json!(lines);
    context["set"] = json!(set);
    context["binds_source"] = json!(fleet.version >= Version::new(7, 0, 0));
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

/// Longer than twice the node timeout, which is how long replicas may take to notice that their master is gone.
fn restart_seconds(fleet: &Fleet) -> u64 {
    let timeouts = fleet.nodes().filter_map(|node| {
        let all = directives(fleet, node);
        all.get("cluster-node-timeout")?.first()?.parse::<u64>().ok()
    });
    let longest = timeouts.max().unwrap_or(0).max(NODE_TIMEOUT);
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
        .map(|node| json!({ "name": node.name, "ip": node.ip(), "port": node.port(), "bus_port": node.bus_port() }))
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
        host::{Facts, InitSystem},
        inventory::{Fold, load},
    };

    /// The version of systemd that brought each directive, by systemd's NEWS; those that are not here are as old as the
    /// oldest we serve, 219 of EL 7.
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

    #[test]
    fn a_unit_holds_what_its_systemd_knows() {
        let fleet = load(std::path::Path::new("inventory/six-vms.toml"), Fold::AsWritten).unwrap();
        let facts = Facts {
            uid: 0,
            user: "root".into(),
            data_home: String::new(),
            cache_home: String::new(),
            arch: "x86_64".into(),
            cores: 1,
            init: InitSystem::Systemd,
            systemd: 219,
            os: Vec::new(),
            os_version: String::new(),
            codename: String::new(),
            libc: String::new(),
            lacks: Vec::new(),
            level: 1,
            compiler: String::new(),
            boot_id: String::new(),
        };
        let layout = Layout::new(&fleet, &facts);
        let template = include_str!("../../templates/node.service");
        for systemd in [0, 219, 231, 239, 246, 252, 257] {
            let text = unit(template, &fleet, &layout, "/bin/redis-server", systemd).unwrap();
            for (key, since) in SINCE {
                assert_eq!(text.contains(key), systemd >= since, "{key} on systemd {systemd}:\n{text}");
            }
            assert!(!text.contains("\n\n\n") && text.contains("CapabilityBoundingSet=\n"), "{text}");
            assert!(text.contains("\n\n[Install]\n"), "{text}");
        }
    }
}
