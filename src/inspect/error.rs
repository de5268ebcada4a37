//! Why a fleet could not be inspected, or must not be changed.

use super::session::NoSession;
use crate::{cluster, host, secret};

/// Why the fleet could not be inspected, or must not be changed.
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
    TwoManifests(#[from] cluster::TwoManifests),
    #[error(transparent)]
    #[diagnostic(transparent)]
    AuthMismatch(#[from] cluster::AuthMismatch),
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoSession(#[from] NoSession),
}
