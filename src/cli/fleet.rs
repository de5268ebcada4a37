//! What every verb begins with: the fleet, its flow, and a connection to each host.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    path::Path,
    sync::OnceLock,
};

use futures_util::future::{join_all, try_join_all};

use super::{
    args::{self, Trust},
    console::Terminal,
    exit::{Exit, Failure},
};
use crate::{
    build::Cache,
    host::{self, Change, Connector, Facts, Probe},
    inventory::{self, Fleet, Fold},
    plan::{self, Choice, Flow, Pace, Survey, Templates},
    playbook::{self, Playbook},
    report,
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
        let sysctl = playbook::template(&fleet, "sysctl.conf")?.text;
        let templates = Templates { config, unit, sysctl };
        Ok(Self { fleet, playbook, templates, cache: Cache::open()? })
    }

    /// What the user wants of the plan, with its words checked against playbook and fleet.
    pub(super) fn choice(&self, args: &args::Choice) -> Result<Choice, Failure> {
        self.playbook.refuse_unknown(&args.tags)?;
        let limit =
            (!args.limit.is_empty()).then(|| inventory::select(&self.fleet, &args.limit)).transpose()?;
        let pace = Pace { serial: args.serial.map(usize::from), max_failures: args.max_failures };
        Ok(Choice { tags: args.tags.clone(), limit, pace })
    }

    fn flow(&self) -> Flow<'_> {
        Flow { playbook: &self.playbook, templates: &self.templates, cache: &self.cache }
    }
}

/// The hosts that answered, and those that did not, which are told with their reasons however the verb ends.
pub(super) struct Reached {
    pub(super) probes: BTreeMap<String, Probe>,
    pub(super) missing: BTreeMap<String, host::Error>,
}

impl Reached {
    /// Whether hosts are missing that are meant; no limit means all.
    pub(super) fn misses(&self, limit: Option<&BTreeSet<String>>) -> bool {
        self.missing.keys().any(|host| limit.is_none_or(|limit| limit.contains(host)))
    }

    /// How the verb ends: hosts that are missing and were meant make it a failure.
    pub(super) fn exit(self, exit: Exit, limit: Option<&BTreeSet<String>>) -> Exit {
        if self.misses(limit) { Exit::Failed } else { exit }
    }

    /// A host has gone.
    pub(super) fn lose(&mut self, host: String, error: host::Error) {
        self.probes.remove(&host);
        self.missing.insert(host, error);
    }

    /// With no host there is nothing to go on with.
    pub(super) fn any(&mut self) -> Result<(), Failure> {
        if self.probes.is_empty()
            && let Some((_, last)) = self.missing.pop_last()
        {
            return Err(last.into());
        }
        Ok(())
    }

    /// Looks at all that is there. Hosts that are lost meanwhile are missing from then on.
    pub(super) async fn survey(&mut self, loaded: &Loaded) -> Result<Survey, Failure> {
        let mut survey =
            plan::survey(&loaded.fleet, &self.probes, self.unreachable(), &loaded.flow()).await?;
        for (host, error) in std::mem::take(&mut survey.lost) {
            self.lose(host, error);
        }
        self.any()?;
        Ok(survey)
    }

    /// Why hosts are missing, for the plan.
    pub(super) fn unreachable(&self) -> BTreeMap<String, String> {
        self.missing.iter().map(|(host, error)| (host.clone(), error.to_string())).collect()
    }
}

impl Drop for Reached {
    /// Whatever else went wrong, or well: each host that is missing has a reason and a fix of its own.
    fn drop(&mut self) {
        for error in std::mem::take(&mut self.missing).into_values() {
            report::failure(&error.into());
        }
    }
}

/// Connects to all hosts at once. Those that cannot be reached are told, and the rest goes on; with none there is
/// nothing to go on with.
pub(super) async fn connect(fleet: &Fleet, trust: Trust) -> Result<Reached, Failure> {
    let connector = Connector::new(fleet.known_hosts(), trust.accept_new, Box::new(Terminal));
    let connecting = fleet.hosts.iter().map(|host| async {
        let probe = Probe::connect(host, &connector).await;
        (host.name.clone(), probe)
    });
    let mut reached = Reached { probes: BTreeMap::new(), missing: BTreeMap::new() };
    for (name, probe) in join_all(connecting).await {
        match probe {
            Ok(probe) => drop(reached.probes.insert(name, probe)),
            Err(error) => drop(reached.missing.insert(name, error)),
        }
    }
    reached.any()?;
    Ok(reached)
}

/// Takes the cluster's lock on all hosts, on the first one first; one that is lost meanwhile is missing from then on.
pub(super) async fn lock(fleet: &Fleet, reached: &mut Reached) -> Result<BTreeMap<String, Change>, Failure> {
    let holder = holder();
    let told = OnceLock::new();
    // All hosts have the same holder: it is told once.
    let waits = |other: &str| {
        if told.set(()).is_ok() {
            report::remark(&format!(
                "waiting up to 15s for another run that changes cluster {}: {other}",
                fleet.name
            ));
        }
    };
    let (mut open, mut locked) = (reached.probes.clone(), BTreeMap::new());
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
                Err(error) if error.is_lost() => reached.lose(name, error),
                Err(error) => return Err(error.into()),
            }
        }
    }
    reached.any()?;
    Ok(locked)
}

/// Gives the locks back: a command that comes right after this one finds nobody at work.
pub(super) async fn release(hosts: BTreeMap<String, Change>) {
    join_all(hosts.into_values().map(Change::release)).await;
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
