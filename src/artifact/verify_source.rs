//! Whether what a place gave is the source it should be, and what that rests on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    context::BuildContext,
    digests,
    error::{Error, Result},
    pins::Pins,
    spec::ArtifactSpec,
    store::{self, ArtifactStore},
};
use crate::digest;

/// A source that arrived and is not checked yet.
#[derive(Debug)]
pub(super) struct FetchedSource {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
    pub(super) from: String,
    pub(super) trust: Trust,
}

/// What an unknown digest of a source rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The distribution's signature, checked by this machine. A distribution may have packed the release
    /// anew, for example without what its policy excludes: that is not the release.
    Signed { packed_anew: bool },
    /// The place that the inventory names.
    Place,
    /// The word of a host, which may be compromised: it counts for no other cluster.
    Host,
}

impl Trust {
    /// As it is noted beside a source in the cache.
    fn name(self) -> &'static str {
        match self {
            Self::Signed { packed_anew: true } => "signed, packed anew",
            Self::Signed { packed_anew: false } => "signed",
            Self::Place => "place",
            Self::Host => "host",
        }
    }

    /// Reads the note; an earlier version did not say whether a distribution's source came from a host.
    fn of_note(name: Option<&str>, from: &str) -> Self {
        match name {
            Some("signed, packed anew") => Self::Signed { packed_anew: true },
            Some("signed") => Self::Signed { packed_anew: false },
            Some("place") => Self::Place,
            None if from.starts_with('/') || from.contains("://") => Self::Place,
            _ => Self::Host,
        }
    }
}

/// A source tarball in the cache, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tarball {
    /// In the sources of the cache.
    pub path: PathBuf,
    pub sha256: String,
    /// The URL, source package or file it came from.
    pub from: String,
    /// Whether a host alone vouches for it.
    pub of_host: bool,
}

/// The digests one of which the source must have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// Where they are written.
    origin: String,
    digests: Vec<String>,
}

