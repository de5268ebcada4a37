//! Why a run stopped.

use crate::{
    artifact, cluster, host,
    inspect::NoSession,
    secret,
    units::{HostName, NodeName},
};

/// Why a run stopped. What was done until then is in the ledger, and running the same command again
/// continues.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] host::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Build(#[from] artifact::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Form(#[from] cluster::FormError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Reach(#[from] cluster::ConnectivityError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rolling(#[from] cluster::RollingError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Live(#[from] cluster::LiveError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] secret::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoSession(#[from] NoSession),
    #[error("could not draw a name for the cluster's manifest")]
    #[diagnostic(help("the kernel gave no random bytes: run the same command again"))]
    NoRandom { source: std::io::Error },
    #[error("interrupted after the step `{after}`")]
    #[diagnostic(help("run the same command again: it continues where this one stopped"))]
    Interrupted { after: String },
    #[error("{host}: node {node} ended right after its start; the end of {log}:{}", indented(.lines))]
    #[diagnostic(help(
        "fix what the log names (usually a directive under [cluster.config]) and apply again"
    ))]
    NodeEnded { host: HostName, node: NodeName, log: String, lines: Vec<String> },
    #[error("{host}: node {node} ended at its start, since its AOF cannot be read: {line}")]
    #[diagnostic(help(
        "where `provision status` shows that another node serves its slots, that one has its keys: on {host}, \
         `mv {data} {data}.aside`, then apply again, and it copies them from there. Where none does, \
         `redis-check-aof --fix` on the file cuts it at the broken place: what was written after that is lost"
    ))]
    BrokenAof { host: HostName, node: NodeName, data: String, line: String },
    #[error("{host}: node {node} did not accept connections within {seconds}s of its start; the end of {log}:{}", indented(.lines))]
    #[diagnostic(help("look at the machine's load and disk, then apply again"))]
    NodeSilent { host: HostName, node: NodeName, log: String, seconds: u64, lines: Vec<String> },
    #[error("{host}: node {node} cannot save its keys, and does not end without:{}", indented(.lines))]
    #[diagnostic(help(
        "it was not restarted: it goes on as it was, with all its keys. Free space where {data} is, or let it write there, \
         then run the same command again"
    ))]
    NotSaved { host: HostName, node: NodeName, data: String, lines: Vec<String> },
    #[error("{host}: node {node} was told to end, has not, and wrote nothing for {seconds}s; the end of {log}:{}", indented(.lines))]
    #[diagnostic(help(
        "it was not killed, since its keys might be lost, and nothing was started beside it. See in its log and at the \
         machine's disk what it waits for; once it has ended, run the same command again"
    ))]
    NotStopped { host: HostName, node: NodeName, log: String, seconds: u32, lines: Vec<String> },
    #[error("{engine} {version} does not know the directive{} {}", if .names.len() == 1 { "" } else { "s" }, .names.join(", "))]
    #[diagnostic(help("remove it from [cluster.config], or use a version that has it; no node was touched"))]
    UnknownDirective { engine: String, version: String, names: Vec<String> },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] super::RefusedConfig),
    #[error("{what} was in the cache when the plan was made and is gone now")]
    #[diagnostic(help("run the same command again: it will be compiled"))]
    ArtifactGone { what: String },
    #[error("{host}: {what} was to come from {builder}, which did not compile it")]
    #[diagnostic(help("see what stopped {builder}, then run the same command again"))]
    NotBuilt { host: HostName, what: String, builder: HostName },
    #[error("{host}: the {what} that {builder} compiled does not run here: {why}")]
    #[diagnostic(help(
        "nothing of it was sent; run the same command again: this host then compiles for itself"
    ))]
    Incompatible { host: HostName, what: String, builder: HostName, why: String },
    #[error("{} hosts failed: {}", .errors.len(), .hosts.join(", "))]
    #[diagnostic(help("fix each, then run the same command again: it continues where each host stopped"))]
    Hosts {
        hosts: Vec<HostName>,
        #[related]
        errors: Vec<Error>,
    },
    #[error("{host}: its state is not the one the plan was made for")]
    #[diagnostic(help("make a new plan: `provision plan INVENTORY -o FILE`"))]
    Moved { host: HostName },
    #[error("the plan was made by provision {theirs}, and this is {ours}")]
    #[diagnostic(help("make a new plan with this version: `provision plan INVENTORY -o FILE`"))]
    OtherVersion { theirs: String, ours: String },
    #[error("{count} of the invariants do not hold: {}", .failed.join(", "))]
    #[diagnostic(help("the table above has the evidence; `provision apply` repairs what it can"))]
    Unproven { count: usize, failed: Vec<String> },
}

