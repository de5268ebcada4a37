//! Whether what a place gave is the source it should be, and who says so.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ArtifactSpec, Error, Pins, Result, Tarball, digest, digests,
    store::{self, ArtifactStore},
};
use crate::event::StepEvents;

/// What a place gave.
pub(super) struct FetchedSource {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
    pub(super) from: String,
    /// The distribution's signature vouches for the digest.
    pub(super) signed: bool,
}

/// The digests one of which the source must have.
pub(super) struct Expected {
    /// Who says so.
    origin: String,
    digests: Vec<String>,
}

impl Expected {
    /// The inventory has the last word; the table and the lock file stand beside each other, because a distribution
    /// packs a release anew. `None` where nobody knows the source.
    pub(super) fn of(spec: &ArtifactSpec, pins: &Pins) -> Option<Self> {
        if let Some(sha256) = &spec.source.sha256 {
            let origin = "source.sha256 of the inventory".to_owned();
            return Some(Self { origin, digests: vec![sha256.clone()] });
        }
        let known = digests::known(spec.engine, spec.version);
        let origin = if known.is_empty() {
            pins.path().display().to_string()
        } else {
            "the table of known sources".to_owned()
        };
        let digests: Vec<String> = known.into_iter().chain(pins.of(spec)).map(str::to_owned).collect();
        (!digests.is_empty()).then_some(Self { origin, digests })
    }

    pub(super) fn accepts(&self, sha256: &str) -> bool {
        self.digests.iter().any(|digest| digest::same(digest, sha256))
    }
}

/// Whether the distribution signed for a tarball when it came into the cache, and the inventory leaves that to it.
pub(super) fn is_signed(path: &Path, spec: &ArtifactSpec) -> bool {
    spec.source.sha256.is_none() && seal(path).exists()
}

fn seal(path: &Path) -> PathBuf {
    path.with_extension("signed")
}

/// Checks the digest, pins it where nobody vouches for it, and moves the file to its place in the cache.
pub(super) fn accept(
    given: FetchedSource,
    spec: &ArtifactSpec,
    cache: &ArtifactStore,
    pins: &mut Pins,
    events: &StepEvents,
) -> Result<Tarball> {
    let signed = given.signed && spec.source.sha256.is_none();
    match Expected::of(spec, pins) {
        Some(expected) if !signed && !expected.accepts(&given.sha256) => {
            let _ = fs::remove_file(&given.path);
            let Expected { origin, digests } = expected;
            return Err(Error::Mismatch { file: given.from, found: given.sha256, origin, expected: digests });
        }
        None if !signed => pin(&given, spec, pins, events)?,
        _ => {}
    }
    store(given, spec, cache)
}

fn pin(given: &FetchedSource, spec: &ArtifactSpec, pins: &mut Pins, events: &StepEvents) -> Result<()> {
    let (title, from, sha256) = (spec.title(), &given.from, &given.sha256);
    pins.add(spec, sha256, from);
    pins.save()?;
    let lock = pins.path().display();
    events.notice(format!(
        "nobody vouches for {title} from {from}; its SHA-256 {sha256} is pinned in {lock} from now on"
    ));
    Ok(())
}

/// The notes come first: a tarball without them counts as damaged.
fn store(given: FetchedSource, spec: &ArtifactSpec, cache: &ArtifactStore) -> Result<Tarball> {
    let path = cache.dir().sources().join(format!("{}-{}.tar", spec.stem(), digest::short(&given.sha256)));
    if given.path != path {
        let (note, seal) = (path.with_extension("from"), seal(&path));
        store::write(&note, &format!("{}\n", given.from)).map_err(store::unusable(&note))?;
        if given.signed {
            store::write(&seal, &format!("{}\n", given.sha256)).map_err(store::unusable(&seal))?;
        }
        fs::rename(&given.path, &path).map_err(store::unusable(&path))?;
    }
    Ok(Tarball { path, sha256: given.sha256, from: given.from })
}
