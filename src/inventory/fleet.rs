//! The resolved fleet: what an inventory means once every default is filled in. No `Option` is left to decide.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Environment;
use crate::secret::{Credential, SecretSource};

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
    /// How much of the real thing the hosts are.
    pub environment: Environment,
    /// The inventory file this came from; relative paths in it are already joined to its folder.
    pub inventory: PathBuf,
}

/// `directive → its values`, one rendered line for each value (`save` may stand more than once).
pub type Directives = BTreeMap<String, Vec<String>>;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
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

/// How a host is reached by SSH, as far as the inventory says: `[ssh]` with the host's own `[hosts.ssh]` over it. What
/// it leaves open, the user's own `ssh` configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// The account to log in with; anybody but root uses sudo.
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Private key files to offer, in this order. Empty: those of the user's `ssh` configuration.
    pub identity: Vec<PathBuf>,
    /// Jump hosts as `[user@]host[:port]`, the nearest first. Empty: none, whatever the user's configuration says.
    pub via: Option<Vec<String>>,
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
    /// Names its files and its unit instance: `7001`, or `127.0.1.1-6379` where a host simulates addresses.
    pub name: String,
    /// The host that carries it.
    pub host: String,
    /// The address clients and peers use. The bus listens on [`bus_port`](Self::bus_port).
    pub address: SocketAddr,
    /// True where the node has an address of its own on a host with several: bind, source and announcement follow.
    pub simulated: bool,
    /// Directives of this node's host, which override the fleet's.
    pub config: Directives,
}

impl Node {
    /// The cluster bus port: the client port + 10000 (Redis cluster specification).
    pub fn bus_port(&self) -> u16 {
        self.address.port().saturating_add(10_000)
    }

    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
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
        self.inventory.with_extension("known_hosts")
    }

    /// The folder the user's own `playbooks/` and `templates/` are looked for in.
    pub fn project(&self) -> PathBuf {
        self.inventory.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
    }
}

/// The server software.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Redis,
    Valkey,
}

impl Engine {
    /// `redis` or `valkey`: the name of packages, folders and units.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    /// The server's file name and make target.
    pub fn server(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// The command line client users know, for the lines we suggest; provision never runs it.
    pub fn client(self) -> &'static str {
        match self {
            Self::Redis => "redis-cli",
            Self::Valkey => "valkey-cli",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `major.minor.patch`. Engine versions are not semver (`6.0`, `7.2-rc1`); only released ones are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<u32> = text
            .split('.')
            .map(|part| part.parse().map_err(|_| format!("`{text}` is not a version like 7.0.15")))
            .collect::<Result<_, _>>()?;
        match parts[..] {
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(format!("`{text}` is not a version like 7.0.15")),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the engine's source may come from, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub places: Vec<SourceKind>,
    /// URL templates; `{engine}`, `{version}` and `{file}` are filled in.
    pub mirrors: Vec<String>,
    /// A local tarball.
    pub file: Option<PathBuf>,
    /// The release of the distribution whose source package to take, where it is not the running one (`sid`).
    pub suite: Option<String>,
    /// The digest the tarball must have, from the inventory.
    pub sha256: Option<String>,
}

impl Default for Source {
    fn default() -> Self {
        Self { places: SourceKind::ALL.to_vec(), mirrors: Vec::new(), file: None, suite: None, sha256: None }
    }
}

/// One place a source, or the finished artifact, may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A binary built before.
    ArtifactCache,
    /// A tarball downloaded before.
    SourceCache,
    /// The engine's own release site.
    Release,
    /// `source.mirrors`.
    Mirrors,
    /// The distribution's source package, by its own package manager.
    Distribution,
    /// `source.file`.
    File,
}

impl SourceKind {
    pub const ALL: [Self; 6] = [
        Self::ArtifactCache,
        Self::SourceCache,
        Self::Release,
        Self::Mirrors,
        Self::Distribution,
        Self::File,
    ];
}
