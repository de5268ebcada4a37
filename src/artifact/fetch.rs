//! Where the source comes from: the places of the inventory in their order, and the check of what they give.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ArtifactSpec, Error, Pins, Refusal, Result,
    apt::Apt,
    cache::{self, Cache},
    digest, download,
    verify_source::{self, Expected, FetchedSource},
};
use crate::{
    event::StepEvents,
    host::{Connector, Facts, LockedHost, NoPrompt, Pool, Probe},
    inventory::{Address, Engine, Host, SourceKind, Ssh},
};

/// A source tarball in the cache, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tarball {
    pub path: PathBuf,
    pub sha256: String,
    /// The URL, source package or file it came from.
    pub from: String,
}

/// One attempt at the source.
struct Search<'a> {
    spec: &'a ArtifactSpec,
    change: &'a LockedHost,
    facts: &'a Facts,
    cache: &'a Cache,
    pins: &'a mut Pins,
    events: &'a StepEvents,
    refusals: Vec<Refusal>,
}

/// Finds the source of what is wanted: the first of its places that has it. What is new is in the cache afterwards.
pub async fn fetch(
    spec: &ArtifactSpec,
    change: &LockedHost,
    facts: &Facts,
    cache: &Cache,
    pins: &mut Pins,
    events: &StepEvents,
) -> Result<Tarball> {
    cache::folder(&cache.sources())?;
    let mut search = Search { spec, change, facts, cache, pins, events, refusals: Vec::new() };
    for place in &spec.source.places {
        if let Some(given) = search.ask(*place).await? {
            return verify_source::accept(given, spec, cache, search.pins, events);
        }
    }
    Err(Error::NoSource { title: spec.title(), refusals: search.refusals })
}

