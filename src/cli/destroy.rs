//! `provision destroy`: undo by the ledger.

use futures_util::future::join_all;

use super::{
    args::Destroy,
    exit::{Exit, Failure},
    inventory_arg::resolve,
    project::Project,
    prompt::{check_noninteractive, confirm},
    run::{OutputOptions, carry_out, report_no_changes},
    session::{connect, lock, release},
    unreachable::{Unreachable, reporting_unreachable},
};
use crate::{
    host::{Error, LockedHost},
    inspect::{LockedSessions, Session},
    plan::{HostUndo, Plan},
    report::{self, Detail},
    resource::{Entry, quote},
};

pub(super) async fn run(args: &Destroy) -> Result<Exit, Failure> {
    check_noninteractive(args.json, args.yes)?;
    let project = Project::new(&resolve(args.inventory.path.as_deref())?, args.inventory.single_host)?;
    reporting_unreachable(async |unreachable| {
        let probes = connect(&project.fleet, args.inventory.trust, unreachable).await?;
        let mut sessions = lock(&project.fleet, probes, unreachable).await?;
        let undo = ledgers(&mut sessions, unreachable).await?;
        let plan = Plan::undo(&project.fleet, undo, unreachable.reasons());
        let ended = confirm_and_undo(args, &project, &plan, &sessions, unreachable).await;
        release(sessions).await;
        Ok(unreachable.exit(ended?, None))
    })
    .await
}

/// Shows the plan, and carries it out once it is confirmed.
async fn confirm_and_undo(
    args: &Destroy,
    project: &Project,
    plan: &Plan,
    sessions: &LockedSessions,
    unreachable: &Unreachable,
) -> Result<Exit, Failure> {
    let (name, environment) = (&plan.fleet.name, plan.fleet.environment);
    let partial = unreachable.is_partial(None);
    if plan.is_empty() {
        let message =
            format!("Nothing to undo: provision changed nothing here for cluster {name} {environment}.");
        report_no_changes(args.json, !partial, &message);
        return Ok(Exit::Done);
    }
    if !args.json {
        report::note(&plan.text(Detail::Brief));
    }
    let question = format!("This deletes the cluster's data. Type its name ({name}) to go on: ");
    if !args.yes && !confirm(&question, |answer| answer == name)? {
        report::note("nothing was changed");
        return Ok(Exit::Failed);
    }
    let output = OutputOptions { json: args.json, report: None, partial };
    carry_out("destroy", plan, sessions, &project.store, &output).await?;
    if !args.json {
        let left = if partial { " from the hosts that can be reached" } else { "" };
        report::result(&format!(
            "Cluster {name} {environment} is gone{left}. The cache of builds is kept in {}.",
            project.store.dir().root().display()
        ));
    }
    Ok(Exit::Done)
}

/// What the ledgers of all hosts record. A host that is lost meanwhile loses its session.
async fn ledgers(
    sessions: &mut LockedSessions,
    unreachable: &mut Unreachable,
) -> Result<Vec<HostUndo>, Failure> {
    let reading = sessions.iter().map(async |(name, session)| (name.to_owned(), ledger(session).await));
    let (mut undo, mut lost) = (Vec::new(), Vec::new());
    for (host, entries) in join_all(reading).await {
        match entries {
            Ok(entries) => undo.push(HostUndo { host, entries }),
            Err(error) if error.is_lost() => lost.push((host, error)),
            Err(error) => return Err(error.into()),
        }
    }
    for (host, error) in lost {
        sessions.remove(&host);
        unreachable.add(host, error);
    }
    unreachable.require_some(!sessions.is_empty())?;
    Ok(undo)
}

async fn ledger(session: &Session<LockedHost>) -> Result<Vec<Entry>, Error> {
    let path = session.layout.ledger();
    let script = format!("[ ! -r {0} ] || cat -- {0}", quote(&path));
    let lines = session.probe().ask("the ledger", &script).await?;
    let host = session.host.name().to_owned();
    Entry::read(&lines.join("\n")).map_err(|line| Error::Ledger { host, path, line })
}
