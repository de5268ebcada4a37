//! `provision apply`: bring the hosts to what the inventory says, and prove it.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use miette::{IntoDiagnostic, WrapErr, miette};

use super::{
    args::{Apply, Trust},
    exit::{Exit, Failure},
    file,
    plan::no_changes_message,
    session::{Connected, Project, connect, facts, lock, release},
};
use crate::{
    artifact::ArtifactStore,
    cache_dir::CacheDir,
    event::{Event, Events, millis},
    host::{Facts, LockedHost, Probe},
    inspect::{cluster_state, observe},
    plan::Plan,
    report::{self, Detail, Journal, Style},
    resource::Observed,
    run::{self, Cancel, Executor, Outcome},
};

pub(super) async fn run(args: Apply) -> Result<Exit, Failure> {
    check_noninteractive(args.json, args.yes)?;
    file::writable("the report", args.report.as_deref())?;
    let ready = match (&args.plan, &args.path) {
        (Some(file), _) => plan_from_file(file, args.trust).await?,
        (None, Some(inventory)) => plan_from_inventory(inventory, &args).await?,
        (None, None) => return Err(Failure::usage(miette!("an inventory or --plan is needed"))),
    };
    let ended = confirm_and_run(args, &ready).await;
    release(ready.hosts).await;
    Ok(ready.connected.exit(ended?, ready.plan.limit.as_ref()))
}

/// Shows the plan, and carries it out if that is wanted.
async fn confirm_and_run(args: Apply, ready: &PreparedRun) -> Result<Exit, Failure> {
    let (plan, partial) = (&ready.plan, ready.connected.is_partial(ready.plan.limit.as_ref()));
    if plan.is_empty() {
        report_no_changes(args.json, !partial, &ready.nothing);
        return Ok(Exit::Done);
    }
    if !args.json {
        report::note(&plan.text(Detail::Brief));
    }
    if !args.yes && !confirm("Apply this plan? [y/N] ", |answer| matches!(answer, "y" | "Y" | "yes"))? {
        report::note("nothing was changed");
        return Ok(Exit::Failed);
    }
    let show = OutputOptions { json: args.json, report: args.report, partial };
    let outcome = carry_out("apply", plan, &ready.hosts, &ready.facts, &ready.cache, &show).await?;
    if outcome.evidence.is_some() && !args.json {
        report::result(&report::how_to_connect(&plan.fleet));
    }
    Ok(Exit::Done)
}

/// A plan, and the hosts it may be carried out on.
struct PreparedRun {
    plan: Plan,
    connected: Connected,
    hosts: BTreeMap<String, LockedHost>,
    facts: BTreeMap<String, Facts>,
    cache: ArtifactStore,
    /// What is said where the plan is empty.
    nothing: String,
}

/// The plan that follows from an inventory.
async fn plan_from_inventory(inventory: &Path, args: &Apply) -> Result<PreparedRun, Failure> {
    let project = Project::new(inventory, args.single_host)?;
    let options = project.options(&args.options)?;
    let mut connected = connect(&project.fleet, args.trust).await?;
    let mut hosts = lock(&project.fleet, &mut connected).await?;
    let inspection = connected.inspect(&project).await?;
    hosts.retain(|host, _| connected.probes.contains_key(host));
    let plan = inspection.plan(&project.fleet, &options)?;
    let nothing = no_changes_message(&plan, &options);
    Ok(PreparedRun { plan, connected, hosts, facts: inspection.facts, cache: project.cache, nothing })
}

/// A saved plan. It says all there is to do: neither inventory nor playbook nor templates are read again.
async fn plan_from_file(file: &Path, trust: Trust) -> Result<PreparedRun, Failure> {
    let plan = read(file)?;
    let mut connected = connect(&plan.fleet, trust).await?;
    require_all_hosts(&plan, &mut connected)?;
    let hosts = lock(&plan.fleet, &mut connected).await?;
    require_all_hosts(&plan, &mut connected)?;
    let facts = facts(&connected.probes).await?;
    let seen = verify_fingerprints(&plan, &connected.probes, &facts).await?;
    cluster_state(&plan.fleet, &connected.probes, &facts, |host| seen.get(host)).await?;
    let nothing = format!("Nothing to change: the plan for cluster {} is empty.", plan.fleet.name);
    Ok(PreparedRun {
        plan,
        connected,
        hosts,
        facts,
        cache: ArtifactStore::new(CacheDir::of_user()?),
        nothing,
    })
}

