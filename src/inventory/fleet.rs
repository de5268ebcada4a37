//! The resolved fleet: what an inventory means once every default is filled in. No `Option` is left to
//! decide.

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    endpoints::{Endpoints, NodeRef},
    engine::{Engine, Version},
    project_files::ProjectFiles,
    source::Source,
};
use crate::{
    event::Environment,
    secret::{Credential, SecretSource},
    units::{HostName, MemberName, NodeName},
};

/// A fleet: all hosts, and the one cluster they carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// The cluster's name: `[a-z][a-z0-9-]*`, at most 32 characters; it names folders, units and locks.
    pub name: String,
    pub engine: Engine,
    pub version: Version,
    /// Replicas each master must have.
    pub replicas: usize,
    /// The engine's own directives for every node, in the order of their names; one entry a line of the file.
    pub config: Directives,
    pub auth: Option<SecretSource>,
    pub source: Source,
    pub hosts: Vec<Host>,
    /// Whether it is a single host, a lab or real hosts.
    pub environment: Environment,
    /// The inventory file this came from; relative paths in it are already joined to its folder.
    pub inventory: PathBuf,
}

/// Whether the fleet stays as it is written, or all its nodes are put onto this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    #[default]
    AsWritten,
    /// `--single-host`.
    SingleHost,
}

/// `directive → its values`, one rendered line for each value (`save` may occur more than once).
pub type Directives = BTreeMap<String, Vec<String>>;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The name in the inventory, unique there.
    pub name: HostName,
    pub address: Address,
    pub ssh: Ssh,
    /// A failure domain above the host (rack, room); replicas avoid their master's.
    pub zone: Option<String>,
    pub nodes: Vec<Node>,
}

/// Where a host answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// This machine, without SSH.
    Local,
    /// A name or an IP address to reach by SSH.
    Remote(String),
}

/// How a host is reached by SSH, as far as the inventory says: `[ssh]` with the host's own `[hosts.ssh]` over
/// it. What it leaves open, the user's own `ssh` configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// The account to log in with; any other than root uses sudo.
    pub user: Option<String>,
    /// The port sshd listens on.
    pub port: Option<u16>,
    /// Private key files to offer, in this order. Empty: those of the user's `ssh` configuration.
    pub identity: Vec<PathBuf>,
    /// Jump hosts as `[user@]host[:port]`, the nearest first. Empty: none, whatever the user's configuration
    /// says.
    pub via: Option<Vec<String>>,
    /// The account's password, for servers that take no key.
    pub password: Option<Credential>,
    /// Opens encrypted private keys; asked for where one is needed and this is missing.
    pub passphrase: Option<Credential>,
    /// The password sudo wants; asked for where it wants one and this is missing.
    pub sudo: Option<Credential>,
    /// Allows key exchanges, MACs and signatures that rest on SHA-1, for servers that have nothing else.
    pub legacy: bool,
}

/// One server process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Who it is: its name on its host, which also names its files and its unit instance.
    pub key: NodeRef,
    /// Where it listens; what it announces is in its key.
    pub listen: Endpoints,
    /// True where the node has an address of its own on a host with several: bind, source and announcement
    /// follow.
    pub simulated: bool,
    /// Directives of this node's host, which override the fleet's.
    pub config: Directives,
}

impl Node {
    /// `7001`, or `127.0.1.1-6379` where a host simulates addresses.
    pub fn name(&self) -> &'static NodeName {
        &self.key.member().node
    }

    /// The host that carries it.
    pub fn host(&self) -> &'static HostName {
        &self.key.member().host
    }

    /// Its name in the fleet.
    pub fn member(&self) -> MemberName {
        self.key.member().clone()
    }

    /// The address it listens on.
    pub fn ip(&self) -> IpAddr {
        self.listen.client.ip()
    }

    /// The port it listens on for clients.
    pub fn port(&self) -> u16 {
        self.listen.client.port()
    }

    /// The port it listens on for the cluster bus.
    pub fn bus_port(&self) -> u16 {
        self.listen.bus_port
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl Fleet {
    /// All nodes, in the order of the inventory.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.hosts.iter().flat_map(|host| &host.nodes)
    }

    /// How many masters the nodes give: `nodes / (replicas + 1)`, as `redis-cli --cluster create` counts.
    pub fn masters(&self) -> usize {
        self.nodes().count() / (self.replicas + 1)
    }

    /// The file beside the inventory that host keys are pinned in, in the format of `known_hosts`.
    pub fn known_hosts(&self) -> PathBuf {
        self.files().known_hosts()
    }

    /// The files that belong to the inventory.
    pub fn files(&self) -> ProjectFiles<'_> {
        ProjectFiles::of(&self.inventory)
    }
}
