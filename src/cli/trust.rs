//! `provision trust`: the host keys of all hosts, shown and pinned.

use std::{collections::BTreeSet, path::PathBuf};

use futures_util::future::join_all;
use miette::{IntoDiagnostic, miette};

use super::{
    apply::{check_noninteractive, confirm},
    args::TrustHosts,
    exit::{Exit, Failure},
    prompt::Terminal,
};
use crate::{
    host::{Connector, Decision, Error, KnownHosts, ScannedKey, pin},
    inventory::{self, Address, Fleet, Fold},
    report::{self, HostKey},
};

pub(super) async fn run(args: &TrustHosts) -> Result<Exit, Failure> {
    check_noninteractive(args.json, args.yes)?;
    let fleet = inventory::load(&args.path, Fold::AsWritten)?;
    let mut told = BTreeSet::new();
    loop {
        let looked = look(&fleet, args.json, &mut told).await?;
        let behind = looked.new.iter().any(|shown| shown.jump) && !looked.failed.is_empty();
        if !behind {
            looked.failed.into_iter().for_each(|error| report::failure(&error.into()));
        }
        if looked.new.is_empty() {
            return Ok(looked.exit);
        }
        if !pinned(&looked.new, &looked.file, args.yes)? {
            return Ok(Exit::Failed);
        }
        // Jump hosts that are known now lead to hosts that could not be seen before.
        if !behind {
            return Ok(looked.exit);
        }
    }
}

/// What one look at all hosts has shown.
struct Looked {
    file: PathBuf,
    new: Vec<ScannedKey>,
    failed: Vec<Error>,
    exit: Exit,
}

/// Looks at all keys, and shows those that were not `told` before.
async fn look(fleet: &Fleet, json: bool, told: &mut BTreeSet<String>) -> Result<Looked, Failure> {
    let file = fleet.known_hosts();
    let connector = Connector::new(file.clone(), false, Box::new(Terminal));
    let pins = KnownHosts::load(std::slice::from_ref(&file)).into_diagnostic().map_err(Failure::usage)?;
    let remote = fleet.hosts.iter().filter(|host| matches!(host.address, Address::Remote(_)));
    let asking = remote.map(|host| async { (host.name.clone(), connector.host_keys(host).await) });
    let mut looked = Looked { file, new: Vec::new(), failed: Vec::new(), exit: Exit::Done };
    for (host, (keys, failed)) in join_all(asking).await {
        if failed.is_some() {
            looked.exit = Exit::Failed;
        }
        looked.failed.extend(failed);
        for shown in &keys {
            let ScannedKey { address, port, key, jump, .. } = shown;
            let decision = decide(&pins, shown, &keys);
            if matches!(decision, Decision::Changed { .. } | Decision::Revoked { .. }) {
                looked.exit = Exit::Failed;
            }
            if !told.insert(format!("{address} {port} {key}")) {
                continue;
            }
            let host = if *jump { address } else { &host };
            report::host_key(&HostKey { host, address, port: *port, key, decision: &decision }, json);
            if decision == Decision::Unknown {
                looked.new.push(shown.clone());
            }
        }
    }
    Ok(looked)
}

/// What is on file about a key: in the pins, and for one that is new there in the user's own files, which a pin must not
/// overrule. Keys of other kinds than the known ones are new, where one of them is a known one.
fn decide(pins: &KnownHosts, shown: &ScannedKey, all: &[ScannedKey]) -> Decision {
    let same = |other: &&ScannedKey| (&other.address, other.port) == (&shown.address, shown.port);
    let judge = |decide: &dyn Fn(&ScannedKey) -> Decision| match decide(shown) {
        Decision::Changed { kind, .. }
            if kind != shown.key.kind
                && all.iter().filter(same).any(|other| decide(other) == Decision::Trusted) =>
        {
            Decision::Unknown
        }
        other => other,
    };
    match judge(&|shown| pins.decide(&shown.address, shown.port, &shown.key)) {
        Decision::Unknown => match judge(&|shown| shown.user_verdict.clone()) {
            Decision::Trusted => Decision::Unknown,
            other => other,
        },
        other => other,
    }
}

/// Pins keys, if that is wanted.
fn pinned(new: &[ScannedKey], file: &std::path::Path, yes: bool) -> Result<bool, Failure> {
    let question = format!("Pin these {} keys in {}? [y/N] ", new.len(), file.display());
    if !yes && !confirm(&question, |answer| matches!(answer, "y" | "Y" | "yes"))? {
        report::note("nothing was pinned");
        return Ok(false);
    }
    for ScannedKey { address, port, key, .. } in new {
        let help = "see that the folder of the inventory is writable";
        pin(file, address, *port, key).map_err(|error| {
            Failure::usage(miette!(help = help, "could not write {}: {error}", file.display()))
        })?;
    }
    report::note(&format!("pinned {} keys in {}", new.len(), file.display()));
    Ok(true)
}
