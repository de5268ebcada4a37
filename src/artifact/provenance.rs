//! A built binary and where it comes from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    ArtifactSpec, Pins, Result, compile, digest, fetch, libc,
    store::{self, ArtifactStore},
};
use crate::{
    event::StepEvents,
    host::{Facts, LockedHost},
    inventory::{Engine, SourceKind, Version},
};

/// A built server binary in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub path: PathBuf,
    pub sha256: String,
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
    pub flags: Vec<String>,
    /// The compiler's own first line.
    pub compiler: String,
    pub arch: String,
    /// The C library of the host that compiled it. What the binary needs of one is in the binary.
    pub libc: String,
    pub built_at: jiff::Timestamp,
    /// The host that compiled it.
    pub host: String,
    pub sha256: String,
    pub size: u64,
}

/// The source of a binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub sha256: String,
    pub from: String,
}

/// The name of the file beside each binary.
const PROVENANCE: &str = "provenance.json";

/// Has the artifact that is wanted: from the cache, else by fetching the source and compiling it on the host. Two
/// runs that want the same build it once.
pub async fn build(
    spec: &ArtifactSpec,
    change: &LockedHost,
    facts: &Facts,
    cache: &ArtifactStore,
    pins: &mut Pins,
    events: &StepEvents,
) -> Result<Artifact> {
    let kind = format!("{}-{}-{}", spec.recipe.id(), facts.arch, libc::kind(&facts.libc));
    let _held = cache.lock(spec, &kind, events).await?;
    if let Some(artifact) = cache.find(spec, facts) {
        return Ok(artifact);
    }
    let fetching = cache.lock(spec, "source", events).await?;
    let tarball = fetch::fetch(spec, change, facts, cache, pins, events).await?;
    drop(fetching);
    let folder = cache.dir().artifacts();
    store::folder(&folder)?;
    let temporary =
        tempfile::Builder::new().prefix(".new-").tempdir_in(&folder).map_err(store::unusable(&folder))?;
    let binary = temporary.path().join(spec.recipe.target());
    let job = compile::Job { spec, change, facts, cache, events };
    let built = compile::compile(&job, &tarball, &binary).await?;
    let size = fs::metadata(&binary).map_err(store::unusable(&binary))?.len();
    let provenance = Provenance {
        engine: spec.engine,
        version: spec.version,
        source: SourceRecord { sha256: tarball.sha256, from: tarball.from },
        recipe: spec.recipe.id(),
        flags: built.flags,
        compiler: built.compiler,
        arch: facts.arch.clone(),
        libc: facts.libc.clone(),
        built_at: jiff::Timestamp::now(),
        host: change.name().to_owned(),
        sha256: built.sha256,
        size,
    };
    cache.keep(temporary, provenance)
}

impl ArtifactStore {
    /// An artifact that is what is wanted and runs on the host. It needs neither a compiler nor a network, and asks
    /// for no particular compiler: an upgrade of it is no reason to build again.
    pub fn find(&self, spec: &ArtifactSpec, facts: &Facts) -> Option<Artifact> {
        if !spec.source.places.contains(&SourceKind::ArtifactCache) {
            return None;
        }
        let entries = fs::read_dir(self.dir().artifacts()).ok()?;
        let mut fitting: Vec<Artifact> = entries
            .filter_map(|entry| read(&entry.ok()?.path(), spec))
            .filter(|artifact| artifact.provenance.is(spec))
            .collect();
        fitting.sort_by_key(|artifact| artifact.provenance.built_at);
        let runs = |artifact: &Artifact| self.needs(artifact).is_ok_and(|needs| needs.fits(facts).is_ok());
        fitting.into_iter().rev().find(runs)
    }

    /// Puts a finished folder into its place: a rename, so that an artifact is there with its provenance or not at all.
    fn keep(&self, temporary: tempfile::TempDir, provenance: Provenance) -> Result<Artifact> {
        let path = self.dir().artifacts().join(provenance.key());
        let note = temporary.path().join(PROVENANCE);
        let text = serde_json::to_string_pretty(&provenance).unwrap_or_default();
        store::write(&note, &format!("{text}\n")).map_err(store::unusable(&note))?;
        let binary = provenance.engine.server();
        executable(&temporary.path().join(binary))?;
        executable(temporary.path())?;
        // What is in the way was found damaged, or it would have been used.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(store::unusable(&path))?;
        }
        fs::rename(temporary.keep(), &path).map_err(store::unusable(&path))?;
        let (sha256, size) = (provenance.sha256.clone(), provenance.size);
        Ok(Artifact { path: path.join(binary), sha256, size, provenance })
    }
}

fn executable(path: &Path) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).map_err(store::unusable(path))
}

fn read(folder: &Path, spec: &ArtifactSpec) -> Option<Artifact> {
    let text = fs::read(folder.join(PROVENANCE)).ok()?;
    let provenance: Provenance = serde_json::from_slice(&text).ok()?;
    let (sha256, size) = (provenance.sha256.clone(), provenance.size);
    Some(Artifact { path: folder.join(spec.recipe.target()), sha256, size, provenance })
}

impl Provenance {
    fn is(&self, spec: &ArtifactSpec) -> bool {
        self.engine == spec.engine && self.version == spec.version && self.recipe == spec.recipe.id()
    }

    /// The name of its folder: what went in, not what came out.
    fn key(&self) -> String {
        let parts = [&self.source.sha256, &self.recipe, &self.compiler, &self.arch, &self.libc];
        digest::of_parts(&parts.map(String::as_str))
    }
}
