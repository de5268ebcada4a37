//! The cache on the machine that runs provision. Nothing in it is irreplaceable.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use etcetera::{BaseStrategy, choose_base_strategy};

use super::{Artifact, ArtifactSpec, ElfRequirements, Error, Result, digest};
use crate::{event::StepEvents, host::Facts};

/// `$XDG_CACHE_HOME/provision`, with a folder for artifacts, sources and build logs.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// What is known of binaries in it, by digest: read once for all hosts.
    needs: Arc<Mutex<HashMap<String, Result<ElfRequirements, String>>>>,
}

/// How long another run may hold what this one needs: longer than any build.
const BUSY: Duration = Duration::from_hours(1);

/// How often it is looked whether the other run is done.
const LOOK: Duration = Duration::from_millis(200);

impl Cache {
    /// The user's own cache.
    pub fn open() -> Result<Self> {
        let strategy = choose_base_strategy().map_err(|_| Error::NoCacheDir)?;
        Ok(Self::at(strategy.cache_dir().join("provision")))
    }

    /// A cache in a folder of the caller's choice.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), needs: Arc::default() }
    }

    pub fn root(&self) -> &Path {
        &self.root
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

    pub fn artifacts(&self) -> PathBuf {
        self.root.join("artifacts")
    }

    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Takes the right to fetch or build one thing, so that two runs build it once. The kernel gives it back when
    /// the file is closed, however the run ends.
    pub(super) async fn lock(&self, spec: &ArtifactSpec, part: &str, events: &StepEvents) -> Result<File> {
        let path = self.root.join(format!("{}-{part}.lock", spec.stem()));
        folder(&self.root)?;
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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

pub(super) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    |source| Error::Cache { path, source }
}
