//! Where the source of the server software may come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the engine's source may come from, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub places: Vec<SourceKind>,
    /// URL templates; `{engine}`, `{version}` and `{file}` are filled in.
    pub mirrors: Vec<String>,
    /// A local tarball.
    pub file: Option<PathBuf>,
    /// The release of the distribution whose source package to take, where it is not the running one (`sid`).
    pub suite: Option<String>,
    /// The digest the tarball must have, from the inventory.
    pub sha256: Option<String>,
}

impl Default for Source {
    fn default() -> Self {
        Self { places: SourceKind::ALL.to_vec(), mirrors: Vec::new(), file: None, suite: None, sha256: None }
    }
}

/// One place a source, or the finished artifact, may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A binary built before.
    ArtifactCache,
    /// A tarball downloaded before.
    SourceCache,
    /// The engine's own release site.
    Release,
    /// `source.mirrors`.
    Mirrors,
    /// The distribution's source package, by its own package manager.
    Distribution,
    /// `source.file`.
    File,
}

impl SourceKind {
    /// Every place, in the order they are tried by default.
    pub const ALL: [Self; 6] = [
        Self::ArtifactCache,
        Self::SourceCache,
        Self::Release,
        Self::Mirrors,
        Self::Distribution,
        Self::File,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_source_is_tried_by_default_the_caches_first() {
        let places = Source::default().places;
        assert_eq!(places, SourceKind::ALL);
        assert_eq!(places[..2], [SourceKind::ArtifactCache, SourceKind::SourceCache]);
    }
}
