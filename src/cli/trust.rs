//! `provision trust`: the host keys of all hosts, shown and pinned.

use futures_util::future::join_all;
use miette::{IntoDiagnostic, miette};

use super::{
    apply::{confirm, may_ask},
    args::TrustHosts,
    console::Terminal,
    exit::{Exit, Failure},
};
use crate::{
    host::{Connector, Decision, KnownHosts, pin},
    inventory::{self, Address, Fold},
    report::{self, HostKey},
};

pub(super) async fn run(args: &TrustHosts) -> Result<Exit, Failure> {
    may_ask(args.json, args.yes)?;
    let fleet = inventory::load(&args.path, Fold::AsWritten)?;
    let file = fleet.known_hosts();
    let connector = Connector::new(file.clone(), false, Box::new(Terminal));
    let pinned = KnownHosts::load(std::slice::from_ref(&file)).into_diagnostic().map_err(Failure::usage)?;
    let remote = fleet.hosts.iter().filter(|host| matches!(host.address, Address::Remote(_)));
    let asking = remote.map(|host| async { (host.name.clone(), connector.host_keys(host).await) });
    let (mut new, mut exit) = (Vec::new(), Exit::Done);
    for (host, keys) in join_all(asking).await {
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => {
                report::failure(&error.into());
                exit = Exit::Failed;
                continue;
            }
        };
        // Keys of other kinds than the pinned ones are new, where one of them is the pinned one.
        let known =
            keys.iter().any(|(address, port, key)| pinned.decide(address, *port, key) == Decision::Trusted);
        for (address, port, key) in keys {
            let decision = match pinned.decide(&address, port, &key) {
                Decision::Changed { kind, .. } if known && kind != key.kind => Decision::Unknown,
                other => other,
            };
            report::host_key(
                &HostKey { host: &host, address: &address, port, key: &key, decision: &decision },
                args.json,
            );
            match decision {
                Decision::Unknown => new.push((address, port, key)),
                Decision::Trusted => {}
                Decision::Changed { .. } | Decision::Revoked { .. } => exit = Exit::Failed,
            }
        }
    }
    if new.is_empty() {
        return Ok(exit);
    }
    let question = format!("Pin these {} keys in {}? [y/N] ", new.len(), file.display());
    if !args.yes && !confirm(&question, |answer| matches!(answer, "y" | "Y" | "yes"))? {
        report::remark("nothing was pinned");
        return Ok(Exit::Failed);
    }
    for (address, port, key) in &new {
        let help = "see that the folder of the inventory is writable";
        pin(&file, address, *port, key).map_err(|error| {
            Failure::usage(miette!(help = help, "could not write {}: {error}", file.display()))
        })?;
    }
    report::remark(&format!("pinned {} keys in {}", new.len(), file.display()));
    Ok(exit)
}
