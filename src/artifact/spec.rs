//! What is wanted, before it is known where it comes from.

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
    /// What the nodes of a fleet run.
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What an inventory that says no more than engine and version wants.
    pub(in crate::artifact) fn spec(engine: Engine, version: &str) -> ArtifactSpec {
        let version: Version = version.parse().unwrap();
        let recipe = Recipe::new(engine, version, None);
        ArtifactSpec { engine, version, source: Source::default(), recipe, inventory: "x.toml".into() }
    }

    #[test]
    fn names_for_eyes_and_for_files() {
        let spec = spec(Engine::Valkey, "8.1.1");
        assert_eq!((spec.title().as_str(), spec.stem().as_str()), ("valkey 8.1.1", "valkey-8.1.1"));
    }
}
