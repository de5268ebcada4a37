//! Why a host key is refused, and what to do about it.

use std::path::Path;

use crate::host::{
    connect_error::{ConnectError, Phase},
    known_hosts::Key,
};

pub(super) fn unknown(key: &Key) -> ConnectError {
    let reason = format!("unknown host key; it shows {} {}", key.kind, key.fingerprint());
    ConnectError::new(Phase::HostKey, reason).hint(
        "compare it with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the host's console, then pin it with \
         `provision trust INVENTORY`, or accept unknown hosts with --accept-new",
    )
}

pub(super) fn changed(host: &str, key: &Key, file: &Path, line: usize, kind: &str) -> ConnectError {
    let file = file.display();
    let reason = format!(
        "it shows {} {}, and {file} line {line} has another {kind} key for {host}",
        key.kind,
        key.fingerprint()
    );
    ConnectError::new(Phase::HostKey, reason).hint(format!(
        "possible man-in-the-middle attack. If the host was reinstalled, compare the fingerprint on its console, remove line {line} \
         of {file}, and run `provision trust INVENTORY`"
    ))
}

pub(super) fn revoked(key: &Key, file: &Path, line: usize) -> ConnectError {
    let file = file.display();
    let reason = format!("{} {} is revoked by {file} line {line}", key.kind, key.fingerprint());
    ConnectError::new(Phase::HostKey, reason)
        .hint("create a new key on the host: a revoked one may be known to an attacker")
}
