//! From what is written to what it means: fills in the defaults and collects every problem on the way.

mod announce;
mod cluster;
mod config;
mod cross_host;
mod endpoints;
mod environment;
mod host;
mod network;
mod nodes;
mod resolver;
mod secret;
mod source;
mod ssh;

pub(super) use self::resolver::ResolveContext;
use self::resolver::Resolver;
use super::{
    fleet::{Fleet, Fold, Host},
    problem::Problem,
    raw::Inventory,
};

/// The fleet, or everything that is wrong with the inventory.
pub(super) fn resolve(inventory: &Inventory, context: &ResolveContext<'_>) -> Result<Fleet, Vec<Problem>> {
    let mut resolver = Resolver::new(context);
    let cluster = cluster::resolve(inventory.cluster.as_ref(), &mut resolver);
    let source = source::resolve(inventory.source.as_ref(), &mut resolver);
    let ssh = ssh::resolve(inventory.ssh.as_ref(), &["ssh"], &mut resolver);
    let hosts = host::resolve(inventory.hosts.as_ref(), &cluster, &ssh, &mut resolver);
    cross_host::check(inventory, &cluster, &hosts, &mut resolver);
    endpoints::check(inventory, &cluster, &hosts, &mut resolver);
    let hosts = hosts.into_iter().map(|found| found.host).collect::<Vec<Host>>();
    // Ports that other machines can reach are not left without a password.
    let exposed = hosts.len() > 1 && context.fold == Fold::AsWritten;
    let hosts = match context.fold {
        Fold::AsWritten => hosts,
        Fold::SingleHost => cross_host::fold(hosts, &cluster),
    };
    let auth =
        if exposed && !cluster.auth_decided { Some(cluster::generated(&resolver)) } else { cluster.auth };
    resolver.finish(Fleet {
        name: cluster.name,
        engine: cluster.engine,
        version: cluster.version,
        replicas: cluster.replicas,
        config: cluster.config,
        auth,
        source,
        environment: environment::of(&hosts, context.file),
        hosts,
        inventory: context.file.to_owned(),
    })
}

#[cfg(test)]
mod tests;
