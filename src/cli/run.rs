//! Carrying out a plan, for the verbs that change hosts: events, journal, progress, evidence, report.

use std::{path::PathBuf, time::Instant};

use miette::IntoDiagnostic;

use super::{exit::Failure, file};
use crate::{
    artifact::ArtifactStore,
    event::{Event, Events, millis},
    inspect::LockedSessions,
    plan::Plan,
    report::{self, Journal, Style},
    run::{self, Cancel, Outcome, RunContext},
};

/// Where the output of a run goes, besides the journal.
#[derive(Debug, Default)]
pub(super) struct OutputOptions {
    pub(super) json: bool,
    /// The file of the HTML report.
    pub(super) report: Option<PathBuf>,
    /// Whether hosts that take part are missing, so that the run cannot end well.
    pub(super) partial: bool,
}

/// Runs a plan with events, journal and progress, and shows the evidence, also where it fails.
pub(super) async fn carry_out(
    verb: &str,
    plan: &Plan,
    sessions: &LockedSessions,
    store: &ArtifactStore,
    output: &OutputOptions,
) -> Result<Outcome, Failure> {
    let (events, receiver) = Events::channel();
    let journal = Journal::create(store.dir(), &plan.fleet.name).ok();
    let path = journal.as_ref().map(|journal| journal.path().to_owned());
    let following = report::follow(receiver, Style::choose(output.json), journal);
    let began = Instant::now();
    events.emit(Event::RunStarted {
        verb: verb.to_owned(),
        cluster: plan.fleet.name.clone(),
        environment: plan.fleet.environment,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let cancel = Cancel::on_ctrl_c(&events);
    let context = RunContext::new(sessions, store, &events, &cancel);
    let (outcome, result) = run::execute(context, plan).await;
    let (ok, changed) = (result.is_ok() && !output.partial, outcome.changed);
    events.emit(Event::RunFinished { ok, changed, took_ms: millis(began.elapsed()) });
    let events = following.await.unwrap_or_default();
    match &outcome.evidence {
        Some(evidence) if output.json => report::json_line(evidence),
        Some(evidence) => report::result(&report::evidence_table(evidence)),
        None => {}
    }
    let reported = write_report(output, plan, &events, &outcome);
    let Err(error) = result else { return reported.map(|()| outcome) };
    if let Err(failure) = reported {
        report::failure(&failure.report);
    }
    if let Some(path) = path {
        report::note(&format!("journal: {}", path.display()));
    }
    Err(error.into())
}

fn write_report(
    output: &OutputOptions,
    plan: &Plan,
    events: &[Event],
    outcome: &Outcome,
) -> Result<(), Failure> {
    let Some(file) = &output.report else { return Ok(()) };
    let page = report::html(&plan.fleet, events, outcome.evidence.as_ref()).into_diagnostic();
    file::write("the report", file, page.map_err(Failure::failed)?.as_bytes())
}

/// Reports that there was nothing to do.
pub(super) fn report_no_changes(json: bool, ok: bool, message: &str) {
    if json {
        report::json_line(&Event::RunFinished { ok, changed: 0, took_ms: 0 });
    } else {
        report::result(message);
    }
}
