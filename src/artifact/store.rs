//! Binaries, sources and build logs in the cache folder of the machine that runs provision.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    directive::DirectiveNames,
    elf::ElfRequirements,
    error::{Error, Result},
    provenance::{Artifact, Provenance},
    spec::ArtifactSpec,
};
use crate::{
    atomic_file::{self, Mode},
    cache_dir::CacheDir,
    digest,
    event::StepEvents,
    host::Facts,
    inventory::SourceKind,
};

/// The part of a cache folder that makes a second download or compilation needless.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    dir: CacheDir,
    /// What is known of binaries in it, by digest: read once for all hosts.
    requirements: Arc<Mutex<HashMap<String, Result<ElfRequirements, String>>>>,
    names: Arc<Mutex<HashMap<String, Arc<DirectiveNames>>>>,
}

/// How long another run may hold what this one needs: longer than any build.
const LOCK_TIMEOUT: Duration = Duration::from_hours(1);

/// How often the lock of another run is tried.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// The name of the file beside each binary.
const PROVENANCE: &str = "provenance.json";

impl ArtifactStore {
    /// In this cache folder, of which nothing needs to exist.
    pub fn new(dir: CacheDir) -> Self {
        Self { dir, requirements: Arc::default(), names: Arc::default() }
    }

    /// The cache folder it is part of.
    pub fn dir(&self) -> &CacheDir {
        &self.dir
    }

    /// An artifact that is what is wanted and runs on the host. It needs neither a compiler nor a network,
    /// and asks for no particular compiler: an upgrade of it is no reason to build again.
    pub fn find(&self, spec: &ArtifactSpec, facts: &Facts) -> Option<Artifact> {
        self.satisfying(spec).into_iter().find(|artifact| self.fits(artifact, facts).is_ok())
    }

    /// The artifacts that are what is wanted, wherever they run, newest first.
    pub fn satisfying(&self, spec: &ArtifactSpec) -> Vec<Artifact> {
        if !spec.source.places.contains(&SourceKind::ArtifactCache) {
            return Vec::new();
        }
        let entries = fs::read_dir(self.dir.artifacts()).into_iter().flatten();
        let mut all: Vec<Artifact> = entries
            .filter_map(|entry| read(&entry.ok()?.path(), spec))
            .filter(|artifact| artifact.provenance.satisfies(spec))
            .collect();
        all.sort_by_key(|artifact| std::cmp::Reverse(artifact.provenance.built_at));
        all
    }

    /// Whether a binary runs on a host, and if not, why.
    pub fn fits(&self, artifact: &Artifact, facts: &Facts) -> Result<(), String> {
        self.requirements(artifact)?.fits(facts).map_err(|incompatibility| incompatibility.to_string())
    }

    /// The directives that a binary knows.
    pub fn directive_names(&self, artifact: &Artifact) -> io::Result<Arc<DirectiveNames>> {
        let mut all = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = all.get(&artifact.sha256) {
            return Ok(Arc::clone(names));
        }
        let names = Arc::new(DirectiveNames::of(&artifact.path)?);
        all.insert(artifact.sha256.clone(), Arc::clone(&names));
        Ok(names)
    }

    /// What a binary needs of a host, if it is the one that was put here; otherwise why it cannot be used.
    fn requirements(&self, artifact: &Artifact) -> Result<ElfRequirements, String> {
        let read = || {
            let found = digest::of_file(&artifact.path).map_err(|error| error.to_string())?;
            if !digest::same(&found, &artifact.sha256) {
                return Err("it is damaged".to_owned());
            }
            ElfRequirements::of(&artifact.path)
        };
        let mut requirements = self.requirements.lock().unwrap_or_else(PoisonError::into_inner);
        requirements.entry(artifact.sha256.clone()).or_insert_with(read).clone()
    }

    /// Puts a finished folder into its place: a rename, so that an artifact is there with its provenance or
    /// not at all.
    pub(super) fn keep(&self, temporary: tempfile::TempDir, provenance: Provenance) -> Result<Artifact> {
        let path = self.dir.artifacts().join(provenance.key());
        let note = temporary.path().join(PROVENANCE);
        let text = serde_json::to_string_pretty(&provenance).unwrap_or_default();
        write(&note, &format!("{text}\n")).map_err(unusable(&note))?;
        let binary = provenance.engine.server();
        make_executable(&temporary.path().join(binary))?;
        make_executable(temporary.path())?;
        // What is in the way was found damaged, or it would have been used.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(unusable(&path))?;
        }
        fs::rename(temporary.keep(), &path).map_err(unusable(&path))?;
        let (sha256, size) = (provenance.sha256.clone(), provenance.size);
        Ok(Artifact { path: path.join(binary), sha256, size, provenance })
    }

    /// Takes the right to fetch or build one thing, so that two runs build it once. The kernel gives it back
    /// when the file is closed, however the run ends.
    pub(super) async fn lock(&self, spec: &ArtifactSpec, part: &str, events: &StepEvents) -> Result<File> {
        let path = self.dir.root().join(format!("{}-{part}.lock", spec.stem()));
        folder(self.dir.root())?;
        let file = File::options().create(true).append(true).open(&path).map_err(unusable(&path))?;
        let start = Instant::now();
        let mut announced = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(Error::Cache { path, source }),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_TIMEOUT => {
                    return Err(Error::Busy { title: spec.title(), waited: LOCK_TIMEOUT });
                }
                Err(TryLockError::WouldBlock) => {
                    if !announced {
                        let title = spec.title();
                        events.notice(format!("another run is fetching or building {title}; waiting for it"));
                        announced = true;
                    }
                    tokio::time::sleep(LOCK_INTERVAL).await;
                }
            }
        }
    }
}

