//! `provision trust`: the host keys of all hosts, shown and pinned.

use std::{collections::BTreeSet, path::PathBuf};

use futures_util::future::join_all;
use miette::{IntoDiagnostic, miette};

use super::{
    args::TrustHosts,
    exit::{Exit, Failure},
    inventory_arg::resolve,
    prompt::{Terminal, check_noninteractive, confirm, is_yes},
};
use crate::{
    host::{Connector, Decision, Error, KnownHosts, Pool, ScannedKey, pin},
    inventory::{self, Address, Fleet, Fold},
    report::{self, HostKey},
};

pub(super) async fn run(args: &TrustHosts) -> Result<Exit, Failure> {
    check_noninteractive(args.json, args.yes)?;
    let fleet = inventory::load(&resolve(args.path.as_deref())?, Fold::AsWritten)?;
    let mut shown = BTreeSet::new();
    loop {
        let scanned = scan(&fleet, args.json, &mut shown).await?;
        let behind = scanned.new.iter().any(|key| key.jump) && !scanned.failed.is_empty();
        if !behind {
            scanned.failed.into_iter().for_each(|error| report::failure(&error.into()));
        }
        if scanned.new.is_empty() {
            return Ok(scanned.exit);
        }
        if !pinned(&scanned.new, &scanned.file, args.yes)? {
            return Ok(Exit::Failed);
        }
        // Hosts behind jump hosts whose keys are pinned now could not be scanned before.
        if !behind {
            return Ok(scanned.exit);
        }
    }
}

/// What one scan of all hosts has found.
struct Scanned {
    file: PathBuf,
    new: Vec<ScannedKey>,
    failed: Vec<Error>,
    exit: Exit,
}

/// Scans the keys of all hosts, and shows those that were not `shown` before.
async fn scan(fleet: &Fleet, json: bool, shown: &mut BTreeSet<String>) -> Result<Scanned, Failure> {
    let file = fleet.known_hosts();
    let pool = Pool::new(Connector::new(file.clone(), false, Box::new(Terminal)));
    let pins = KnownHosts::load(std::slice::from_ref(&file)).into_diagnostic().map_err(Failure::usage)?;
    let remote = fleet.hosts.iter().filter(|host| matches!(host.address, Address::Remote(_)));
    let asking = remote.map(|host| async { (host.name.clone(), pool.host_keys(host).await) });
    let mut scanned = Scanned { file, new: Vec::new(), failed: Vec::new(), exit: Exit::Done };
    for (host, (keys, failed)) in join_all(asking).await {
        if failed.is_some() {
            scanned.exit = Exit::Failed;
        }
        scanned.failed.extend(failed);
        for found in &keys {
            let ScannedKey { address, port, key, jump, .. } = found;
            let decision = decide(&pins, found, &keys);
            if matches!(decision, Decision::Changed { .. } | Decision::Revoked { .. }) {
                scanned.exit = Exit::Failed;
            }
            if !shown.insert(format!("{address} {port} {key}")) {
                continue;
            }
            let host = if *jump { address.as_str() } else { &host };
            report::host_key(&HostKey { host, address, port: *port, key, decision: &decision }, json);
            if decision == Decision::Unknown {
                scanned.new.push(found.clone());
            }
        }
    }
    Ok(scanned)
}

/// The verdict on a key: by the pins, and where they do not have it by the user's own files, which a pin must
/// not overrule. A key of another kind than the known ones is new, where one of the host's keys is a known
/// one.
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

/// Pins keys, once that is confirmed.
fn pinned(new: &[ScannedKey], file: &std::path::Path, yes: bool) -> Result<bool, Failure> {
    let question = format!("Pin these {} keys in {}? [y/N] ", new.len(), file.display());
    if !yes && !confirm(&question, is_yes)? {
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

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;
    use crate::host::Key;

    /// A key as it is sent: the name of its kind comes first, after its length.
    fn wire(kind: &str, blob: &[u8]) -> Vec<u8> {
        let length = u32::try_from(kind.len()).unwrap().to_be_bytes();
        [&length, kind.as_bytes(), blob].concat()
    }

    fn scanned(kind: &str, blob: &[u8], user_verdict: Decision) -> ScannedKey {
        let key = Key { kind: kind.to_owned(), blob: wire(kind, blob) };
        ScannedKey { address: "10.0.0.1".to_owned(), port: 22, key, user_verdict, jump: false }
    }

    /// The pins of a project: `marker 10.0.0.1 kind key`, a line each.
    fn pins(lines: &[(&str, &str, &[u8])]) -> KnownHosts {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let line = |(marker, kind, blob): &(&str, &str, &[u8])| {
            format!("{marker}10.0.0.1 {kind} {}\n", BASE64_STANDARD.encode(wire(kind, blob)))
        };
        let text: String = lines.iter().map(line).collect();
        std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), text.as_bytes()).unwrap();
        KnownHosts::load(&[file]).unwrap()
    }

    fn changed() -> Decision {
        Decision::Changed { file: "known_hosts".into(), line: 1, kind: "ssh-ed25519".to_owned() }
    }

    #[test]
    fn a_pinned_key_is_trusted_and_one_no_file_has_is_new() {
        let key = scanned("ssh-ed25519", b"one", Decision::Unknown);
        let pinned = pins(&[("", "ssh-ed25519", b"one")]);
        assert_eq!(decide(&pinned, &key, std::slice::from_ref(&key)), Decision::Trusted);
        assert_eq!(decide(&pins(&[]), &key, std::slice::from_ref(&key)), Decision::Unknown);
    }

    #[test]
    fn a_key_the_user_trusts_is_still_pinned() {
        let key = scanned("ssh-ed25519", b"one", Decision::Trusted);
        assert_eq!(decide(&pins(&[]), &key, std::slice::from_ref(&key)), Decision::Unknown);
    }

    #[test]
    fn a_pin_does_not_overrule_the_users_own_files() {
        let key = scanned("ssh-ed25519", b"two", changed());
        assert_eq!(decide(&pins(&[]), &key, std::slice::from_ref(&key)), changed());
    }

    #[test]
    fn a_changed_and_a_revoked_key_are_never_new() {
        let key = scanned("ssh-ed25519", b"two", Decision::Trusted);
        let other = pins(&[("", "ssh-ed25519", b"one")]);
        assert!(matches!(decide(&other, &key, std::slice::from_ref(&key)), Decision::Changed { .. }));
        let revoked = pins(&[("@revoked ", "ssh-ed25519", b"two")]);
        assert!(matches!(decide(&revoked, &key, std::slice::from_ref(&key)), Decision::Revoked { .. }));
    }

    #[test]
    fn another_kind_of_key_is_new_only_beside_one_that_is_known() {
        let pinned = pins(&[("", "ssh-ed25519", b"one")]);
        let known = scanned("ssh-ed25519", b"one", Decision::Unknown);
        let new = scanned("ssh-rsa", b"rsa", Decision::Unknown);
        assert_eq!(decide(&pinned, &new, &[known, new.clone()]), Decision::Unknown);
        assert!(matches!(decide(&pinned, &new, std::slice::from_ref(&new)), Decision::Changed { .. }));
    }
}
