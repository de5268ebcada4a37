//! Why there is no plan: what is known to fail is refused before anything changes.

use crate::{cluster::SafetyViolation, resource::PortInUse, units::HostName};

/// Why there is no plan.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] SafetyViolation),
    #[error("{host}: port {} of node {} is taken by {}", taken.port, taken.node, taken.owner)]
    #[diagnostic(help("stop that process, or set another `port` for the cluster in the inventory"))]
    PortTaken { host: HostName, taken: PortInUse },
    #[error("{host}: {path} must be a {wanted}, and a {found} stands there")]
    #[diagnostic(help("move it away, or set another path in the step of the playbook; nothing was changed"))]
    InTheWay { host: HostName, path: String, wanted: &'static str, found: String },
    #[error(
        "{host}: `{directive}` would change from {is} to {wanted} in {path}, and the node would start without its keys"
    )]
    #[diagnostic(help("set `{directive}` back to {is}: the files that hold the keys keep their name"))]
    RenamedData { host: HostName, path: String, directive: &'static str, is: String, wanted: String },
    #[error(
        "{host}: {what} is neither installed nor in the cache, and the step that compiles it is left out"
    )]
    #[diagnostic(help("add it with --tags, or leave --tags out"))]
    NothingBuilt { host: HostName, what: String },
    #[error("{host}: unit {unit} needs systemd, and PID 1 of this host is something else")]
    #[diagnostic(help("remove the unit step from the playbook, or use a command step with a guard"))]
    NoSystemd { host: HostName, unit: String },
    #[error("{host}: no package manager is known for this distribution, and the playbook wants {packages}")]
    #[diagnostic(help("install the packages by hand, or use a command step with a guard"))]
    NoPackages { host: HostName, packages: String },
}
