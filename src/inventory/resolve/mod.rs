//! From what is written to what it means: fills in the defaults and collects every problem on the way.

mod cluster;
mod config;
mod cross_host;
mod host;
mod network;
mod nodes;
mod resolver;
mod secret;
mod source;
mod ssh;

use std::path::Path;

use self::resolver::Resolver;
use super::{
    Environment, Fold,
    fleet::{Fleet, Host},
    problem::Problem,
    raw::Inventory,
};

/// What stands around the inventory's text.
pub(super) struct ResolveContext<'a> {
    /// The inventory file; relative paths start from its folder.
    pub(super) file: &'a Path,
    pub(super) fold: Fold,
    /// Keys that were written but could not be read: they are not missing.
    pub(super) removed: &'a [Vec<String>],
}

/// The fleet, or everything that is wrong with the inventory.
pub(super) fn resolve(inventory: &Inventory, context: &ResolveContext<'_>) -> Result<Fleet, Vec<Problem>> {
    let mut resolver = Resolver::new(context);
    let cluster = cluster::resolve(inventory.cluster.as_ref(), &mut resolver);
    let source = source::resolve(inventory.source.as_ref(), &mut resolver);
    let ssh = ssh::resolve(inventory.ssh.as_ref(), &["ssh"], &mut resolver);
    let hosts = host::resolve(inventory.hosts.as_ref(), &cluster, &ssh, &mut resolver);
    cross_host::check(inventory, &cluster, &hosts, &mut resolver);
    let hosts = hosts.into_iter().map(|found| found.host).collect::<Vec<Host>>();
    // Ports that other machines can reach are not left open to whoever comes by.
    let exposed = hosts.len() > 1 && context.fold == Fold::AsWritten;
    let auth =
        if exposed && !cluster.auth_decided { Some(cluster::generated(&resolver)) } else { cluster.auth };
    let hosts = match context.fold {
        Fold::AsWritten => hosts,
        Fold::SingleHost => cross_host::fold(hosts, cluster.port),
    };
    resolver.finish(Fleet {
        name: cluster.name,
        engine: cluster.engine,
        version: cluster.version,
        replicas: cluster.replicas,
        config: cluster.config,
        auth,
        source,
        environment: Environment::of(&hosts, context.file),
        hosts,
        inventory: context.file.to_owned(),
    })
}
