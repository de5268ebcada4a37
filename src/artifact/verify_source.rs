//! Whether what a place gave is the source it should be, and what that rests on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ArtifactSpec, ArtifactStore, BuildContext, Error, Pins, Result, Tarball, digest, digests, store,
};

/// A source that arrived and is not checked yet.
#[derive(Debug)]
pub(super) struct FetchedSource {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
    pub(super) from: String,
    /// The distribution has signed the digest.
    pub(super) signed: bool,
}

/// The digests one of which the source must have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// Where they are written.
    origin: String,
    digests: Vec<String>,
}

impl Expected {
    /// The inventory has the last word. The table and the lock file count both, because a distribution packs a release
    /// anew. `None` for an unknown source.
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

/// Whether the distribution signed a tarball when it came into the cache, and the inventory demands no digest.
pub(super) fn is_signed(path: &Path, spec: &ArtifactSpec) -> bool {
    spec.source.sha256.is_none() && signature_marker(path).exists()
}

/// The file beside a tarball that says so.
fn signature_marker(path: &Path) -> PathBuf {
    path.with_extension("signed")
}

/// Checks the digest, pins it where it is unknown, and moves the file to its place in the cache.
pub(super) fn accept(source: FetchedSource, context: &BuildContext<'_>, pins: &mut Pins) -> Result<Tarball> {
    let BuildContext { spec, store, events, .. } = *context;
    match check(&source, spec, pins) {
        Verdict::Accepted => {}
        Verdict::Unknown => events.notice(pin(&source, spec, pins)?),
        Verdict::Refused(Expected { origin, digests }) => {
            let _ = fs::remove_file(&source.path);
            let FetchedSource { from, sha256, .. } = source;
            return Err(Error::Mismatch { file: from, found: sha256, origin, expected: digests });
        }
    }
    keep(source, spec, store)
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// No digest is known for it: it is trusted on first use.
    Unknown,
    Refused(Expected),
}

fn check(source: &FetchedSource, spec: &ArtifactSpec, pins: &Pins) -> Verdict {
    let signed = source.signed && spec.source.sha256.is_none();
    match Expected::of(spec, pins) {
        _ if signed => Verdict::Accepted,
        None => Verdict::Unknown,
        Some(expected) if expected.accepts(&source.sha256) => Verdict::Accepted,
        Some(expected) => Verdict::Refused(expected),
    }
}

/// Returns what to tell the user.
fn pin(source: &FetchedSource, spec: &ArtifactSpec, pins: &mut Pins) -> Result<String> {
    let (title, from, sha256) = (spec.title(), &source.from, &source.sha256);
    pins.add(spec, sha256, from);
    pins.save()?;
    let lock = pins.path().display();
    Ok(format!(
        "{title} from {from} has no signature and no known digest; its SHA-256 {sha256} is pinned in {lock} from now on"
    ))
}

/// The notes come first: a tarball without them counts as damaged.
fn keep(source: FetchedSource, spec: &ArtifactSpec, store: &ArtifactStore) -> Result<Tarball> {
    let name = format!("{}-{}.tar", spec.stem(), digest::short(&source.sha256));
    let path = store.dir().sources().join(name);
    if source.path != path {
        let (note, marker) = (path.with_extension("from"), signature_marker(&path));
        store::write(&note, &format!("{}\n", source.from)).map_err(store::unusable(&note))?;
        if source.signed {
            store::write(&marker, &format!("{}\n", source.sha256)).map_err(store::unusable(&marker))?;
        }
        fs::rename(&source.path, &path).map_err(store::unusable(&path))?;
    }
    Ok(Tarball { path, sha256: source.sha256, from: source.from })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{artifact::spec::tests::spec, cache_dir::CacheDir, inventory::Engine};

    const UNKNOWN: &str = "77.7.7";

    fn source(folder: &Path, digit: &str, signed: bool) -> FetchedSource {
        let path = folder.join("x.part");
        store::write(&path, "bytes").unwrap();
        FetchedSource { path, sha256: digit.repeat(64), from: "a mirror".to_owned(), signed }
    }

    #[test]
    fn the_inventory_has_the_last_word_even_over_a_signature() {
        let home = tempfile::tempdir().unwrap();
        let pins = Pins::load(&home.path().join("x.toml")).unwrap();
        let mut wanted = spec(Engine::Redis, "7.0.15");
        wanted.source.sha256 = Some("A".repeat(64));
        assert_eq!(check(&source(home.path(), "a", false), &wanted, &pins), Verdict::Accepted);
        let Verdict::Refused(expected) = check(&source(home.path(), "b", true), &wanted, &pins) else {
            panic!("a signature does not replace the digest of the inventory");
        };
        assert!(expected.origin.contains("source.sha256"), "{expected:?}");
    }

    #[test]
    fn a_release_of_the_table_must_have_a_digest_of_it_unless_it_is_signed() {
        let home = tempfile::tempdir().unwrap();
        let pins = Pins::load(&home.path().join("x.toml")).unwrap();
        let wanted = spec(Engine::Redis, "7.0.15");
        let verdict = check(&source(home.path(), "b", false), &wanted, &pins);
        assert!(matches!(verdict, Verdict::Refused(e) if e.origin == "the table of known sources"));
        assert_eq!(check(&source(home.path(), "b", true), &wanted, &pins), Verdict::Accepted);
    }

    #[test]
    fn an_unknown_source_is_pinned_once_and_another_is_refused_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("x.toml");
        let mut pins = Pins::load(&inventory).unwrap();
        let wanted = spec(Engine::Redis, UNKNOWN);
        let first = source(home.path(), "a", false);
        assert_eq!(check(&first, &wanted, &pins), Verdict::Unknown);
        let notice = pin(&first, &wanted, &mut pins).unwrap();
        assert!(notice.contains(&first.sha256) && notice.contains("x.toml.lock"), "{notice}");
        let pins = Pins::load(&inventory).unwrap();
        assert_eq!(check(&first, &wanted, &pins), Verdict::Accepted);
        let verdict = check(&source(home.path(), "b", false), &wanted, &pins);
        assert!(matches!(verdict, Verdict::Refused(e) if e.origin.ends_with("x.toml.lock")));
        assert_eq!(
            check(&source(home.path(), "b", false), &spec(Engine::Valkey, UNKNOWN), &pins),
            Verdict::Unknown
        );
    }

    #[test]
    fn a_kept_tarball_has_its_notes_and_a_marker_only_where_it_was_signed() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        fs::create_dir(store.dir().sources()).unwrap();
        for (digit, signed) in [("a", false), ("b", true)] {
            let mut wanted = spec(Engine::Redis, UNKNOWN);
            let tarball = keep(source(home.path(), digit, signed), &wanted, &store).unwrap();
            assert!(tarball.path.is_file() && !home.path().join("x.part").exists());
            assert_eq!(fs::read_to_string(tarball.path.with_extension("from")).unwrap(), "a mirror\n");
            assert_eq!(is_signed(&tarball.path, &wanted), signed);
            wanted.source.sha256 = Some(digit.repeat(64));
            assert!(!is_signed(&tarball.path, &wanted), "the inventory demands a digest");
        }
    }
}
