//! `provision destroy`: undo by the ledger.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{
    apply::{Show, carry_out, confirm, finished, may_ask},
    args::Destroy,
    exit::{Exit, Failure},
    fleet::{Loaded, connect, lock, release},
};
use crate::{
    host::{Change, Error, Facts, Result},
    inventory::Fleet,
    plan::{Detail, HostUndo, Plan},
    report,
    resource::{Entry, Layout, quote},
};

pub(super) async fn run(args: &Destroy) -> Result<Exit, Failure> {
    may_ask(args.json, args.yes)?;
    let loaded = Loaded::new(&args.inventory.path, args.inventory.single_host)?;
    let fleet = &loaded.fleet;
    let mut reached = connect(fleet, args.inventory.trust).await?;
    let hosts = lock(fleet, &mut reached).await?;
    let (mut facts, mut undo) = (BTreeMap::new(), Vec::new());
    for (name, told) in join_all(hosts.iter().map(|(name, host)| ledger(fleet, name, host))).await {
        match told {
            Ok((known, entries)) => {
                facts.insert(name.clone(), known);
                undo.push(HostUndo { host: name, entries });
            }
            Err(error) if error.is_lost() => reached.lose(name, error),
            Err(error) => return Err(error.into()),
        }
    }
    reached.any()?;
    let plan = Plan::undo(fleet, undo, reached.unreachable());
    if plan.is_empty() {
        let (name, tier) = (&fleet.name, fleet.tier);
        let words = format!("Nothing to undo: provision changed nothing here for cluster {name} {tier}.");
        finished(args.json, !reached.misses(None), &words);
        return Ok(reached.exit(Exit::Done, None));
    }
    if !args.json {
        report::remark(&plan.text(Detail::Brief));
    }
    let question = format!("This deletes the cluster's data. Type its name ({}) to go on: ", fleet.name);
    if !args.yes && !confirm(&question, |answer| answer == fleet.name)? {
        report::remark("nothing was changed");
        return Ok(Exit::Failed);
    }
    let show = Show { json: args.json, report: None, partial: reached.misses(None) };
    let undone = carry_out("destroy", &plan, &hosts, &facts, &loaded.cache, &show).await;
    release(hosts).await;
    undone?;
    if !args.json {
        let left = if reached.missing.is_empty() { "" } else { " from the hosts that can be reached" };
        report::result(&format!(
            "Cluster {} {} is gone{left}. The cache of builds is kept in {}.",
            fleet.name,
            fleet.tier,
            loaded.cache.root().display()
        ));
    }
    Ok(reached.exit(Exit::Done, None))
}

async fn ledger(fleet: &Fleet, name: &str, host: &Change) -> (String, Result<(Facts, Vec<Entry>)>) {
    (name.to_owned(), read(fleet, name, host).await)
}

async fn read(fleet: &Fleet, name: &str, host: &Change) -> Result<(Facts, Vec<Entry>)> {
    let facts = host.probe().facts().await?;
    let path = Layout::new(fleet, &facts).ledger();
    let script = format!("[ ! -r {0} ] || cat -- {0}", quote(&path));
    let lines = host.probe().ask("the ledger", &script).await?;
    let unreadable = |line| Error::Ledger { host: name.to_owned(), path: path.clone(), line };
    let entries = Entry::read(&lines.join("\n")).map_err(unreadable)?;
    Ok((facts, entries))
}