fn make_executable(path: &Path) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).map_err(unusable(path))
}

fn read(folder: &Path, spec: &ArtifactSpec) -> Option<Artifact> {
    let text = fs::read(folder.join(PROVENANCE)).ok()?;
    let provenance: Provenance = serde_json::from_slice(&text).ok()?;
    let (sha256, size) = (provenance.sha256.clone(), provenance.size);
    Some(Artifact { path: folder.join(spec.recipe.target()), sha256, size, provenance })
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

/// The error of a file or folder of the cache.
pub(super) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    |source| Error::Cache { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::{builders::tests::facts, provenance::tests::provenance, spec::tests::spec},
        event::Events,
        inventory::Engine,
    };

    /// A binary that runs here, and the facts of this machine as far as it needs them.
    fn binary() -> (Vec<u8>, Facts) {
        let path = Path::new("/bin/sh");
        let requirements = ElfRequirements::of(path).unwrap();
        let mut facts = facts(&requirements.arch, "glibc 99.0", "", 2);
        facts.level = 4;
        (fs::read(path).unwrap(), facts)
    }

    fn keep(store: &ArtifactStore, bytes: &[u8], change: impl FnOnce(&mut Provenance)) -> Artifact {
        fs::create_dir_all(store.dir().artifacts()).unwrap();
        let temporary = tempfile::tempdir_in(store.dir().artifacts()).unwrap();
        let path = temporary.path().join("redis-server");
        atomic_file::write(&path, bytes, Mode::Private).unwrap();
        let sha256 = digest::of_file(&path).unwrap();
        let mut provenance = Provenance { sha256, size: bytes.len() as u64, ..provenance() };
        change(&mut provenance);
        store.keep(temporary, provenance).unwrap()
    }

    #[test]
    fn what_is_kept_is_found_again_until_it_is_damaged() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        let (bytes, facts) = binary();
        let wanted = spec(Engine::Redis, "7.0.15");
        assert_eq!(store.find(&wanted, &facts), None);
        let kept = keep(&store, &bytes, |_| {});
        assert_eq!(store.find(&wanted, &facts), Some(kept.clone()));
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept.path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o755);

        let mut without = wanted.clone();
        without.source.places.retain(|place| *place != SourceKind::ArtifactCache);
        assert_eq!(store.find(&without, &facts), None, "the inventory leaves this place out");
        assert_eq!(store.find(&spec(Engine::Redis, "7.0.14"), &facts), None);
        let other = Facts { arch: "m68k".to_owned(), ..facts.clone() };
        assert_eq!(store.find(&wanted, &other), None, "it does not run there");

        atomic_file::write(&kept.path, b"damaged", Mode::Shared).unwrap();
        let next_run = ArtifactStore::new(CacheDir::at(home.path()));
        assert_eq!(next_run.find(&wanted, &facts), None);
        assert_eq!(next_run.fits(&kept, &facts), Err("it is damaged".to_owned()));
    }

    #[test]
    fn of_several_binaries_the_newest_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        let (bytes, facts) = binary();
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        keep(&store, &bytes, |p| (p.built_at, p.compiler) = (at(1), "cc 1".to_owned()));
        let newest = keep(&store, &bytes, |p| (p.built_at, p.compiler) = (at(3), "cc 3".to_owned()));
        keep(&store, &bytes, |p| (p.built_at, p.compiler) = (at(2), "cc 2".to_owned()));
        assert_eq!(store.find(&spec(Engine::Redis, "7.0.15"), &facts), Some(newest));
    }

    #[test]
    fn a_second_build_takes_the_place_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        let (bytes, _) = binary();
        let first = keep(&store, &bytes, |_| {});
        let second = keep(&store, b"other bytes", |_| {});
        assert_eq!(first.path, second.path);
        assert_eq!(fs::read(&second.path).unwrap(), b"other bytes");
        assert_eq!(fs::read_dir(store.dir().artifacts()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_lock_of_one_part_does_not_hold_up_another() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path().join("new")));
        let (events, mut heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        let wanted = spec(Engine::Redis, "7.0.15");
        let source = store.lock(&wanted, "source", &step).await.unwrap();
        let other = store.lock(&wanted, "x86_64-glibc", &step).await.unwrap();
        assert!(heard.try_recv().is_err(), "nothing was waited for");
        let again = tokio::time::timeout(LOCK_INTERVAL / 4, store.lock(&wanted, "source", &step)).await;
        assert!(again.is_err(), "it is held");
        assert!(heard.try_recv().is_ok(), "and that was said");
        drop(source);
        store.lock(&wanted, "source", &step).await.unwrap();
        drop(other);
    }
}
