//! Host keys, for people to compare.

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

/// One line a key: `n1 10.0.0.1 ssh-ed25519 SHA256:… new`.
pub fn host_key(shown: &HostKey<'_>, json: bool) {
    let HostKey { host, address, port, key, decision } = shown;
    let (word, fix) = match decision {
        Decision::Trusted => ("pinned".green().to_string(), None),
        Decision::Unknown => ("new".yellow().to_string(), None),
        Decision::Changed { file, line, .. } => {
            let fix = format!(
                "{} line {line} has another key. If the host was reinstalled, compare the fingerprint on its console and remove that line",
                file.display()
            );
            ("CHANGED".red().bold().to_string(), Some(fix))
        }
        Decision::Revoked { file, line } => {
            ("REVOKED".red().bold().to_string(), Some(format!("by {} line {line}", file.display())))
        }
    };
    let fingerprint = key.fingerprint();
    if json {
        let state = match decision {
            Decision::Trusted => "pinned",
            Decision::Unknown => "new",
            Decision::Changed { .. } => "changed",
            Decision::Revoked { .. } => "revoked",
        };
        json_line(
            &json!({ "host": host, "address": address, "port": port, "type": key.kind, "fingerprint": fingerprint, "state": state }),
        );
        return;
    }
    let port = if *port == 22 { String::new() } else { format!(":{port}") };
    result(&format!("{host} {address}{port} {} {fingerprint} {word}", key.kind));
    if let Some(fix) = fix {
        result(&format!("  {fix}"));
    }
}