impl Search<'_> {
    async fn ask(&mut self, place: SourceKind) -> Result<Option<FetchedSource>> {
        match place {
            SourceKind::ArtifactCache => Ok(None),
            SourceKind::SourceCache => self.cached(),
            SourceKind::Release => self.download("release", &release(self.spec)).await,
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
        let folder = self.cache.sources();
        let prefix = format!("{}-", self.spec.stem());
        let entries = fs::read_dir(&folder).map_err(cache::unusable(&folder))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let ours =
            |path: &&PathBuf| name(path).starts_with(&prefix) && path.extension().is_some_and(|e| e == "tar");
        for path in paths.iter().filter(ours) {
            let sha256 = digest::of_file(path).map_err(cache::unusable(path))?;
            let from = fs::read_to_string(path.with_extension("from")).unwrap_or_default().trim().to_owned();
            if !name(path).contains(digest::short(&sha256)) || from.is_empty() {
                self.refuse("source-cache", format!("{} is damaged", path.display()));
                continue;
            }
            let signed = verify_source::is_signed(path, self.spec);
            if signed || Expected::of(self.spec, self.pins).is_none_or(|expected| expected.accepts(&sha256)) {
                return Ok(Some(FetchedSource { path: path.clone(), sha256, from, signed }));
            }
        }
        Ok(self.refuse("source-cache", format!("nothing that fits in {}", folder.display())))
    }

    async fn mirrors(&mut self) -> Result<Option<FetchedSource>> {
        if self.spec.source.mirrors.is_empty() {
            return Ok(self.refuse("mirrors", "none in source.mirrors"));
        }
        for template in &self.spec.source.mirrors {
            if let Some(given) = self.download("mirror", &fill(template, self.spec)).await? {
                return Ok(Some(given));
            }
        }
        Ok(None)
    }

    async fn download(&mut self, place: &str, url: &str) -> Result<Option<FetchedSource>> {
        let part = self.cache.sources().join(format!(
            "{}-{}.part",
            self.spec.stem(),
            &digest::of_parts(&[url])[..8]
        ));
        match download::download(url, &part, self.events).await {
            Ok(_) if !is_tarball(&part) => {
                let _ = fs::remove_file(&part);
                Ok(self.refuse(format!("{place} {url}"), "what it sends is not a compressed tarball"))
            }
            Ok(sha256) => Ok(Some(FetchedSource { path: part, sha256, from: url.to_owned(), signed: false })),
            Err(reason) => Ok(self.refuse(format!("{place} {url}"), reason)),
        }
    }

    /// This machine is asked before a builder elsewhere: hosts are often where no archive can be reached.
    async fn distribution(&mut self) -> Result<Option<FetchedSource>> {
        if self.change.probe().is_remote()
            && let Some((change, facts)) = here().await
        {
            let given = self.archive(&change, &facts, "distribution of this machine").await?;
            if given.is_some() {
                return Ok(given);
            }
        }
        let (change, facts) = (self.change, self.facts);
        self.archive(change, facts, "distribution").await
    }

    async fn archive(
        &mut self,
        change: &LockedHost,
        facts: &Facts,
        place: &str,
    ) -> Result<Option<FetchedSource>> {
        let apt = Apt { spec: self.spec, change, facts, events: self.events };
        let (remote, offer) = match apt.fetch().await {
            Ok(found) => found,
            Err(reason) => return Ok(self.refuse(place, reason)),
        };
        let path = self.cache.sources().join(format!("{}-distribution.part", self.spec.stem()));
        let sha256 = change.probe().get(&remote, &path).await?;
        let os = facts.os.first().map_or("", |id| id);
        let from = format!("{} {} of {os}", self.spec.engine, offer.version);
        if !digest::same(&sha256, &offer.sha256) {
            let reason =
                format!("{remote} has the SHA-256 {sha256}, its signed source list says {}", offer.sha256);
            return Ok(self.refuse(place, reason));
        }
        Ok(Some(FetchedSource { path, sha256, from, signed: true }))
    }

    fn file(&mut self) -> Result<Option<FetchedSource>> {
        let Some(file) = self.spec.source.file.clone() else {
            return Ok(self.refuse("file", "no source.file"));
        };
        if !file.is_file() {
            return Ok(self.refuse(format!("file {}", file.display()), "there is no such file"));
        }
        let path = self.cache.sources().join(format!("{}-file.part", self.spec.stem()));
        fs::copy(&file, &path).map_err(cache::unusable(&path))?;
        let sha256 = digest::of_file(&path).map_err(cache::unusable(&path))?;
        Ok(Some(FetchedSource { path, sha256, from: file.display().to_string(), signed: false }))
    }
}

/// This machine as a host, where it has source packages. The lock is one of its own: no cluster is changed here.
async fn here() -> Option<(LockedHost, Facts)> {
    let host = Host {
        name: "this machine".to_owned(),
        address: Address::Local,
        ssh: Ssh::default(),
        zone: None,
        nodes: Vec::new(),
    };
    let pool = Pool::new(Connector::new(PathBuf::new(), false, Box::new(NoPrompt)));
    let probe = Probe::connect(&host, &pool).await.ok()?;
    let facts = probe.facts().await.ok().filter(|facts| facts.distro().is_some())?;
    Some((probe.lock("sources", "a run that fetches a source", &|_| {}).await.ok()?, facts))
}

/// The engine's own release. Valkey releases no tarballs of its own: its list of digests names the tag archives.
fn release(spec: &ArtifactSpec) -> String {
    match spec.engine {
        Engine::Redis => format!("https://download.redis.io/releases/redis-{}.tar.gz", spec.version),
        Engine::Valkey => {
            format!("https://github.com/valkey-io/valkey/archive/refs/tags/{}.tar.gz", spec.version)
        }
    }
}

fn fill(template: &str, spec: &ArtifactSpec) -> String {
    template
        .replace("{engine}", spec.engine.name())
        .replace("{version}", &spec.version.to_string())
        .replace("{file}", &format!("{}.tar.gz", spec.stem()))
}

/// gzip, xz or bzip2: a portal's login page is none of them.
fn is_tarball(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0u8; 3];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && matches!(&head, [0x1f, 0x8b, _] | [0xfd, b'7', b'z'] | b"BZh")
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
