//! Why a run stopped.

use crate::{artifact, cluster, host, inspect, secret};

/// Why a run stopped. Whatever was done until then is in the ledger, and running again continues.
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
    Secret(#[from] secret::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Inspect(#[from] inspect::Error),
    #[error("interrupted after the step `{after}`")]
    #[diagnostic(help("run the same command again: it continues where this one stopped"))]
    Interrupted { after: String },
    #[error("{host}: node {node} ended right after its start; the end of {log}:{}", indented(.lines))]
    #[diagnostic(help(
        "mend what the log names (usually a directive under [cluster.config]) and apply again"
    ))]
    NodeEnded { host: String, node: String, log: String, lines: Vec<String> },
    #[error("{host}: node {node} did not accept connections within {seconds}s of its start; the end of {log}:{}", indented(.lines))]
    #[diagnostic(help("look at the machine's load and disk, then apply again"))]
    NodeSilent { host: String, node: String, log: String, seconds: u64, lines: Vec<String> },
    #[error("{engine} {version} does not know the directive{} {}", if .names.len() == 1 { "" } else { "s" }, .names.join(", "))]
    #[diagnostic(help("remove it from [cluster.config], or use a version that has it; no node was touched"))]
    UnknownDirective { engine: String, version: String, names: Vec<String> },
    #[error("{what} was in the cache when the plan was made and is gone now")]
    #[diagnostic(help("run the same command again: it will be compiled"))]
    ArtifactGone { what: String },
    #[error("{host}: {what} was to come from {builder}, which did not compile it")]
    #[diagnostic(help("see what stopped {builder}, then run the same command again"))]
    NotBuilt { host: String, what: String, builder: String },
    #[error("{host}: the {what} that {builder} compiled does not run here: {why}")]
    #[diagnostic(help(
        "nothing of it was sent; run the same command again: this host then compiles for itself"
    ))]
    Incompatible { host: String, what: String, builder: String, why: String },
    #[error("{} hosts failed: {}", .errors.len(), .hosts.join(", "))]
    #[diagnostic(help("mend each, then run the same command again: it continues where each host stopped"))]
    Hosts {
        hosts: Vec<String>,
        #[related]
        errors: Vec<Error>,
    },
    #[error("{host}: its state is not the one the plan was made for")]
    #[diagnostic(help("make a new plan: `provision plan INVENTORY -o FILE`"))]
    Moved { host: String },
    #[error("the plan was made by provision {theirs}, and this is {ours}")]
    #[diagnostic(help("make a new plan with this version: `provision plan INVENTORY -o FILE`"))]
    OtherVersion { theirs: String, ours: String },
    #[error("{count} of the invariants do not hold: {}", .failed.join(", "))]
    #[diagnostic(help("the table above has the evidence; `provision apply` repairs what it can"))]
    Unproven { count: usize, failed: Vec<String> },
}

impl Error {
    /// The error of a run in which these hosts failed. One that only lacked what another should have compiled says nothing
    /// new, nor does one that stopped because the user asked all to.
    pub(super) fn of_hosts(mut failed: Vec<(String, Self)>) -> Result<(), Self> {
        let says_nothing_new =
            |error: &Self| matches!(error, Self::NotBuilt { .. } | Self::Interrupted { .. });
        if failed.iter().any(|(_, error)| !says_nothing_new(error)) {
            failed.retain(|(_, error)| !says_nothing_new(error));
        } else if let Some(at) =
            failed.iter().position(|(_, error)| matches!(error, Self::Interrupted { .. }))
        {
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
