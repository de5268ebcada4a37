//! What is wanted, before anybody knows where it comes from.

use std::path::PathBuf;

use super::Recipe;
use crate::inventory::{Engine, Fleet, Source, Version};

/// The server software a fleet wants, and the places its source may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactSpec {
    pub engine: Engine,
    pub version: Version,
    pub source: Source,
    pub recipe: Recipe,
    /// The inventory; the lock file stands beside it.
    pub inventory: PathBuf,
}

impl ArtifactSpec {
    pub fn of(fleet: &Fleet) -> Self {
        Self {
            engine: fleet.engine,
            version: fleet.version,
            source: fleet.source.clone(),
            recipe: Recipe::new(fleet.engine, fleet.version, fleet.source.sha256.as_deref()),
            inventory: fleet.inventory.clone(),
        }
    }

    /// `redis 7.0.15`.
    pub fn title(&self) -> String {
        format!("{} {}", self.engine, self.version)
    }

    /// `redis-7.0.15`.
    pub fn stem(&self) -> String {
        format!("{}-{}", self.engine, self.version)
    }
}
