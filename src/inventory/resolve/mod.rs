//! From what is written to what it means: fills in the defaults and collects every problem on the way.

mod check;
mod cluster;
mod config;
mod fleetwide;
mod host;
mod network;
mod nodes;
mod secret;
mod source;
mod ssh;

use std::path::Path;

use self::check::Check;
use super::{
    Fold, Tier,
    fleet::{Fleet, Host},
    problem::Problem,
    written::Inventory,
};

/// What stands around the inventory's text.
pub(super) struct Setting<'a> {
    /// The inventory file; relative paths start from its folder.
    pub(super) file: &'a Path,
    pub(super) fold: Fold,
    /// Keys that were written but could not be read: they are not missing.
    pub(super) removed: &'a [Vec<String>],
}

/// The fleet, or everything that is wrong with the inventory.
pub(super) fn resolve(inventory: &Inventory, setting: &Setting<'_>) -> Result<Fleet, Vec<Problem>> {
    let mut check = Check::new(setting);
    let cluster = cluster::resolve(inventory.cluster.as_ref(), &mut check);
    let source = source::resolve(inventory.source.as_ref(), &mut check);
    let ssh = ssh::resolve(inventory.ssh.as_ref(), &["ssh"], &mut check);
    let hosts = host::resolve(inventory.hosts.as_ref(), &cluster, &ssh, &mut check);
    fleetwide::check(inventory, &cluster, &hosts, &mut check);
    let hosts = hosts.into_iter().map(|found| found.host).collect::<Vec<Host>>();
    // Ports that other machines can reach are not left open to whoever comes by.
    let exposed = hosts.len() > 1 && setting.fold == Fold::AsWritten;
    let auth = if exposed && !cluster.auth_decided { Some(cluster::generated(&check)) } else { cluster.auth };
    let hosts = match setting.fold {
        Fold::AsWritten => hosts,
        Fold::SingleHost => fleetwide::fold(hosts, cluster.port),
    };
    check.finish(Fleet {
        name: cluster.name,
        engine: cluster.engine,
        version: cluster.version,
        replicas: cluster.replicas,
        config: cluster.config,
        auth,
        source,
        tier: Tier::of(&hosts, setting.file),
        hosts,
        inventory: setting.file.to_owned(),
    })
}
