//! A built binary and where it comes from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::ArtifactSpec;
use crate::{
    digest,
    inventory::{Engine, Version},
    units::HostName,
};

/// A built server binary in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub path: PathBuf,
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    pub provenance: Provenance,
}

/// All that made a binary what it is. Kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    pub engine: Engine,
    pub version: Version,
    pub source: SourceRecord,
    /// [`Recipe::id`](super::Recipe::id).
    pub recipe: String,
    /// The variables make was called with.
    pub flags: Vec<String>,
    /// The compiler's own first line.
    pub compiler: String,
    pub arch: String,
    /// The C library of the host that compiled it. What the binary needs of one is in the binary.
    pub libc: String,
    pub built_at: jiff::Timestamp,
    /// The host that compiled it.
    pub host: HostName,
    /// The inventory whose hosts compiled it, or gave its source; `None` where the machine that runs
    /// provision did both, or an earlier version has not noted it.
    #[serde(default)]
    pub inventory: Option<PathBuf>,
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// The source of a binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub sha256: String,
    pub from: String,
}

impl Provenance {
    /// Whether the binary is what is wanted, wherever it was built.
    pub(super) fn satisfies(&self, spec: &ArtifactSpec) -> bool {
        self.engine == spec.engine && self.version == spec.version && self.recipe == spec.recipe.id()
    }

    /// What a user of another inventory should know before it is shipped: a host that is not one of theirs
    /// has compiled it, and might have put anything into it.
    pub fn foreign_to(&self, inventory: &Path) -> Option<String> {
        let theirs = self.inventory.as_deref().filter(|theirs| *theirs != inventory)?;
        let (engine, version, host, sha256) = (self.engine, self.version, &self.host, &self.sha256);
        let short = sha256.get(..16).unwrap_or(sha256);
        Some(format!(
            "{engine} {version} (SHA-256 {short}…) was compiled on {host} for {}, and is shipped as it is; \
             source.places without \"artifact-cache\" compiles it anew",
            theirs.display()
        ))
    }

    /// The name of its folder: what went in, not what came out.
    pub(super) fn key(&self) -> String {
        let parts = [&self.source.sha256, &self.recipe, &self.compiler, &self.arch, &self.libc];
        digest::of_parts(&parts.map(String::as_str))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::artifact::spec::tests::spec;

    pub(in crate::artifact) fn provenance() -> Provenance {
        let spec = spec(Engine::Redis, "7.0.15");
        Provenance {
            engine: spec.engine,
            version: spec.version,
            source: SourceRecord { sha256: "ab".repeat(32), from: "a mirror".to_owned() },
            recipe: spec.recipe.id(),
            flags: spec.recipe.flags("x86_64"),
            compiler: "cc 12.2.0".to_owned(),
            arch: "x86_64".to_owned(),
            libc: "glibc 2.36".to_owned(),
            built_at: jiff::Timestamp::UNIX_EPOCH,
            host: "redis-191".into(),
            inventory: None,
            sha256: "cd".repeat(32),
            size: 7,
        }
    }

    #[test]
    fn the_key_follows_everything_that_goes_in() {
        let base = provenance();
        let source = SourceRecord { sha256: "ef".repeat(32), ..base.source.clone() };
        let changed = [
            Provenance { source, ..base.clone() },
            Provenance { recipe: "0".to_owned(), ..base.clone() },
            Provenance { compiler: "cc 13".to_owned(), ..base.clone() },
            Provenance { arch: "aarch64".to_owned(), ..base.clone() },
            Provenance { libc: "musl 1.2.4".to_owned(), ..base.clone() },
        ];
        let mut keys: Vec<String> = changed.iter().chain([&base]).map(Provenance::key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), changed.len() + 1);
    }

    #[test]
    fn the_key_follows_nothing_else() {
        let base = provenance();
        let source = SourceRecord { from: "another mirror".to_owned(), ..base.source.clone() };
        let built_at = jiff::Timestamp::now();
        let other = Provenance { source, built_at, host: "x".into(), size: 8, ..base.clone() };
        assert_eq!(other.key(), base.key());
    }

    #[test]
    fn a_binary_that_a_host_of_another_inventory_compiled_is_foreign() {
        let (mine, theirs) = (Path::new("/me/production.toml"), Path::new("/me/lab.toml"));
        let of_lab = Provenance { inventory: Some(theirs.to_owned()), ..provenance() };
        let text = of_lab.foreign_to(mine).unwrap();
        assert!(text.starts_with(
            "redis 7.0.15 (SHA-256 cdcdcdcdcdcdcdcd…) was compiled on redis-191 for /me/lab.toml"
        ));
        assert_eq!(of_lab.foreign_to(theirs), None);
        assert_eq!(provenance().foreign_to(mine), None, "this machine compiled it");
    }

    #[test]
    fn only_the_wanted_engine_version_and_recipe_satisfy() {
        let base = provenance();
        assert!(base.satisfies(&spec(Engine::Redis, "7.0.15")));
        assert!(!base.satisfies(&spec(Engine::Redis, "7.0.14")));
        assert!(!base.satisfies(&spec(Engine::Valkey, "7.0.15")));
        let pinned = crate::artifact::Recipe::new(Engine::Redis, base.version, Some("ab"));
        let mut other = spec(Engine::Redis, "7.0.15");
        other.recipe = pinned;
        assert!(!base.satisfies(&other), "the inventory demands another source");
    }

    #[test]
    fn it_reads_what_it_has_written() {
        let text = serde_json::to_string(&provenance()).unwrap();
        assert_eq!(serde_json::from_str::<Provenance>(&text).unwrap(), provenance());
    }
}
