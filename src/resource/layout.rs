//! Where things are on a host: one place decides every path.

use crate::{
    host::Facts,
    inventory::{Fleet, Node},
};

/// The file with the password directives, beside a node's configuration.
pub const PASSWORD: &str = "password.conf";

/// The paths of one cluster on one host. As root they follow the file system hierarchy standard; as a plain
/// user all are below `$XDG_DATA_HOME/provision/<cluster>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Installed binaries: a folder an engine build.
    pub bin: String,
    /// Node configurations: a folder a node.
    pub etc: String,
    /// Node data: a folder a node.
    pub data: String,
    /// Node logs: a folder a node.
    pub log: String,
    /// What is gone after a reboot: which configuration each running node was started with. It is root's
    /// where we are root: what is read here is believed.
    pub run: String,
    /// The ledger and the backups of what was replaced.
    pub state: String,
    /// The user the servers run as; `None` is the user who runs provision.
    pub account: Option<String>,
    /// The number of the user who runs the scripts.
    pub uid: u32,
    /// The engine's name, for file names.
    engine: &'static str,
    cluster: String,
}

/// The paths of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePaths {
    pub config: String,
    /// The working directory: `nodes.conf`, RDB and AOF files.
    pub data: String,
    pub log: String,
    pub pid: String,
    /// Written at start: the process and the SHA-256 of the configuration it read.
    pub started: String,
    /// The systemd unit instance.
    pub unit: String,
}

/// Servers run under an account that no package of a distribution uses: one that shared it would lose its
/// account when the cluster goes. A cluster keeps the account it was made with; earlier versions made them
/// with the engine's name.
fn account(engine: &str, noted: Option<&str>) -> String {
    match noted {
        None => format!("provision-{engine}"),
        Some("") => engine.to_owned(),
        Some(noted) => noted.to_owned(),
    }
}

impl Layout {
    pub fn new(fleet: &Fleet, facts: &Facts) -> Self {
        Self::of(&fleet.name, fleet.engine.name(), facts)
    }

    /// The paths of the cluster with this name and this engine.
    pub(super) fn of(name: &str, engine: &'static str, facts: &Facts) -> Self {
        if facts.is_root() {
            return Self {
                bin: format!("/opt/provision/{name}"),
                etc: format!("/etc/provision/{name}"),
                data: format!("/var/lib/provision/{name}/nodes"),
                log: format!("/var/log/provision/{name}"),
                run: format!("/run/provision/{name}"),
                state: format!("/var/lib/provision/{name}"),
                account: Some(account(engine, facts.accounts.get(name).map(String::as_str))),
                uid: facts.uid,
                engine,
                cluster: name.to_owned(),
            };
        }
        let base = format!("{}/provision/{name}", facts.data_home);
        Self {
            bin: format!("{base}/bin"),
            etc: format!("{base}/etc"),
            data: format!("{base}/data"),
            log: format!("{base}/log"),
            run: format!("{base}/run"),
            state: base,
            account: None,
            uid: facts.uid,
            engine,
            cluster: name.to_owned(),
        }
    }

    pub fn node(&self, node: &Node) -> NodePaths {
        let (name, engine) = (node.name(), self.engine);
        NodePaths {
            config: format!("{}/{name}/{engine}.conf", self.etc),
            data: format!("{}/{name}", self.data),
            log: format!("{}/{name}/{engine}.log", self.log),
            pid: format!("{}/{name}/{engine}.pid", self.run),
            started: format!("{}/{name}.started", self.run),
            unit: format!("{engine}-{}@{name}.service", self.cluster),
        }
    }

    /// The systemd template unit all nodes of the cluster are instances of.
    pub fn unit_file(&self) -> String {
        format!("/etc/systemd/system/{}-{}@.service", self.engine, self.cluster)
    }

    /// The folders this cluster shares with others, which the last one takes with it.
    pub fn shared(&self) -> Vec<String> {
        let above = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let all = [&self.bin, &self.etc, &self.log, &self.run, &self.state].map(above);
        all.into_iter().flatten().filter(|folder| folder.ends_with("/provision")).collect()
    }

    /// Every change we made to this host, oldest first.
    pub fn ledger(&self) -> String {
        format!("{}/ledger.jsonl", self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_cluster_has_an_account_of_our_own_and_an_old_one_keeps_its_own() {
        assert_eq!(account("valkey", None), "provision-valkey");
        assert_eq!(account("redis", Some("")), "redis");
        assert_eq!(account("redis", Some("provision-redis")), "provision-redis");
    }
}
