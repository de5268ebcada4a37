//! Where the source comes from: the places of the inventory in their order, and the check of what they give.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Error, Pins, Refusal, Result, Want,
    apt::Apt,
    cache::{self, Cache},
    check::{self, Expected, Given},
    digest, download,
};
use crate::{
    event::StepEvents,
    host::{Change, Connector, Facts, Nobody, Probe},
    inventory::{Address, Engine, Host, Place, Ssh},
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
    want: &'a Want,
    change: &'a Change,
    facts: &'a Facts,
    cache: &'a Cache,
    pins: &'a mut Pins,
    events: &'a StepEvents,
    refusals: Vec<Refusal>,
}

/// Finds the source of what is wanted: the first of its places that has it. What is new is in the cache afterwards.
pub async fn fetch(
    want: &Want,
    change: &Change,
    facts: &Facts,
    cache: &Cache,
    pins: &mut Pins,
    events: &StepEvents,
) -> Result<Tarball> {
    cache::folder(&cache.sources())?;
    let mut search = Search { want, change, facts, cache, pins, events, refusals: Vec::new() };
    for place in &want.source.places {
        if let Some(given) = search.ask(*place).await? {
            return check::accept(given, want, cache, search.pins, events);
        }
    }
    Err(Error::NoSource { title: want.title(), refusals: search.refusals })
}

impl Search<'_> {
    async fn ask(&mut self, place: Place) -> Result<Option<Given>> {
        match place {
            Place::ArtefactCache => Ok(None),
            Place::SourceCache => self.cached(),
            Place::Release => self.download("release", &release(self.want)).await,
            Place::Mirrors => self.mirrors().await,
            Place::Distribution => self.distribution().await,
            Place::File => self.file(),
        }
    }

    fn refuse(&mut self, place: impl Into<String>, reason: impl Into<String>) -> Option<Given> {
        self.refusals.push(Refusal { place: place.into(), reason: reason.into() });
        None
    }

    /// A tarball downloaded before whose digest is still acceptable.
    fn cached(&mut self) -> Result<Option<Given>> {
        let folder = self.cache.sources();
        let prefix = format!("{}-", self.want.stem());
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
            let vouched = check::is_vouched(path, self.want);
            if vouched || Expected::of(self.want, self.pins).is_none_or(|expected| expected.accepts(&sha256))
            {
                return Ok(Some(Given { path: path.clone(), sha256, from, vouched }));
            }
        }
        Ok(self.refuse("source-cache", format!("nothing that fits in {}", folder.display())))
    }

    async fn mirrors(&mut self) -> Result<Option<Given>> {
        if self.want.source.mirrors.is_empty() {
            return Ok(self.refuse("mirrors", "none in source.mirrors"));
        }
        for template in &self.want.source.mirrors {
            if let Some(given) = self.download("mirror", &fill(template, self.want)).await? {
                return Ok(Some(given));
            }
        }
        Ok(None)
    }

    async fn download(&mut self, place: &str, url: &str) -> Result<Option<Given>> {
        let part = self.cache.sources().join(format!(
            "{}-{}.part",
            self.want.stem(),
            &digest::of_parts(&[url])[..8]
        ));
        match download::download(url, &part, self.events).await {
            Ok(_) if !is_tarball(&part) => {
                let _ = fs::remove_file(&part);
                Ok(self.refuse(format!("{place} {url}"), "what it sends is not a compressed tarball"))
            }
            Ok(sha256) => Ok(Some(Given { path: part, sha256, from: url.to_owned(), vouched: false })),
            Err(reason) => Ok(self.refuse(format!("{place} {url}"), reason)),
        }
    }

    /// This machine is asked before a builder elsewhere: hosts are often where no archive can be reached.
    async fn distribution(&mut self) -> Result<Option<Given>> {
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

    async fn archive(&mut self, change: &Change, facts: &Facts, place: &str) -> Result<Option<Given>> {
        let apt = Apt { want: self.want, change, facts, events: self.events };
        let (remote, offer) = match apt.fetch().await {
            Ok(found) => found,
            Err(reason) => return Ok(self.refuse(place, reason)),
        };
        let path = self.cache.sources().join(format!("{}-distribution.part", self.want.stem()));
        let sha256 = change.probe().get(&remote, &path).await?;
        let os = facts.os.first().map_or("", |id| id);
        let from = format!("{} {} of {os}", self.want.engine, offer.version);
        if !digest::same(&sha256, &offer.sha256) {
            let reason =
                format!("{remote} has the SHA-256 {sha256}, its signed source list says {}", offer.sha256);
            return Ok(self.refuse(place, reason));
        }
        Ok(Some(Given { path, sha256, from, vouched: true }))
    }

    fn file(&mut self) -> Result<Option<Given>> {
        let Some(file) = self.want.source.file.clone() else {
            return Ok(self.refuse("file", "no source.file"));
        };
        if !file.is_file() {
            return Ok(self.refuse(format!("file {}", file.display()), "there is no such file"));
        }
        let path = self.cache.sources().join(format!("{}-file.part", self.want.stem()));
        fs::copy(&file, &path).map_err(cache::unusable(&path))?;
        let sha256 = digest::of_file(&path).map_err(cache::unusable(&path))?;
        Ok(Some(Given { path, sha256, from: file.display().to_string(), vouched: false }))
    }
}

/// This machine as a host, where it has source packages. The lock is one of its own: no cluster is changed here.
async fn here() -> Option<(Change, Facts)> {
    let host = Host {
        name: "this machine".to_owned(),
        address: Address::Local,
        ssh: Ssh::default(),
        zone: None,
        nodes: Vec::new(),
    };
    let connector = Connector::new(PathBuf::new(), false, Box::new(Nobody));
    let probe = Probe::connect(&host, &connector).await.ok()?;
    let facts = probe.facts().await.ok().filter(|facts| facts.distro().is_some())?;
    Some((probe.lock("sources", "a run that fetches a source", &|_| {}).await.ok()?, facts))
}

/// The engine's own release. Valkey releases no tarballs of its own: its list of digests names the tag archives.
fn release(want: &Want) -> String {
    match want.engine {
        Engine::Redis => format!("https://download.redis.io/releases/redis-{}.tar.gz", want.version),
        Engine::Valkey => {
            format!("https://github.com/valkey-io/valkey/archive/refs/tags/{}.tar.gz", want.version)
        }
    }
}

fn fill(template: &str, want: &Want) -> String {
    template
        .replace("{engine}", want.engine.name())
        .replace("{version}", &want.version.to_string())
        .replace("{file}", &format!("{}.tar.gz", want.stem()))
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
