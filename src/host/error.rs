//! The errors of a host.

use std::{io, net::SocketAddr, time::Duration};

use super::connect_error::{ConnectError, Phase};
use crate::units::HostName;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong on a host.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("{host}: could not start a shell")]
    #[diagnostic(help("a POSIX `sh` must be in the PATH of that host"))]
    NoShell { host: HostName, source: io::Error },
    #[error("{host}: the shell ended in the middle of {what}{}", captured(said))]
    #[diagnostic(help("run the same command again: it continues where this one stopped"))]
    ShellLost { host: HostName, what: String, said: String },
    #[error("{host} ({address}): {phase}: {reason}")]
    Unreachable {
        host: HostName,
        address: Box<str>,
        phase: Phase,
        reason: Box<str>,
        #[help]
        help: Box<str>,
        /// Whether another attempt may succeed.
        transient: bool,
    },
    #[error("{host}: no output for {}s while waiting for {what}", idle.as_secs())]
    #[diagnostic(help("check the host's load and disk, then run the same command again"))]
    Silent { host: HostName, what: String, idle: Duration },
    #[error("{host}: {what} failed with status {status}{}", last_lines(output))]
    #[diagnostic(help("fix what the lines above say, then run the same command again"))]
    Script { host: HostName, what: String, status: i32, output: Vec<String> },
    #[error("{host}: could not copy {what}: {reason}")]
    #[diagnostic(help(
        "check the free space and the permissions of the folder, then run the same command again"
    ))]
    Copy { host: HostName, what: String, reason: String },
    #[error("{host}: could not connect to {address}")]
    Dial { host: HostName, address: SocketAddr, source: io::Error },
    #[error("{host}: cluster {cluster} is being changed by {holder}")]
    #[diagnostic(help("wait for that run to end, or stop it; its lock goes with it"))]
    Locked { host: HostName, cluster: String, holder: String },
    #[error("{host}: the ledger {path} holds a line this version does not understand: {line}")]
    #[diagnostic(help(
        "a newer provision wrote it: destroy the cluster with that version. Nothing was changed"
    ))]
    Ledger { host: HostName, path: String, line: String },
    #[error("{host}: its answer was not understood: {answer:?}")]
    #[diagnostic(help("please report this line together with the host's /etc/os-release"))]
    Garbled { host: HostName, answer: String },
}

impl Error {
    /// A host that could not be reached; `reproduce` is the command line that fails in the same way.
    pub(super) fn unreachable(
        host: &HostName,
        address: &str,
        failed: &ConnectError,
        reproduce: &str,
    ) -> Self {
        Self::Unreachable {
            host: host.clone(),
            address: address.into(),
            phase: failed.phase,
            reason: failed.reason.as_str().into(),
            help: failed.help(reproduce).into(),
            transient: failed.transient,
        }
    }

    /// Whether the host cannot be reached any more, as opposed to an error that it reported.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::ShellLost { .. } | Self::Silent { .. })
    }
}

fn captured(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it printed: {said}") }
}

/// The last lines a failed script printed, each on a line of its own.
fn last_lines(output: &[String]) -> String {
    let skip = output.len().saturating_sub(20);
    output[skip..].iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic;

    use super::*;

    fn unreachable() -> Error {
        let failed = ConnectError::new(Phase::Tcp, "10.0.0.7:22: refused").transient();
        Error::unreachable(&"n1".into(), "10.0.0.7", &failed, "ssh -v root@10.0.0.7")
    }

    /// One error of each kind but `Dial`, whose cause says what to do.
    fn all() -> Vec<Error> {
        let (host, what) = (HostName::from("n1"), "the probe".to_owned());
        let (idle, output) = (Duration::from_secs(90), vec!["why".to_owned()]);
        vec![
            unreachable(),
            Error::NoShell { host: host.clone(), source: io::Error::other("no such file") },
            Error::ShellLost { host: host.clone(), what: what.clone(), said: String::new() },
            Error::Silent { host: host.clone(), what: what.clone(), idle },
            Error::Script { host: host.clone(), what: what.clone(), status: 1, output },
            Error::Copy { host: host.clone(), what: what.clone(), reason: "full".into() },
            Error::Locked { host: host.clone(), cluster: "orders".into(), holder: "me".into() },
            Error::Ledger { host: host.clone(), path: "/var/ledger".into(), line: "{".into() },
            Error::Garbled { host, answer: "no uid".into() },
        ]
    }

    #[test]
    fn every_error_names_its_host_and_ends_in_a_fix() {
        for error in all() {
            assert!(error.to_string().starts_with("n1"), "{error}");
            assert!(error.help().is_some_and(|help| !help.to_string().is_empty()), "{error}");
        }
    }

    #[test]
    fn an_unreachable_host_has_its_phase_its_reason_and_the_command_to_try() {
        let error = unreachable();
        assert_eq!(error.to_string(), "n1 (10.0.0.7): no TCP connection: 10.0.0.7:22: refused");
        assert!(error.help().unwrap().to_string().ends_with("ssh -v root@10.0.0.7"));
        assert!(matches!(error, Error::Unreachable { transient: true, phase: Phase::Tcp, .. }));
    }

    #[test]
    fn a_failed_script_shows_its_last_lines() {
        let output: Vec<String> = (1..=25).map(|n| format!("line {n}")).collect();
        let error = Error::Script { host: "n1".into(), what: "it".into(), status: 2, output };
        let text = error.to_string();
        assert!(text.starts_with("n1: it failed with status 2\n  line 6\n") && text.ends_with("\n  line 25"));
    }

    #[test]
    fn output_that_is_no_answer_is_shown_where_there_is_some() {
        let lost = |said: &str| Error::ShellLost { host: "n1".into(), what: "it".into(), said: said.into() };
        assert_eq!(lost("").to_string(), "n1: the shell ended in the middle of it");
        assert!(lost("Killed").to_string().ends_with("; it printed: Killed"));
    }

    #[test]
    fn a_host_that_answers_with_an_error_is_not_lost() {
        let lost: Vec<bool> = all().iter().map(Error::is_lost).collect();
        assert_eq!(lost, [true, false, true, true, false, false, false, false, false]);
    }
}
