//! The inventory as it is written. Every key is optional here, so that one missing key does not hide the
//! other problems; `resolve` says what is missing. The doc comments are the descriptions an editor shows.

mod auth;
mod config;
mod nodes;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::{
    auth::{Auth, AuthWord, Kept, SecretLocation, SecretTable},
    config::{Config, Scalar, Values},
    nodes::{Nodes, SimulatedTable},
};
use super::{engine::Engine, source::SourceKind, spanned::Spanned};

/// The hosts, and the one cluster they carry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Inventory {
    /// The cluster to form.
    #[schemars(required)]
    pub(super) cluster: Option<Spanned<Cluster>>,
    /// Where the engine's source may come from. Without it every place is tried in the built-in order.
    pub(super) source: Option<Spanned<SourceTable>>,
    /// How hosts are reached by SSH.
    pub(super) ssh: Option<Spanned<Ssh>>,
    /// The machines, one table each.
    #[schemars(required, length(min = 1))]
    pub(super) hosts: Option<Spanned<Vec<Spanned<HostTable>>>>,
}

/// The cluster to form.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Cluster {
    /// Names folders, units and locks.
    #[schemars(required, regex(pattern = r"^[a-z][a-z0-9-]{0,31}$"))]
    pub(super) name: Option<Spanned<String>>,
    /// The server software; redis where it is not given.
    #[schemars(with = "Option<Engine>")]
    pub(super) engine: Option<Spanned<String>>,
    /// The engine's version: major.minor.patch.
    #[schemars(required, regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$"))]
    pub(super) version: Option<Spanned<String>>,
    /// Replicas of each master; 1 where it is not given. Masters follow: nodes / (replicas + 1).
    #[schemars(range(min = 0, max = 10))]
    pub(super) replicas: Option<Spanned<i64>>,
    /// The port of a host's first node; 7001 where it is not given.
    #[schemars(range(min = 1, max = 65535))]
    pub(super) port: Option<Spanned<i64>>,
    /// The bus port of a host's first node, from Redis 7.0 on; the port + 10000 where it is not given.
    #[schemars(range(min = 1, max = 65535))]
    pub(super) bus_port: Option<Spanned<i64>>,
    /// The password clients and nodes use. It is never written here: this says where it is kept. Without it,
    /// one is generated for a cluster on more than one host, and a cluster on one host has none.
    pub(super) auth: Option<Spanned<Auth>>,
    /// The engine's own directives, for every node.
    pub(super) config: Option<Config>,
}

/// Where the engine's source may come from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct SourceTable {
    /// The places to try, in this order.
    #[schemars(with = "Option<Vec<SourceKind>>")]
    pub(super) places: Option<Spanned<Vec<Spanned<String>>>>,
    /// URLs to download from; `{engine}`, `{version}` and `{file}` are filled in.
    pub(super) mirrors: Option<Spanned<Vec<Spanned<String>>>>,
    /// A tarball on this machine, relative to the inventory.
    pub(super) file: Option<Spanned<String>>,
    /// The release of the distribution whose source package to take, where it is not the running one.
    pub(super) suite: Option<Spanned<String>>,
    /// The SHA-256 digest the tarball must have.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub(super) sha256: Option<Spanned<String>>,
}

/// How hosts are reached by SSH.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Ssh {
    /// The account to log in with; anything but root uses sudo.
    pub(super) user: Option<Spanned<String>>,
    /// The port sshd listens on.
    #[schemars(range(min = 1, max = 65535))]
    pub(super) port: Option<Spanned<i64>>,
    /// Private key files, relative to the inventory; `~/` is the home folder. Without it, those of `ssh`.
    pub(super) identity: Option<Spanned<Vec<Spanned<String>>>>,
    /// Jump hosts as `[user@]host[:port]`, the nearest first. An empty list means none.
    pub(super) via: Option<Spanned<Vec<Spanned<String>>>>,
    /// The account's password, where there is no key.
    pub(super) password: Option<Spanned<Kept>>,
    /// The passphrase of encrypted private keys.
    pub(super) passphrase: Option<Spanned<Kept>>,
    /// The password sudo asks for.
    pub(super) sudo: Option<Spanned<Kept>>,
    /// Allow what rests on SHA-1, for servers that have nothing else.
    pub(super) legacy: Option<Spanned<bool>>,
}

/// A machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct HostTable {
    /// A name of your choice, unique in this file.
    #[schemars(required, regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$"))]
    pub(super) name: Option<Spanned<String>>,
    /// Where it answers today: an IP address, a DNS name, or "local" for this machine without SSH.
    #[schemars(required)]
    pub(super) address: Option<Spanned<String>>,
    /// How this host is reached by SSH, over what `[ssh]` says.
    pub(super) ssh: Option<Spanned<Ssh>>,
    /// A failure domain above the host (rack, room): replicas avoid their master's.
    pub(super) zone: Option<Spanned<String>>,
    /// How many nodes it carries, or the addresses it simulates. One host alone carries the smallest cluster;
    /// several carry one node each.
    pub(super) nodes: Option<Spanned<Nodes>>,
    /// Directives for the nodes of this host, which override the cluster's.
    pub(super) config: Option<Config>,
    /// The address the host must have afterwards.
    pub(super) network: Option<Spanned<Network>>,
    /// What its nodes tell clients and peers, where an address translation (NAT) stands before the host.
    pub(super) announce: Option<Spanned<Announce>>,
}

/// What the nodes of a host tell clients and peers instead of the sockets they listen on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Announce {
    /// The address under which all other hosts and the clients reach this one.
    #[schemars(required)]
    pub(super) address: Option<Spanned<String>>,
    /// The first node's port there, the others follow; the one it listens on where it is not given.
    #[schemars(range(min = 1, max = 65535))]
    pub(super) port: Option<Spanned<i64>>,
    /// The first node's bus port there, the others follow; the one it listens on where it is not given.
    #[schemars(range(min = 1, max = 65535))]
    pub(super) bus_port: Option<Spanned<i64>>,
}

/// The address the host must have afterwards.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Network {
    /// The address with its prefix length, such as 192.168.2.191/24.
    #[schemars(required)]
    pub(super) address: Option<Spanned<String>>,
    /// The default route, inside the same subnet.
    pub(super) gateway: Option<Spanned<String>>,
    /// Name servers.
    pub(super) dns: Option<Spanned<Vec<Spanned<String>>>>,
}
