//! What every verb begins with: the fleet, its blueprint, and a connection to each host.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    path::Path,
    sync::OnceLock,
};

use futures_util::future::{join_all, try_join_all};

use super::{
    args::{self, Trust},
    exit::{Exit, Failure},
    prompt::Terminal,
};
use crate::{
    artifact::ArtifactStore,
    cache_dir::CacheDir,
    host::{self, Connector, Facts, LockedHost, Probe},
    inspect::{self, Blueprint, Inspection},
    inventory::{self, Fleet, Fold},
    plan::{PlanOptions, Rollout, Templates},
    playbook::{self, Playbook},
    report,
};

/// A project inventory and all that belongs to it.
pub(super) struct Project {
    pub(super) fleet: Fleet,
    pub(super) playbook: Playbook,
    pub(super) templates: Templates,
    pub(super) cache: ArtifactStore,
}

impl Project {
    pub(super) fn new(path: &Path, single_host: bool) -> Result<Self, Failure> {
        let fold = if single_host { Fold::SingleHost } else { Fold::AsWritten };
        let fleet = inventory::load(path, fold)?;
        let playbook = playbook::load(&fleet, "cluster")?;
        let config = playbook::template(&fleet, "redis.conf")?.text;
        let unit = playbook::template(&fleet, "node.service")?.text;
        let sysctl = playbook::template(&fleet, "sysctl.conf")?.text;
        let templates = Templates { config, unit, sysctl };
        Ok(Self { fleet, playbook, templates, cache: ArtifactStore::new(CacheDir::of_user()?) })
    }

    /// What the user wants of the plan, with its words checked against playbook and fleet.
    pub(super) fn options(&self, args: &args::PlanOptions) -> Result<PlanOptions, Failure> {
        self.playbook.refuse_unknown(&args.tags)?;
        let limit =
            (!args.limit.is_empty()).then(|| inventory::select(&self.fleet, &args.limit)).transpose()?;
        let rollout = Rollout { serial: args.serial.map(usize::from), max_failures: args.max_failures };
        Ok(PlanOptions { tags: args.tags.clone(), limit, rollout })
    }

    fn blueprint(&self) -> Blueprint<'_> {
        Blueprint { playbook: &self.playbook, templates: &self.templates, cache: &self.cache }
    }
}

/// The hosts that answered, and those that did not, which are told with their reasons however the verb ends.
pub(super) struct Connected {
    pub(super) probes: BTreeMap<String, Probe>,
    pub(super) unreachable: BTreeMap<String, host::Error>,
}

impl Connected {
    /// Whether hosts are missing that are meant; no limit means all.
    pub(super) fn is_partial(&self, limit: Option<&BTreeSet<String>>) -> bool {
        self.unreachable.keys().any(|host| limit.is_none_or(|limit| limit.contains(host)))
    }

    /// How the verb ends: hosts that are missing and were meant make it a failure.
    pub(super) fn exit(self, exit: Exit, limit: Option<&BTreeSet<String>>) -> Exit {
        if self.is_partial(limit) { Exit::Failed } else { exit }
    }

    /// A host has gone.
    pub(super) fn mark_unreachable(&mut self, host: String, error: host::Error) {
        self.probes.remove(&host);
        self.unreachable.insert(host, error);
    }

    /// With no host there is nothing to go on with.
    pub(super) fn require_one(&mut self) -> Result<(), Failure> {
        if self.probes.is_empty()
            && let Some((_, last)) = self.unreachable.pop_last()
        {
            return Err(last.into());
        }
        Ok(())
    }

    /// Looks at all that is there. Hosts that are lost meanwhile are missing from then on.
    pub(super) async fn inspect(&mut self, project: &Project) -> Result<Inspection, Failure> {
        let mut inspection =
            inspect::inspect(&project.fleet, &self.probes, self.reasons(), &project.blueprint()).await?;
        for (host, error) in std::mem::take(&mut inspection.lost) {
            self.mark_unreachable(host, error);
        }
        self.require_one()?;
        Ok(inspection)
    }

    /// Why hosts are missing, for the plan.
    pub(super) fn reasons(&self) -> BTreeMap<String, String> {
        self.unreachable.iter().map(|(host, error)| (host.clone(), error.to_string())).collect()
    }
}

impl Drop for Connected {
    /// Whatever else went wrong, or well: each host that is missing has a reason and a fix of its own.
    fn drop(&mut self) {
        for error in std::mem::take(&mut self.unreachable).into_values() {
            report::failure(&error.into());
        }
    }
}

/// Connects to all hosts at once. Those that cannot be connected are told, and the rest goes on; with none there is
/// nothing to go on with.
pub(super) async fn connect(fleet: &Fleet, trust: Trust) -> Result<Connected, Failure> {
    let connector = Connector::new(fleet.known_hosts(), trust.accept_new, Box::new(Terminal));
    let connecting = fleet.hosts.iter().map(|host| async {
        let probe = Probe::connect(host, &connector).await;
        (host.name.clone(), probe)
    });
    let mut connected = Connected { probes: BTreeMap::new(), unreachable: BTreeMap::new() };
    for (name, probe) in join_all(connecting).await {
        match probe {
            Ok(probe) => drop(connected.probes.insert(name, probe)),
            Err(error) => drop(connected.unreachable.insert(name, error)),
        }
    }
    connected.require_one()?;
    Ok(connected)
}

/// Takes the cluster's lock on all hosts, on the first one first; one that is lost meanwhile is missing from then on.
pub(super) async fn lock(
    fleet: &Fleet,
    connected: &mut Connected,
) -> Result<BTreeMap<String, LockedHost>, Failure> {
    let holder = holder();
    let told = OnceLock::new();
    // All hosts have the same holder: it is told once.
    let waits = |other: &str| {
        if told.set(()).is_ok() {
            report::note(&format!(
                "waiting up to 15s for another run that changes cluster {}: {other}",
                fleet.name
            ));
        }
    };
    let (mut open, mut locked) = (connected.probes.clone(), BTreeMap::new());
    while let Some(first) = open.pop_first() {
        // Of two runs that begin together one gets the first host, and with it all others: else each would get some.
        let others = if locked.is_empty() { BTreeMap::new() } else { std::mem::take(&mut open) };
        let locking = iter::once(first).chain(others).map(|(name, probe)| {
            let (holder, waits) = (&holder, &waits);
            async move { (name, probe.lock(&fleet.name, holder, waits).await) }
        });
        for (name, change) in join_all(locking).await {
            match change {
                Ok(change) => drop(locked.insert(name, change)),
                Err(error) if error.is_lost() => connected.mark_unreachable(name, error),
                Err(error) => return Err(error.into()),
            }
        }
    }
    connected.require_one()?;
    Ok(locked)
}

/// Gives the locks back: a command that comes right after this one finds nobody at work.
pub(super) async fn release(hosts: BTreeMap<String, LockedHost>) {
    join_all(hosts.into_values().map(LockedHost::release)).await;
}

/// The facts of all hosts.
pub(super) async fn facts(probes: &BTreeMap<String, Probe>) -> Result<BTreeMap<String, Facts>, Failure> {
    let asking = probes
        .iter()
        .map(|(name, probe)| async move { Ok::<_, host::Error>((name.clone(), probe.facts().await?)) });
    Ok(try_join_all(asking).await?.into_iter().collect())
}

/// Who holds the lock, for those who find it taken.
fn holder() -> String {
    let uname = rustix::system::uname();
    let machine = uname.nodename().to_string_lossy();
    let uid = rustix::process::getuid().as_raw();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("user {uid} on {machine}, process {}, since {now}", std::process::id())
}
