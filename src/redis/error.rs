//! Why a node could not be asked or changed.

use std::time::Duration;

use crate::{host, inventory::NodeRef, units::HostName};

/// Why a node could not be talked to.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("{node}: could not connect")]
    #[diagnostic(help(
        "see whether the process runs and what its log says; `provision apply` starts it again"
    ))]
    Dial { node: NodeRef, source: host::Error },
    #[error("{node}: there is no connection to its host {host}")]
    #[diagnostic(help("make the host reachable, then run the same command again"))]
    NoHost { node: NodeRef, host: HostName },
    #[error("{node}: did not accept the connection: {reason}")]
    #[diagnostic(help("the password of the inventory must be the one the node was started with"))]
    Refused { node: NodeRef, reason: String },
    #[error("{node}: no reply within {}s while connecting", after.as_secs())]
    #[diagnostic(help(
        "the process may hang or its machine be overloaded: look at its log, then run the command again"
    ))]
    ConnectTimeout { node: NodeRef, after: Duration },
    #[error("{node}: no reply within {}s while {doing}", after.as_secs())]
    #[diagnostic(help(
        "the process may hang or its machine be overloaded: look at its log, then run the command again"
    ))]
    Silent { node: NodeRef, doing: String, after: Duration },
    #[error("{node}: the connection broke while {doing}: {reason}")]
    #[diagnostic(help(
        "see whether the process still runs and what its log says, then run the same command again"
    ))]
    Broken { node: NodeRef, doing: String, reason: String },
}

impl Error {
    /// Whether connecting took too long, as opposed to a refusal, or to a server that is connected and hangs.
    pub fn is_connect_timeout(&self) -> bool {
        match self {
            Self::ConnectTimeout { .. } => true,
            Self::Dial { source: host::Error::Dial { source, .. }, .. } => {
                source.kind() == std::io::ErrorKind::TimedOut
            }
            _ => false,
        }
    }
}
