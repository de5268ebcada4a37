//! What every part of getting a binary needs to know.

use std::path::Path;

use super::{spec::ArtifactSpec, store::ArtifactStore};
use crate::{
    event::StepEvents,
    host::{Facts, LockedHost},
};

/// Everything one build uses: what is wanted, the host that compiles it, and where the result goes.
#[derive(Clone, Copy)]
pub struct BuildContext<'a> {
    /// What is wanted.
    pub spec: &'a ArtifactSpec,
    /// The inventory that it is wanted for.
    pub inventory: &'a Path,
    /// The host that compiles.
    pub host: &'a LockedHost,
    /// Of that host.
    pub facts: &'a Facts,
    /// Where sources, logs and the result go.
    pub store: &'a ArtifactStore,
    /// Where progress and notices go.
    pub events: &'a StepEvents,
}
