//! What every verb begins with: the fleet, its flow, and a connection to each host.

use std::{collections::BTreeMap, path::Path};

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
    plan::{Choice, Flow, Pace, Templates},
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

    pub(super) fn flow(&self) -> Flow<'_> {
        Flow { playbook: &self.playbook, templates: &self.templates, cache: &self.cache }
    }
}

/// The hosts that answered, and those that did not.
pub(super) struct Reached {
    pub(super) probes: BTreeMap<String, Probe>,
    pub(super) missing: BTreeMap<String, host::Error>,
}

impl Reached {
    /// How the verb ends: hosts that are missing make it a failure, each with its own reason and fix.
    pub(super) fn exit(self, exit: Exit) -> Exit {
        if self.missing.is_empty() {
            return exit;
        }
        self.missing.into_values().for_each(|error| report::failure(&error.into()));
        Exit::Failed
    }

    /// Why hosts are missing, for the plan.
    pub(super) fn unreachable(&self) -> BTreeMap<String, String> {
        self.missing.iter().map(|(host, error)| (host.clone(), error.to_string())).collect()
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
    if reached.probes.is_empty()
        && let Some((_, last)) = reached.missing.pop_last()
    {
        reached.exit(Exit::Failed);
        return Err(last.into());
    }
    Ok(reached)
}

/// Takes the cluster's lock on all hosts.
pub(super) async fn lock(
    fleet: &Fleet,
    probes: &BTreeMap<String, Probe>,
) -> Result<BTreeMap<String, Change>, Failure> {
    let holder = holder();
    let locking = probes.iter().map(|(name, probe)| {
        let holder = &holder;
        async move { Ok::<_, host::Error>((name.clone(), probe.clone().lock(&fleet.name, holder).await?)) }
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

/// Who holds the lock, for those who find it taken.
fn holder() -> String {
    let uname = rustix::system::uname();
    let machine = uname.nodename().to_string_lossy();
    let uid = rustix::process::getuid().as_raw();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("user {uid} on {machine}, process {}, since {now}", std::process::id())
}
