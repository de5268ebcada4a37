//! `provision apply`: bring the hosts to what the inventory says, and prove it.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use miette::{IntoDiagnostic, WrapErr, miette};

use super::{
    args::Apply,
    exit::{Exit, Failure},
    file,
    fleet::{Loaded, connect, lock, probes},
    plan::nothing,
};
use crate::{
    host::{Change, Facts},
    plan::{Detail, Plan, look_again, survey},
    report::{self, Style},
    run::{self, Cancel, Event, Events, Executor, Journal, Outcome, millis},
};

pub(super) async fn run(args: Apply) -> Result<Exit, Failure> {
    let saved = args.plan.as_deref().map(read).transpose()?;
    let loaded = match (&saved, &args.path) {
        (Some(plan), _) => Loaded::of(plan.fleet.clone())?,
        (None, Some(path)) => Loaded::new(path, args.single_host)?,
        (None, None) => return Err(Failure::usage(miette!("an inventory or --plan is needed"))),
    };
    let hosts = lock(&loaded.fleet, connect(&loaded.fleet).await?).await?;
    let survey = survey(&loaded.fleet, &probes(&hosts), &loaded.flow()).await?;
    let plan = match saved {
        Some(plan) => unmoved(plan, &hosts, &survey.facts).await?,
        None => survey.plan(&loaded.fleet, &args.tags)?,
    };
    if plan.is_empty() {
        if args.json {
            report::json_line(&Event::RunFinished { ok: true, changed: 0, took_ms: 0 });
        } else {
            report::result(&nothing(&plan));
        }
        return Ok(Exit::Done);
    }
    if !args.json {
        report::remark(&plan.text(Detail::Brief));
    }
    if !args.yes && !confirm("Apply this plan? [y/N] ", |answer| matches!(answer, "y" | "Y" | "yes"))? {
        report::remark("nothing was changed");
        return Ok(Exit::Failed);
    }
    let show = Show { json: args.json, report: args.report };
    let outcome = carry_out("apply", &plan, &hosts, &survey.facts, &loaded, &show).await?;
    if outcome.evidence.is_some() && !args.json {
        report::result(&report::how_to_connect(&loaded.fleet));
    }
    Ok(Exit::Done)
}

/// Where a run is told of, besides the journal.
#[derive(Debug, Default)]
pub(super) struct Show {
    pub(super) json: bool,
    /// The file of the HTML report.
    pub(super) report: Option<PathBuf>,
}

/// Runs a plan with events, journal and progress, and shows the evidence, that of a failed proof too.
pub(super) async fn carry_out(
    verb: &str,
    plan: &Plan,
    hosts: &BTreeMap<String, Change>,
    facts: &BTreeMap<String, Facts>,
    loaded: &Loaded,
    show: &Show,
) -> Result<Outcome, Failure> {
    let (events, receiver) = Events::channel();
    let cluster = plan.fleet.name.clone();
    let journal = Journal::create(loaded.cache.root(), &cluster).ok();
    let path = journal.as_ref().map(|journal| journal.path().to_owned());
    let following = report::follow(receiver, Style::choose(show.json), journal);
    let began = Instant::now();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    events.emit(Event::RunStarted { verb: verb.to_owned(), cluster, version });
    let cancel = Cancel::on_ctrl_c(&events);
    let executor = Executor { hosts, facts, cache: &loaded.cache, events: &events, cancel: &cancel };
    let (outcome, result) = executor.run(plan).await;
    let (ok, changed) = (result.is_ok(), outcome.changed);
    events.emit(Event::RunFinished { ok, changed, took_ms: millis(began.elapsed()) });
    let told = following.await.unwrap_or_default();
    match &outcome.evidence {
        Some(evidence) if show.json => report::json_line(evidence),
        Some(evidence) => report::result(&report::evidence_table(evidence)),
        None => {}
    }
    if let Some(file) = &show.report {
        let page = report::html(&plan.fleet, &told, outcome.evidence.as_ref()).into_diagnostic();
        file::write("the report", file, page.map_err(Failure::usage)?.as_bytes())?;
    }
    match (result, path) {
        (Ok(()), _) => Ok(outcome),
        (Err(error), path) => {
            path.iter().for_each(|path| report::remark(&format!("journal: {}", path.display())));
            Err(error.into())
        }
    }
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

/// The saved plan, if every host is still what it was made for.
async fn unmoved(
    plan: Plan,
    hosts: &BTreeMap<String, Change>,
    facts: &BTreeMap<String, Facts>,
) -> Result<Plan, Failure> {
    for (host, state) in &plan.hosts {
        let (Some(change), Some(facts)) = (hosts.get(host), facts.get(host)) else { continue };
        let observed = look_again(change.probe(), facts, &state.desired).await?;
        if observed.fingerprint() != state.fingerprint {
            return Err(run::Error::Moved { host: host.clone() }.into());
        }
    }
    Ok(plan)
}
