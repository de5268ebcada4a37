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
    fleet::{Loaded, Reached, connect, facts, lock, release},
    plan::nothing,
};
use crate::{
    build::Cache,
    event::{Event, Events, millis},
    host::{Change, Facts, Probe},
    plan::{Detail, Plan, look_again, standing},
    report::{self, Style},
    resource::Observed,
    run::{self, Cancel, Executor, Journal, Outcome},
};

pub(super) async fn run(args: Apply) -> Result<Exit, Failure> {
    may_ask(args.json, args.yes)?;
    file::writable("the report", args.report.as_deref())?;
    let ready = match (&args.plan, &args.path) {
        (Some(file), _) => saved(file, args.trust).await?,
        (None, Some(inventory)) => fresh(inventory, &args).await?,
        (None, None) => return Err(Failure::usage(miette!("an inventory or --plan is needed"))),
    };
    let ended = offer(args, &ready).await;
    release(ready.hosts).await;
    Ok(ready.reached.exit(ended?, ready.plan.limit.as_ref()))
}

/// Shows the plan, and carries it out if that is wanted.
async fn offer(args: Apply, ready: &Ready) -> Result<Exit, Failure> {
    let (plan, partial) = (&ready.plan, ready.reached.misses(ready.plan.limit.as_ref()));
    if plan.is_empty() {
        finished(args.json, !partial, &ready.nothing);
        return Ok(Exit::Done);
    }
    if !args.json {
        report::remark(&plan.text(Detail::Brief));
    }
    if !args.yes && !confirm("Apply this plan? [y/N] ", |answer| matches!(answer, "y" | "Y" | "yes"))? {
        report::remark("nothing was changed");
        return Ok(Exit::Failed);
    }
    let show = Show { json: args.json, report: args.report, partial };
    let outcome = carry_out("apply", plan, &ready.hosts, &ready.facts, &ready.cache, &show).await?;
    if outcome.evidence.is_some() && !args.json {
        report::result(&report::how_to_connect(&plan.fleet));
    }
    Ok(Exit::Done)
}

/// A plan, and the hosts it may be carried out on.
struct Ready {
    plan: Plan,
    reached: Reached,
    hosts: BTreeMap<String, Change>,
    facts: BTreeMap<String, Facts>,
    cache: Cache,
    /// What is said where the plan is empty.
    nothing: String,
}

/// The plan that follows from an inventory.
async fn fresh(inventory: &Path, args: &Apply) -> Result<Ready, Failure> {
    let loaded = Loaded::new(inventory, args.single_host)?;
    let choice = loaded.choice(&args.choice)?;
    let mut reached = connect(&loaded.fleet, args.trust).await?;
    let mut hosts = lock(&loaded.fleet, &mut reached).await?;
    let survey = reached.survey(&loaded).await?;
    hosts.retain(|host, _| reached.probes.contains_key(host));
    let plan = survey.plan(&loaded.fleet, &choice)?;
    let nothing = nothing(&plan, &choice);
    Ok(Ready { plan, reached, hosts, facts: survey.facts, cache: loaded.cache, nothing })
}

/// A saved plan. It says all there is to do: neither inventory nor playbook nor templates are read again.
async fn saved(file: &Path, trust: Trust) -> Result<Ready, Failure> {
    let plan = read(file)?;
    let mut reached = connect(&plan.fleet, trust).await?;
    needed(&plan, &mut reached)?;
    let hosts = lock(&plan.fleet, &mut reached).await?;
    needed(&plan, &mut reached)?;
    let facts = facts(&reached.probes).await?;
    let seen = unmoved(&plan, &reached.probes, &facts).await?;
    standing(&plan.fleet, &reached.probes, &facts, |host| seen.get(host)).await?;
    let nothing = format!("Nothing to change: the plan for cluster {} is empty.", plan.fleet.name);
    Ok(Ready { plan, reached, hosts, facts, cache: Cache::open()?, nothing })
}

/// A saved plan is carried out on all its hosts or on none.
fn needed(plan: &Plan, reached: &mut Reached) -> Result<(), Failure> {
    let missing = reached.missing.keys().find(|host| plan.hosts.contains_key(*host)).cloned();
    match missing.and_then(|host| reached.missing.remove(&host)) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// With `--json` the plan is not shown, and nobody can be asked about what was not shown.
pub(super) fn may_ask(json: bool, yes: bool) -> Result<(), Failure> {
    if json && !yes {
        let help = "add --yes; what would change is shown without --json";
        return Err(Failure::usage(miette!(help = help, "--json asks nothing, and --yes is missing")));
    }
    Ok(())
}

/// Says that there was nothing to do.
pub(super) fn finished(json: bool, ok: bool, words: &str) {
    if json {
        report::json_line(&Event::RunFinished { ok, changed: 0, took_ms: 0 });
    } else {
        report::result(words);
    }
}

/// Where a run is told of, besides the journal.
#[derive(Debug, Default)]
pub(super) struct Show {
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
    hosts: &BTreeMap<String, Change>,
    facts: &BTreeMap<String, Facts>,
    cache: &Cache,
    show: &Show,
) -> Result<Outcome, Failure> {
    let (events, receiver) = Events::channel();
    let cluster = plan.fleet.name.clone();
    let journal = Journal::create(cache.root(), &cluster).ok();
    let path = journal.as_ref().map(|journal| journal.path().to_owned());
    let following = report::follow(receiver, Style::choose(show.json), journal);
    let began = Instant::now();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    events.emit(Event::RunStarted { verb: verb.to_owned(), cluster, tier: plan.fleet.tier, version });
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
        report::remark(&format!("journal: {}", path.display()));
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
async fn unmoved(
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
        let observed = look_again(probe, facts, &state.desired).await?;
        if observed.fingerprint() != state.fingerprint {
            return Err(run::Error::Moved { host: host.clone() }.into());
        }
        seen.insert(host.clone(), observed);
    }
    Ok(seen)
}
