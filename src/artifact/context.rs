//! What every part of getting a binary needs to know.

use super::{ArtifactSpec, ArtifactStore};
use crate::{
    event::StepEvents,
    host::{Facts, LockedHost},
};

/// Everything one build uses: what is wanted, the host that compiles it, and where the result goes.
#[derive(Clone, Copy)]
pub struct BuildContext<'a> {
    pub spec: &'a ArtifactSpec,
    /// The host that compiles.
    pub host: &'a LockedHost,
    /// Of that host.
    pub facts: &'a Facts,
    pub store: &'a ArtifactStore,
    pub events: &'a StepEvents,
}
