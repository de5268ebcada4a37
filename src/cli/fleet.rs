//! What every verb begins with: the fleet, its flow, and a connection to each host.

use std::{collections::BTreeMap, path::Path};

use futures_util::future::try_join_all;

use super::{args::Trust, console::Terminal, exit::Failure};
use crate::{
    build::Cache,
    host::{self, Change, Connector, Facts, Probe},
    inventory::{self, Fleet, Fold},
    plan::{Flow, Templates},
    playbook::{self, Playbook},
};

/// A loaded inventory and all that belongs to it.
pub(super) struct Loaded {
    pub(super) fleet: Fleet,
    pub(super) playbook: Playbook,
    pub(super) templates: Templates,
    pub(super) cache: Cache,
}

impl Loaded {
    pub(super) fn new(path: &Path, single_host: bool) -> Result<Self, Failure> {
        let fold = if single_host { Fold::SingleHost } else { Fold::AsWritten };
        let fleet = inventory::load(path, fold)?;
        let playbook = playbook::load(&fleet, "cluster")?;
        let config = playbook::template(&fleet, "redis.conf")?.text;
        let unit = playbook::template(&fleet, "node.service")?.text;
        Ok(Self { fleet, playbook, templates: Templates { config, unit }, cache: Cache::open()? })
    }

    pub(super) fn flow(&self) -> Flow<'_> {
        Flow { playbook: &self.playbook, templates: &self.templates, cache: &self.cache }
    }
}

/// Connects to all hosts at once.
pub(super) async fn connect(fleet: &Fleet, trust: Trust) -> Result<BTreeMap<String, Probe>, Failure> {
    let connector = Connector::new(fleet.known_hosts(), trust.accept_new, Box::new(Terminal));
    let connecting = fleet.hosts.iter().map(|host| async {
        let probe = Probe::connect(host, &connector).await?;
        Ok::<_, host::Error>((host.name.clone(), probe))
    });
    Ok(try_join_all(connecting).await?.into_iter().collect())
}

/// Takes the cluster's lock on all hosts.
pub(super) async fn lock(
    fleet: &Fleet,
    probes: BTreeMap<String, Probe>,
) -> Result<BTreeMap<String, Change>, Failure> {
    let holder = holder();
    let locking = probes.into_iter().map(|(name, probe)| {
        let holder = &holder;
        async move { Ok::<_, host::Error>((name, probe.lock(&fleet.name, holder).await?)) }
    });
    Ok(try_join_all(locking).await?.into_iter().collect())
}

/// The facts of all hosts.
pub(super) async fn facts(probes: &BTreeMap<String, Probe>) -> Result<BTreeMap<String, Facts>, Failure> {
    let asking = probes
        .iter()
        .map(|(name, probe)| async move { Ok::<_, host::Error>((name.clone(), probe.facts().await?)) });
    Ok(try_join_all(asking).await?.into_iter().collect())
}

/// The read-only sides of hosts that may be changed.
pub(super) fn probes(hosts: &BTreeMap<String, Change>) -> BTreeMap<String, Probe> {
    hosts.iter().map(|(name, change)| (name.clone(), change.probe().clone())).collect()
}

/// Who holds the lock, for those who find it taken.
fn holder() -> String {
    let uname = rustix::system::uname();
    let machine = uname.nodename().to_string_lossy();
    let uid = rustix::process::getuid().as_raw();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("user {uid} on {machine}, process {}, since {now}", std::process::id())
}