impl Expected {
    /// The inventory has the last word. The table and the lock file count both, because a distribution may
    /// have packed a release anew. `None` for an unknown source.
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

/// Where a tarball of the cache came from, and what it rested on then; `None` where that is not noted.
pub(super) fn origin(path: &Path) -> Option<(String, Trust)> {
    let note = fs::read_to_string(path.with_extension("from")).ok()?;
    let mut lines = note.lines();
    let from = lines.next().filter(|from| !from.is_empty())?;
    Some((from.to_owned(), Trust::of_note(lines.next(), from)))
}

/// Checks the digest, pins it where it is unknown, and moves the file to its place in the cache.
pub(super) fn accept(source: FetchedSource, context: &BuildContext<'_>, pins: &mut Pins) -> Result<Tarball> {
    let BuildContext { spec, store, events, .. } = *context;
    match check(&source, spec, pins) {
        Verdict::Accepted => {}
        Verdict::New => events.notice(pin(&source, spec, pins)?),
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
    /// No digest is known for it: it is pinned on first use.
    New,
    Refused(Expected),
}

/// A release that the table has must be that of the table, even where another one is signed; a signature
/// counts where the table is silent.
fn check(source: &FetchedSource, spec: &ArtifactSpec, pins: &Pins) -> Verdict {
    let is_no_release = source.trust == Trust::Signed { packed_anew: true };
    match Expected::of(spec, pins) {
        None => Verdict::New,
        Some(expected) if expected.accepts(&source.sha256) => Verdict::Accepted,
        Some(_) if is_no_release && spec.source.sha256.is_none() && pins.of(spec).is_empty() => Verdict::New,
        Some(expected) => Verdict::Refused(expected),
    }
}

/// Returns what to tell the user.
fn pin(source: &FetchedSource, spec: &ArtifactSpec, pins: &mut Pins) -> Result<String> {
    let (title, from, sha256) = (spec.title(), &source.from, &source.sha256);
    pins.add(spec, sha256, from);
    pins.save()?;
    let lock = pins.path().display();
    let rests_on = match source.trust {
        Trust::Signed { .. } => "has the distribution's signature, and no known digest",
        Trust::Place => "has no signature and no known digest",
        Trust::Host => "has no known digest, and only the word of that host for its signature",
    };
    Ok(format!("{title} from {from} {rests_on}; its SHA-256 {sha256} is pinned in {lock} from now on"))
}

/// The notes come first: a tarball without them counts as damaged.
fn keep(source: FetchedSource, spec: &ArtifactSpec, store: &ArtifactStore) -> Result<Tarball> {
    let name = format!("{}-{}.tar", spec.stem(), digest::short(&source.sha256));
    let path = store.dir().sources().join(name);
    if source.path != path {
        let note = path.with_extension("from");
        let text = format!("{}\n{}\n", source.from, source.trust.name());
        store::write(&note, &text).map_err(store::unusable(&note))?;
        fs::rename(&source.path, &path).map_err(store::unusable(&path))?;
    }
    let of_host = source.trust == Trust::Host;
    Ok(Tarball { path, sha256: source.sha256, from: source.from, of_host })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{artifact::spec::tests::spec, cache_dir::CacheDir, inventory::Engine};

    const UNKNOWN: &str = "77.7.7";

    const SIGNED: Trust = Trust::Signed { packed_anew: false };
    const PACKED_ANEW: Trust = Trust::Signed { packed_anew: true };

    fn source(folder: &Path, digit: &str, trust: Trust) -> FetchedSource {
        let path = folder.join("x.part");
        store::write(&path, "bytes").unwrap();
        FetchedSource { path, sha256: digit.repeat(64), from: "a mirror".to_owned(), trust }
    }

    #[test]
    fn the_inventory_has_the_last_word_even_over_a_signature() {
        let home = tempfile::tempdir().unwrap();
        let pins = Pins::load(&home.path().join("x.toml")).unwrap();
        let mut wanted = spec(Engine::Redis, "7.0.15");
        wanted.source.sha256 = Some("A".repeat(64));
        assert_eq!(check(&source(home.path(), "a", Trust::Host), &wanted, &pins), Verdict::Accepted);
        for trust in [SIGNED, PACKED_ANEW, Trust::Place] {
            let Verdict::Refused(expected) = check(&source(home.path(), "b", trust), &wanted, &pins) else {
                panic!("{trust:?} does not replace the digest of the inventory");
            };
            assert!(expected.origin.contains("source.sha256"), "{expected:?}");
        }
    }

    #[test]
    fn a_release_of_the_table_must_have_a_digest_of_it_whoever_signed_another() {
        let home = tempfile::tempdir().unwrap();
        let mut pins = Pins::load(&home.path().join("x.toml")).unwrap();
        let wanted = spec(Engine::Redis, "7.0.15");
        for trust in [SIGNED, Trust::Place, Trust::Host] {
            let verdict = check(&source(home.path(), "b", trust), &wanted, &pins);
            assert!(
                matches!(verdict, Verdict::Refused(e) if e.origin == "the table of known sources"),
                "{trust:?}"
            );
        }
        // What a distribution packed anew is no release: it is pinned once.
        let packed = source(home.path(), "b", PACKED_ANEW);
        assert_eq!(check(&packed, &wanted, &pins), Verdict::New);
        pin(&packed, &wanted, &mut pins).unwrap();
        assert_eq!(check(&packed, &wanted, &pins), Verdict::Accepted);
        let other = check(&source(home.path(), "c", PACKED_ANEW), &wanted, &pins);
        assert!(matches!(other, Verdict::Refused(_)), "{other:?}");
    }

    #[test]
    fn an_unknown_source_is_pinned_once_and_another_is_refused_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("x.toml");
        let mut pins = Pins::load(&inventory).unwrap();
        let wanted = spec(Engine::Redis, UNKNOWN);
        let first = source(home.path(), "a", Trust::Place);
        assert_eq!(check(&first, &wanted, &pins), Verdict::New);
        let notice = pin(&first, &wanted, &mut pins).unwrap();
        assert!(notice.contains(&first.sha256) && notice.contains("x.toml.lock"), "{notice}");
        let pins = Pins::load(&inventory).unwrap();
        assert_eq!(check(&first, &wanted, &pins), Verdict::Accepted);
        for trust in [Trust::Place, SIGNED] {
            let verdict = check(&source(home.path(), "b", trust), &wanted, &pins);
            assert!(matches!(verdict, Verdict::Refused(e) if e.origin.ends_with("x.toml.lock")));
        }
        let other = spec(Engine::Valkey, UNKNOWN);
        assert_eq!(check(&source(home.path(), "b", Trust::Place), &other, &pins), Verdict::New);
    }

    #[test]
    fn a_kept_tarball_has_a_note_of_where_it_came_from_and_what_it_rested_on() {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::new(CacheDir::at(home.path()));
        fs::create_dir(store.dir().sources()).unwrap();
        for (digit, trust) in [("a", Trust::Place), ("b", SIGNED), ("c", PACKED_ANEW), ("d", Trust::Host)] {
            let wanted = spec(Engine::Redis, UNKNOWN);
            let tarball = keep(source(home.path(), digit, trust), &wanted, &store).unwrap();
            assert!(tarball.path.is_file() && !home.path().join("x.part").exists());
            assert_eq!(origin(&tarball.path), Some(("a mirror".to_owned(), trust)));
        }
    }

    #[test]
    fn a_note_of_an_earlier_version_does_not_vouch_for_what_a_host_may_have_said() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.tar");
        assert_eq!(origin(&path), None);
        for (note, trust) in [
            ("https://mirror/x.tar.gz\n", Trust::Place),
            ("/home/me/x.tar.gz\n", Trust::Place),
            ("redis 5:8.0.2-1 of debian\n", Trust::Host),
            ("redis 5:8.0.2-1 of debian\nnonsense\n", Trust::Host),
        ] {
            store::write(&path.with_extension("from"), note).unwrap();
            assert_eq!(origin(&path).map(|(_, trust)| trust), Some(trust), "{note}");
        }
        store::write(&path.with_extension("from"), "\n").unwrap();
        assert_eq!(origin(&path), None);
    }
}
