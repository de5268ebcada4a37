//! Host keys, to be compared by eye.

use owo_colors::OwoColorize;
use serde_json::json;

use super::{json_line, result};
use crate::host::{Decision, Key};

/// A key a host shows, and what is on file about it.
#[derive(Debug)]
pub struct HostKey<'a> {
    pub host: &'a str,
    pub address: &'a str,
    pub port: u16,
    pub key: &'a Key,
    pub decision: &'a Decision,
}

/// Prints a key.
pub fn host_key(shown: &HostKey<'_>, json: bool) {
    if json {
        json_line(&as_json(shown));
    } else {
        result(&text(shown));
    }
}

fn as_json(shown: &HostKey<'_>) -> serde_json::Value {
    let HostKey { host, address, port, key, decision } = shown;
    let state = match decision {
        Decision::Trusted => "pinned",
        Decision::Unknown => "new",
        Decision::Changed { .. } => "changed",
        Decision::Revoked { .. } => "revoked",
    };
    let (kind, fingerprint) = (&key.kind, key.fingerprint());
    json!({ "host": host, "address": address, "port": port, "type": kind, "fingerprint": fingerprint, "state": state })
}

/// One line a key, and below it what to do: `n1 10.0.0.1 ssh-ed25519 SHA256:… new`.
pub(super) fn text(shown: &HostKey<'_>) -> String {
    let HostKey { host, address, port, key, decision } = shown;
    let (word, fix) = match decision {
        Decision::Trusted => ("pinned".green().to_string(), String::new()),
        Decision::Unknown => ("new".yellow().to_string(), String::new()),
        Decision::Changed { file, line, .. } => {
            let fix = format!(
                "\n  {} line {line} has another key. If the host was reinstalled, compare the fingerprint on its \
                 console and remove that line",
                file.display()
            );
            ("CHANGED".red().bold().to_string(), fix)
        }
        Decision::Revoked { file, line } => {
            ("REVOKED".red().bold().to_string(), format!("\n  by {} line {line}", file.display()))
        }
    };
    let port = if *port == 22 { String::new() } else { format!(":{port}") };
    format!("{host} {address}{port} {} {} {word}{fix}", key.kind, key.fingerprint())
}
