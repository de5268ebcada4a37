//! Binaries, sources and build logs in the cache folder of the machine that runs provision.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Artifact, ArtifactSpec, ElfRequirements, Error, Result, digest};
use crate::{
    atomic_file::{self, Mode},
    cache_dir::CacheDir,
    event::StepEvents,
    host::Facts,
};

/// The part of a cache folder that makes a second download or compilation needless.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    dir: CacheDir,
    /// What is known of binaries in it, by digest: read once for all hosts.
    needs: Arc<Mutex<HashMap<String, Result<ElfRequirements, String>>>>,
}

/// How long another run may hold what this one needs: longer than any build.
const BUSY: Duration = Duration::from_hours(1);

/// How often it is looked whether the other run is done.
const LOOK: Duration = Duration::from_millis(200);

impl ArtifactStore {
    pub fn new(dir: CacheDir) -> Self {
        Self { dir, needs: Arc::default() }
    }

    /// The cache folder it stands in.
    pub fn dir(&self) -> &CacheDir {
        &self.dir
    }

    /// Whether a binary runs on a host, and if not, why.
    pub fn fits(&self, artifact: &Artifact, facts: &Facts) -> Result<(), String> {
        self.needs(artifact)?.fits(facts).map_err(|misfit| misfit.to_string())
    }

    /// What a binary needs of a host, if it is the one that was put here; otherwise why it cannot be used.
    pub(super) fn needs(&self, artifact: &Artifact) -> Result<ElfRequirements, String> {
        let look = || {
            let found = digest::of_file(&artifact.path).map_err(|error| error.to_string())?;
            if !digest::same(&found, &artifact.sha256) {
                return Err("it is damaged".to_owned());
            }
            ElfRequirements::of(&artifact.path)
        };
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        needs.entry(artifact.sha256.clone()).or_insert_with(look).clone()
    }

    /// Takes the right to fetch or build one thing, so that two runs build it once. The kernel gives it back when
    /// the file is closed, however the run ends.
    pub(super) async fn lock(&self, spec: &ArtifactSpec, part: &str, events: &StepEvents) -> Result<File> {
        let path = self.dir.root().join(format!("{}-{part}.lock", spec.stem()));
        folder(self.dir.root())?;
        let file = File::options().create(true).append(true).open(&path).map_err(unusable(&path))?;
        let start = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(Error::Cache { path, source }),
                Err(TryLockError::WouldBlock) if start.elapsed() > BUSY => {
                    return Err(Error::Busy { title: spec.title(), waited: BUSY });
                }
                Err(TryLockError::WouldBlock) => {
                    if !said {
                        events.notice(format!(
                            "{} is being fetched or built already; waiting for that",
                            spec.title()
                        ));
                        said = true;
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }
}

/// The folder, created if missing.
pub(super) fn folder(path: &Path) -> Result<&Path> {
    fs::create_dir_all(path).map_err(unusable(path))?;
    Ok(path)
}

/// Writes a whole file or none.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    atomic_file::write(path, text.as_bytes(), Mode::Shared)
}

pub(super) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    |source| Error::Cache { path, source }
}
