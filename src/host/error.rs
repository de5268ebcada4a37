//! What can go wrong on the way to a host and on it.

use std::{io, net::SocketAddr, time::Duration};

use super::Phase;

/// What went wrong on a host.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("{host}: could not start a shell")]
    #[diagnostic(help("a POSIX `sh` must be in the PATH of that host"))]
    NoShell { host: String, source: io::Error },
    #[error("{host}: the shell ended in the middle of {what}{}", said_last(said))]
    #[diagnostic(help("run the same command again: it continues where this one stopped"))]
    ShellLost { host: String, what: String, said: String },
    #[error("{host} ({address}): {phase}: {reason}")]
    Unreachable {
        host: String,
        address: Box<str>,
        phase: Phase,
        reason: Box<str>,
        #[help]
        help: Box<str>,
        /// Whether another attempt may go better.
        transient: bool,
    },
    #[error("{host}: nothing was heard for {}s while waiting for {what}", idle.as_secs())]
    #[diagnostic(help("look at the host's load and disk, then run the same command again"))]
    Silent { host: String, what: String, idle: Duration },
    #[error("{host}: {what} failed with status {status}{}", last_lines(output))]
    #[diagnostic(help("mend what the lines above say, then run the same command again"))]
    Script { host: String, what: String, status: i32, output: Vec<String> },
    #[error("{host}: could not copy {what}: {reason}")]
    #[diagnostic(help(
        "look at the free space and the permissions of the folder, then run the same command again"
    ))]
    Copy { host: String, what: String, reason: String },
    #[error("{host}: could not connect to {address}")]
    Dial { host: String, address: SocketAddr, source: io::Error },
    #[error("{host}: cluster {cluster} is being changed by {holder}")]
    #[diagnostic(help("wait for that run to end, or stop it; its lock goes with it"))]
    Locked { host: String, cluster: String, holder: String },
    #[error("{host}: the ledger {path} holds a line this version does not understand: {line}")]
    #[diagnostic(help(
        "a newer provision wrote it: destroy the cluster with that version. Nothing was changed"
    ))]
    Ledger { host: String, path: String, line: String },
    #[error("{host}: this machine's answer was not understood: {answer:?}")]
    #[diagnostic(help("please report this line together with the host's /etc/os-release"))]
    Garbled { host: String, answer: String },
}

impl Error {
    /// Whether the host is away, as opposed to there and unwilling.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::ShellLost { .. } | Self::Silent { .. })
    }
}

fn said_last(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}

/// The last lines a failed script printed, each on a line of its own.
fn last_lines(output: &[String]) -> String {
    let skip = output.len().saturating_sub(20);
    output[skip..].iter().map(|line| format!("\n  {line}")).collect()
}
