//! `provision destroy`: undo by the ledger.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{
    apply::{OutputOptions, carry_out, check_noninteractive, confirm, report_no_changes},
    args::Destroy,
    exit::{Exit, Failure},
    session::{Project, connect, lock, release},
};
use crate::{
    host::{Error, Facts, LockedHost, Result},
    inventory::Fleet,
    plan::{HostUndo, Plan},
    report::{self, Detail},
    resource::{Entry, Layout, quote},
};

pub(super) async fn run(args: &Destroy) -> Result<Exit, Failure> {
    check_noninteractive(args.json, args.yes)?;
    let project = Project::new(&args.inventory.path, args.inventory.single_host)?;
    let fleet = &project.fleet;
    let mut connected = connect(fleet, args.inventory.trust).await?;
    let hosts = lock(fleet, &mut connected).await?;
    let (mut facts, mut undo) = (BTreeMap::new(), Vec::new());
    for (name, told) in join_all(hosts.iter().map(|(name, host)| ledger(fleet, name, host))).await {
        match told {
            Ok((known, entries)) => {
                facts.insert(name.clone(), known);
                undo.push(HostUndo { host: name, entries });
            }
            Err(error) if error.is_lost() => connected.mark_unreachable(name, error),
            Err(error) => return Err(error.into()),
        }
    }
    connected.require_one()?;
    let plan = Plan::undo(fleet, undo, connected.reasons());
    if plan.is_empty() {
        let (name, environment) = (&fleet.name, fleet.environment);
        let words =
            format!("Nothing to undo: provision changed nothing here for cluster {name} {environment}.");
        report_no_changes(args.json, !connected.is_partial(None), &words);
        return Ok(connected.exit(Exit::Done, None));
    }
    if !args.json {
        report::note(&plan.text(Detail::Brief));
    }
    let question = format!("This deletes the cluster's data. Type its name ({}) to go on: ", fleet.name);
    if !args.yes && !confirm(&question, |answer| answer == fleet.name)? {
        report::note("nothing was changed");
        return Ok(Exit::Failed);
    }
    let show = OutputOptions { json: args.json, report: None, partial: connected.is_partial(None) };
    let undone = carry_out("destroy", &plan, &hosts, &facts, &project.cache, &show).await;
    release(hosts).await;
    undone?;
    if !args.json {
        let left =
            if connected.unreachable.is_empty() { "" } else { " from the hosts that can be connected" };
        report::result(&format!(
            "Cluster {} {} is gone{left}. The cache of builds is kept in {}.",
            fleet.name,
            fleet.environment,
            project.cache.dir().root().display()
        ));
    }
    Ok(connected.exit(Exit::Done, None))
}

async fn ledger(fleet: &Fleet, name: &str, host: &LockedHost) -> (String, Result<(Facts, Vec<Entry>)>) {
    (name.to_owned(), read(fleet, name, host).await)
}

async fn read(fleet: &Fleet, name: &str, host: &LockedHost) -> Result<(Facts, Vec<Entry>)> {
    let facts = host.probe().facts().await?;
    let path = Layout::new(fleet, &facts).ledger();
    let script = format!("[ ! -r {0} ] || cat -- {0}", quote(&path));
    let lines = host.probe().ask("the ledger", &script).await?;
    let unreadable = |line| Error::Ledger { host: name.to_owned(), path: path.clone(), line };
    let entries = Entry::read(&lines.join("\n")).map_err(unreadable)?;
    Ok((facts, entries))
}