/// A saved plan is carried out on all its hosts or on none.
fn require_all_hosts(plan: &Plan, connected: &mut Connected) -> Result<(), Failure> {
    let missing = connected.unreachable.keys().find(|host| plan.hosts.contains_key(*host)).cloned();
    match missing.and_then(|host| connected.unreachable.remove(&host)) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// With `--json` the plan is not shown, and nobody can be asked about what was not shown.
pub(super) fn check_noninteractive(json: bool, yes: bool) -> Result<(), Failure> {
    if json && !yes {
        let help = "add --yes; what would change is shown without --json";
        return Err(Failure::usage(miette!(help = help, "--json asks nothing, and --yes is missing")));
    }
    Ok(())
}

/// Says that there was nothing to do.
pub(super) fn report_no_changes(json: bool, ok: bool, words: &str) {
    if json {
        report::json_line(&Event::RunFinished { ok, changed: 0, took_ms: 0 });
    } else {
        report::result(words);
    }
}

/// Where a run is told of, besides the journal.
#[derive(Debug, Default)]
pub(super) struct OutputOptions {
    pub(super) json: bool,
    /// The file of the HTML report.
    pub(super) report: Option<PathBuf>,
    /// Whether hosts that are meant are missing, so that all that can be done is not enough.
    pub(super) partial: bool,
}

/// Runs a plan with events, journal and progress, and shows the evidence, that of a failed proof too.
pub(super) async fn carry_out(
    verb: &str,
    plan: &Plan,
    hosts: &BTreeMap<String, LockedHost>,
    facts: &BTreeMap<String, Facts>,
    cache: &ArtifactStore,
    show: &OutputOptions,
) -> Result<Outcome, Failure> {
    let (events, receiver) = Events::channel();
    let cluster = plan.fleet.name.clone();
    let journal = Journal::create(cache.dir(), &cluster).ok();
    let path = journal.as_ref().map(|journal| journal.path().to_owned());
    let following = report::follow(receiver, Style::choose(show.json), journal);
    let began = Instant::now();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    events.emit(Event::RunStarted {
        verb: verb.to_owned(),
        cluster,
        environment: plan.fleet.environment,
        version,
    });
    let cancel = Cancel::on_ctrl_c(&events);
    let executor = Executor { hosts, facts, cache, events: &events, cancel: &cancel };
    let (outcome, result) = executor.run(plan).await;
    let (ok, changed) = (result.is_ok() && !show.partial, outcome.changed);
    events.emit(Event::RunFinished { ok, changed, took_ms: millis(began.elapsed()) });
    let told = following.await.unwrap_or_default();
    match &outcome.evidence {
        Some(evidence) if show.json => report::json_line(evidence),
        Some(evidence) => report::result(&report::evidence_table(evidence)),
        None => {}
    }
    let reported = show.report.as_ref().map_or(Ok(()), |file| {
        let page = report::html(&plan.fleet, &told, outcome.evidence.as_ref()).into_diagnostic();
        file::write("the report", file, page.map_err(Failure::failed)?.as_bytes())
    });
    let Err(error) = result else { return reported.map(|()| outcome) };
    if let Err(failure) = reported {
        report::failure(&failure.report);
    }
    if let Some(path) = path {
        report::note(&format!("journal: {}", path.display()));
    }
    Err(error.into())
}

/// Asks on the terminal. Without one there is nobody to ask.
pub(super) fn confirm(question: &str, accept: impl Fn(&str) -> bool) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let help = "add --yes to go ahead without being asked";
        return Err(Failure::usage(miette!(help = help, "there is no terminal to ask for confirmation on")));
    }
    let _ = write!(anstream::stderr(), "{question}");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).into_diagnostic().map_err(Failure::usage)?;
    Ok(accept(answer.trim()))
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let plan: Plan = std::fs::read(file)
        .into_diagnostic()
        .and_then(|bytes| serde_json::from_slice(&bytes).into_diagnostic())
        .wrap_err_with(|| format!("could not read the plan {}", file.display()))
        .map_err(Failure::usage)?;
    let ours = env!("CARGO_PKG_VERSION");
    if plan.provision != ours {
        let (theirs, ours) = (plan.provision, ours.to_owned());
        return Err(Failure::usage(run::Error::OtherVersion { theirs, ours }.into()));
    }
    Ok(plan)
}

/// What is on the hosts, if every one is still what the saved plan was made for.
async fn verify_fingerprints(
    plan: &Plan,
    probes: &BTreeMap<String, Probe>,
    facts: &BTreeMap<String, Facts>,
) -> Result<BTreeMap<String, Observed>, Failure> {
    let mut seen = BTreeMap::new();
    for (host, state) in &plan.hosts {
        let (Some(probe), Some(facts)) = (probes.get(host), facts.get(host)) else {
            let help = "make a new plan: `provision plan INVENTORY -o FILE`";
            let error = miette!(help = help, "the plan changes {host}, which is no host of its cluster");
            return Err(Failure::usage(error));
        };
        let observed = observe(probe, facts, &state.desired).await?;
        if observed.fingerprint() != state.fingerprint {
            return Err(run::Error::Moved { host: host.clone() }.into());
        }
        seen.insert(host.clone(), observed);
    }
    Ok(seen)
}
