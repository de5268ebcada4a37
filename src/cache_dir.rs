//! The user's cache folder: where each kind of thing in it stands. Nothing in it is irreplaceable.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, choose_base_strategy};

/// `$XDG_CACHE_HOME/provision`, or a folder of the caller's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDir {
    root: PathBuf,
}

/// The home folder is unknown, and with it the cache folder.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no folder for the cache: the home folder is not known")]
#[diagnostic(help("set HOME or XDG_CACHE_HOME"))]
pub struct NoCacheDir;

impl CacheDir {
    /// The user's own. Nothing is created: whoever writes into a folder of it makes that folder.
    pub fn of_user() -> Result<Self, NoCacheDir> {
        let strategy = choose_base_strategy().map_err(|_| NoCacheDir)?;
        Ok(Self::at(strategy.cache_dir().join("provision")))
    }

    /// A folder of the caller's choice.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journals of the runs of one cluster.
    pub fn journal(&self, cluster: &str) -> PathBuf {
        self.root.join("journal").join(cluster)
    }

    /// Images of simulated hosts.
    pub fn lab(&self) -> PathBuf {
        self.root.join("lab")
    }

    /// Built binaries, a folder each.
    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    /// Source tarballs.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// Logs of builds.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_below_the_root_and_has_a_place_of_its_own() {
        let cache = CacheDir::at("/c/provision");
        let all = [cache.journal("orders"), cache.lab(), cache.artifacts(), cache.sources(), cache.logs()];
        for (index, one) in all.iter().enumerate() {
            assert!(one.starts_with(cache.root()) && one != cache.root(), "{}", one.display());
            for (_, other) in all.iter().enumerate().filter(|(other, _)| *other != index) {
                assert!(!one.starts_with(other), "{} is inside {}", one.display(), other.display());
            }
        }
    }

    #[test]
    fn clusters_keep_their_journals_apart() {
        let cache = CacheDir::at("/c");
        assert_eq!(cache.journal("orders"), Path::new("/c/journal/orders"));
        assert_ne!(cache.journal("orders"), cache.journal("cache"));
    }

    #[test]
    fn the_users_cache_is_named_after_the_program() {
        let cache = CacheDir::of_user().unwrap();
        assert!(cache.root().ends_with("provision"), "{}", cache.root().display());
    }
}