impl Error {
    /// The error of a run in which these hosts failed. A host that only lacked what another should have
    /// compiled adds nothing, nor does one that stopped because the user asked for it; the name of a host is
    /// empty where the run as a whole was interrupted.
    pub(super) fn of_hosts(mut failed: Vec<(HostName, Self)>) -> Result<(), Self> {
        let adds_nothing = |error: &Self| matches!(error, Self::NotBuilt { .. } | Self::Interrupted { .. });
        if failed.iter().any(|(_, error)| !adds_nothing(error)) {
            failed.retain(|(_, error)| !adds_nothing(error));
        } else if let Some(at) =
            failed.iter().position(|(_, error)| matches!(error, Self::Interrupted { .. }))
        {
            return Err(failed.swap_remove(at).1);
        }
        // The same directive stands in the configurations of all: the inventory is at fault, and no host.
        if let Some(at) = failed.iter().position(|(_, error)| matches!(error, Self::Refused(_))) {
            return Err(failed.swap_remove(at).1);
        }
        match failed.len() {
            0 | 1 => failed.pop().map_or(Ok(()), |(_, error)| Err(error)),
            _ => {
                let (hosts, errors) = failed.into_iter().unzip();
                Err(Self::Hosts { hosts, errors })
            }
        }
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_built(host: &str) -> Error {
        Error::NotBuilt { host: host.into(), what: "redis".to_owned(), builder: "a".into() }
    }

    fn interrupted(after: &str) -> Error {
        Error::Interrupted { after: after.to_owned() }
    }

    fn failed(host: &str) -> Error {
        Error::Moved { host: host.into() }
    }

    fn of(errors: Vec<(&str, Error)>) -> Result<(), Error> {
        Error::of_hosts(errors.into_iter().map(|(host, error)| (host.into(), error)).collect())
    }

    #[test]
    fn no_failure_is_no_error() {
        assert!(of(Vec::new()).is_ok());
    }

    #[test]
    fn a_single_failure_is_itself() {
        assert!(matches!(of(vec![("a", failed("a"))]), Err(Error::Moved { host }) if host == "a"));
    }

    #[test]
    fn several_failures_are_listed_with_their_hosts() {
        let error = of(vec![("a", failed("a")), ("b", failed("b"))]).unwrap_err();
        assert_eq!(error.to_string(), "2 hosts failed: a, b");
        assert!(matches!(error, Error::Hosts { errors, .. } if errors.len() == 2));
    }

    #[test]
    fn hosts_that_only_waited_for_a_builder_are_left_out() {
        let result = of(vec![("a", failed("a")), ("b", not_built("b")), ("c", not_built("c"))]);
        assert!(matches!(result, Err(Error::Moved { host }) if host == "a"));
    }

    #[test]
    fn without_another_cause_the_missing_binary_is_the_error() {
        assert!(matches!(of(vec![("b", not_built("b"))]), Err(Error::NotBuilt { .. })));
        let error = of(vec![("b", not_built("b")), ("c", not_built("c"))]).unwrap_err();
        assert_eq!(error.to_string(), "2 hosts failed: b, c");
    }

    #[test]
    fn an_interruption_hides_what_followed_from_it_and_no_failure() {
        let result = of(vec![("b", not_built("b")), ("", interrupted("build")), ("c", interrupted("ship"))]);
        assert!(matches!(result, Err(Error::Interrupted { after }) if after == "build"));
        let result = of(vec![("", interrupted("build")), ("a", failed("a"))]);
        assert!(matches!(result, Err(Error::Moved { .. })));
    }
}
