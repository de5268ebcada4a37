//! Why a fleet could not be inspected.

use super::session::NoSession;
use crate::{host, secret};

/// Why the fleet could not be inspected.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] host::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] secret::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoSession(#[from] NoSession),
}
