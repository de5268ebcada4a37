//! Which configurations a binary of the store has started on, on this machine: `apply` after `plan`, and the
//! next `apply` of a cluster that grows, do not start it on the same lines again.

use std::{fs, path::PathBuf};

use super::{Artifact, ArtifactStore, store};
use crate::digest;

impl ArtifactStore {
    /// The warnings of the binary when it started by this script; `None` where it is not known to have
    /// started.
    pub fn tried(&self, artifact: &Artifact, trial: &str) -> Option<Vec<String>> {
        let text = fs::read_to_string(note(artifact, trial)?).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }

    /// Notes that the binary started by this script, with these warnings. The note goes with the binary. A
    /// store that cannot be written to is no reason to end a run: the binary will be tried again.
    pub fn note_tried(&self, artifact: &Artifact, trial: &str, warnings: &[String]) {
        if let Some(path) = note(artifact, trial) {
            let text: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
            let _ = store::write(&path, &text);
        }
    }
}

fn note(artifact: &Artifact, trial: &str) -> Option<PathBuf> {
    let digest = digest::of_parts(&[&artifact.sha256, trial]);
    Some(artifact.path.parent()?.join(format!("tried-{}", digest.get(..32)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{artifact::provenance::tests::provenance, cache_dir::CacheDir};

    #[test]
    fn a_trial_is_known_for_the_same_binary_and_lines_only() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        let artifact = |sha256: &str| Artifact {
            path: home.path().join("redis-server"),
            sha256: sha256.to_owned(),
            size: 1,
            provenance: provenance(),
        };
        let warnings = ["You specified a maxmemory value that is less than 1MB".to_owned()];
        assert_eq!(store.tried(&artifact("ab"), "save 1"), None);
        store.note_tried(&artifact("ab"), "save 1", &warnings);
        assert_eq!(store.tried(&artifact("ab"), "save 1").unwrap(), warnings);
        assert_eq!(store.tried(&artifact("cd"), "save 1"), None);
        assert_eq!(store.tried(&artifact("ab"), "save 2"), None);
    }

    #[test]
    fn a_store_that_cannot_be_written_to_forgets() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        let path = home.path().join("missing/redis-server");
        let artifact = Artifact { path, sha256: "ab".to_owned(), size: 1, provenance: provenance() };
        store.note_tried(&artifact, "save 1", &[]);
        assert_eq!(store.tried(&artifact, "save 1"), None);
    }
}
