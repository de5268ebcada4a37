//! Where the source comes from: the places of the inventory in their order, and the check of what they give.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    apt::Apt,
    context::BuildContext,
    download,
    error::{Error, Refusal, Result},
    pins::Pins,
    source_url, store,
    verify_source::{self, Expected, FetchedSource, Tarball, Trust},
};
use crate::{
    digest,
    distro::debian,
    host::{Facts, LockedHost, Probe},
    inventory::SourceKind,
};

/// Finds the source of what is wanted: the first of its places that has it. What is new is in the cache
/// afterwards.
pub async fn fetch(context: &BuildContext<'_>, pins: &mut Pins) -> Result<Tarball> {
    store::folder(&context.store.dir().sources())?;
    let mut search = Search { context, pins, refusals: Vec::new() };
    for kind in &context.spec.source.places {
        if let Some(source) = search.ask(*kind).await? {
            return verify_source::accept(source, context, search.pins);
        }
    }
    Err(Error::NoSource { title: context.spec.title(), refusals: search.refusals })
}

/// One attempt at the source.
struct Search<'a> {
    context: &'a BuildContext<'a>,
    pins: &'a mut Pins,
    refusals: Vec<Refusal>,
}

impl Search<'_> {
    async fn ask(&mut self, kind: SourceKind) -> Result<Option<FetchedSource>> {
        match kind {
            SourceKind::ArtifactCache => Ok(None),
            SourceKind::SourceCache => self.cached(),
            SourceKind::Release => self.download("release", &source_url::release(self.context.spec)).await,
            SourceKind::Mirrors => self.mirrors().await,
            SourceKind::Distribution => self.distribution().await,
            SourceKind::File => self.file(),
        }
    }

    fn refuse(&mut self, place: impl Into<String>, reason: impl Into<String>) -> Option<FetchedSource> {
        self.refusals.push(Refusal { place: place.into(), reason: reason.into() });
        None
    }

    /// A tarball downloaded before whose digest is still acceptable.
    fn cached(&mut self) -> Result<Option<FetchedSource>> {
        let BuildContext { spec, store, .. } = *self.context;
        let folder = store.dir().sources();
        let entries = fs::read_dir(&folder).map_err(store::unusable(&folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let prefix = format!("{}-", spec.stem());
        let is_of_spec = |path: &&PathBuf| {
            file_name(path).starts_with(&prefix)
                && path.extension().is_some_and(|extension| extension == "tar")
        };
        for path in paths.iter().filter(is_of_spec) {
            let sha256 = digest::of_file(path).map_err(store::unusable(path))?;
            let origin = verify_source::origin(path);
            let Some((from, trust)) = origin.filter(|_| file_name(path).contains(digest::short(&sha256)))
            else {
                self.refuse("source-cache", format!("{} is damaged", path.display()));
                continue;
            };
            // What a host of another cluster said counts for nothing here.
            let new = trust != Trust::Host;
            if Expected::of(spec, self.pins).map_or(new, |expected| expected.accepts(&sha256)) {
                return Ok(Some(FetchedSource { path: path.clone(), sha256, from, trust }));
            }
        }
        Ok(self.refuse("source-cache", format!("nothing that fits in {}", folder.display())))
    }

    async fn mirrors(&mut self) -> Result<Option<FetchedSource>> {
        let spec = self.context.spec;
        if spec.source.mirrors.is_empty() {
            return Ok(self.refuse("mirrors", "none in source.mirrors"));
        }
        for template in &spec.source.mirrors {
            if let Some(source) = self.download("mirror", &source_url::mirror(template, spec)).await? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    async fn download(&mut self, place: &str, url: &str) -> Result<Option<FetchedSource>> {
        let part = self.part(&digest::of_parts(&[url])[..8]);
        match download::download(url, &part, self.context.events).await {
            Ok(_) if !is_tarball(&part) => {
                let _ = fs::remove_file(&part);
                Ok(self.refuse(format!("{place} {url}"), "what it sends is not a compressed tarball"))
            }
            Ok(sha256) => {
                let (from, trust) = (url.to_owned(), Trust::Place);
                Ok(Some(FetchedSource { path: part, sha256, from, trust }))
            }
            Err(reason) => Ok(self.refuse(format!("{place} {url}"), reason)),
        }
    }

    /// This machine is asked before a builder elsewhere: hosts are often where no archive can be reached.
    async fn distribution(&mut self) -> Result<Option<FetchedSource>> {
        if self.context.host.probe().is_remote()
            && let Some((host, facts)) = this_machine().await
        {
            let here = BuildContext { host: &host, facts: &facts, ..*self.context };
            let source = self.archive(&here, "distribution of this machine").await?;
            if source.is_some() {
                return Ok(source);
            }
        }
        self.archive(&self.context.clone(), "distribution").await
    }

    async fn archive(&mut self, context: &BuildContext<'_>, place: &str) -> Result<Option<FetchedSource>> {
        let (remote, package, verified) = match Apt::new(context).fetch().await {
            Ok(found) => found,
            Err(reason) => return Ok(self.refuse(place, reason)),
        };
        let path = self.part("distribution");
        let sha256 = context.host.probe().get(&remote, &path).await?;
        let os = context.facts.os.first().map_or("", |id| id);
        let from = format!("{} {} of {os}", context.spec.engine, package.version);
        if !digest::same(&sha256, &package.sha256) {
            let reason =
                format!("{remote} has the SHA-256 {sha256}, its signed source list says {}", package.sha256);
            return Ok(self.refuse(place, reason));
        }
        let (host, packed_anew) = (context.host.probe(), package.is_packed_anew());
        if host.is_remote() {
            let from = format!("{from} on {}", host.name());
            let expected = Expected::of(context.spec, self.pins);
            if expected.is_some_and(|expected| !expected.accepts(&sha256)) {
                let reason = format!(
                    "{from} has the SHA-256 {sha256}, which is none of those that are known, and a host's own word does \
                     not count; source.sha256 = \"{sha256}\" accepts it"
                );
                return Ok(self.refuse(place, reason));
            }
            return Ok(Some(FetchedSource { path, sha256, from, trust: Trust::Host }));
        }
        // An archive that apt is configured not to verify is a place like any other.
        let trust = if verified { Trust::Signed { packed_anew } } else { Trust::Place };
        Ok(Some(FetchedSource { path, sha256, from, trust }))
    }

    fn file(&mut self) -> Result<Option<FetchedSource>> {
        let Some(file) = &self.context.spec.source.file else {
            return Ok(self.refuse("file", "no source.file"));
        };
        if !file.is_file() {
            return Ok(self.refuse(format!("file {}", file.display()), "there is no such file"));
        }
        let path = self.part("file");
        fs::copy(file, &path).map_err(store::unusable(&path))?;
        let sha256 = digest::of_file(&path).map_err(store::unusable(&path))?;
        let (from, trust) = (file.display().to_string(), Trust::Place);
        Ok(Some(FetchedSource { path, sha256, from, trust }))
    }

    /// Where a source is until it is accepted.
    fn part(&self, origin: &str) -> PathBuf {
        let BuildContext { spec, store, .. } = *self.context;
        store.dir().sources().join(format!("{}-{origin}.part", spec.stem()))
    }
}

/// This machine as a host, where it has source packages. The lock is one of its own: no cluster is changed
/// here.
async fn this_machine() -> Option<(LockedHost, Facts)> {
    let probe = Probe::of_this_machine().await.ok()?;
    let facts = probe.facts().await.ok().filter(|facts| facts.distro() == Some(&debian::DISTRO))?;
    Some((probe.lock("sources", "a run that fetches a source", &|_| {}).await.ok()?, facts))
}

/// gzip, xz or bzip2: a portal's login page is none of them.
fn is_tarball(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0u8; 3];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && matches!(&head, [0x1f, 0x8b, _] | [0xfd, b'7', b'z'] | b"BZh")
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_tarball_is_known_by_its_first_bytes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x");
        assert!(!is_tarball(&path), "a missing file is none");
        for (bytes, expected) in [
            (&b"\x1f\x8b\x08\x00"[..], true),
            (b"\xfd7zXZ\x00", true),
            (b"BZh91AY", true),
            (b"<html>please log in</html>", false),
            (b"PK\x03\x04", false),
            (b"\x1f\x8b", false),
            (b"", false),
        ] {
            store::write(&path, "").unwrap();
            crate::atomic_file::write(&path, bytes, crate::atomic_file::Mode::Private).unwrap();
            assert_eq!(is_tarball(&path), expected, "{bytes:?}");
        }
    }
}
