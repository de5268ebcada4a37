//! Where hosts get the binary from: the store, or the builder that is compiling it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{self, watch},
    task::spawn_blocking,
};

use super::Error;
use crate::{
    artifact::{Artifact, ArtifactSpec, ArtifactStore, Builder, DirectiveNames},
    host::{Facts, Upload},
    units::HostName,
};

/// What a builder will publish. Once the publisher is dropped, nothing more will come.
type PendingArtifact = watch::Receiver<Option<Artifact>>;

/// The binaries of one run.
pub(super) struct BinarySource<'a> {
    spec: ArtifactSpec,
    store: &'a ArtifactStore,
    /// By the host that waits: its builder, and what that builder will publish.
    pending: BTreeMap<HostName, (HostName, PendingArtifact)>,
    /// By builder; taken when its pipeline begins.
    publishers: Mutex<BTreeMap<HostName, watch::Sender<Option<Artifact>>>>,
    /// What was read from disk, by digest: one copy for all hosts.
    uploads: sync::Mutex<BTreeMap<String, Arc<Upload>>>,
}

impl<'a> BinarySource<'a> {
    /// `builders` that take part in this run.
    pub(super) fn new<'b>(
        spec: ArtifactSpec,
        store: &'a ArtifactStore,
        builders: impl Iterator<Item = &'b Builder>,
    ) -> Self {
        let (mut pending, mut publishers) = (BTreeMap::new(), BTreeMap::new());
        for builder in builders {
            let (publisher, receiver) = watch::channel(None);
            publishers.insert(builder.host.clone(), publisher);
            let served = builder.consumers.iter().chain([&builder.host]);
            pending.extend(served.map(|host| (host.clone(), (builder.host.clone(), receiver.clone()))));
        }
        Self { spec, store, pending, publishers: Mutex::new(publishers), uploads: sync::Mutex::default() }
    }

    pub(super) fn spec(&self) -> &ArtifactSpec {
        &self.spec
    }

    /// The publisher of a builder. Dropping it ends the wait of all its consumers.
    pub(super) fn publisher(&self, host: &HostName) -> Option<watch::Sender<Option<Artifact>>> {
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner).remove(host)
    }

    /// The binary for a host; waits for its builder where there is one.
    pub(super) async fn artifact(&self, host: &HostName, facts: &Facts) -> Result<Artifact, Error> {
        let title = || self.spec.title();
        let Some((builder, receiver)) = self.pending.get(host) else {
            return self.store.find(&self.spec, facts).ok_or_else(|| Error::ArtifactGone { what: title() });
        };
        let mut receiver = receiver.clone();
        let published = receiver.wait_for(Option::is_some).await.ok().and_then(|artifact| artifact.clone());
        let artifact = published.ok_or_else(|| Error::NotBuilt {
            host: host.clone(),
            what: title(),
            builder: builder.clone(),
        })?;
        let fits = self.store.fits(&artifact, facts);
        fits.map_err(|why| Error::Incompatible {
            host: host.clone(),
            what: title(),
            builder: builder.clone(),
            why,
        })?;
        Ok(artifact)
    }

    /// The binary for a host, where it is there without a wait.
    pub(super) fn at_hand(&self, host: &HostName, facts: &Facts) -> Option<Artifact> {
        match self.pending.get(host) {
            Some((_, receiver)) => receiver.borrow().clone(),
            None => self.store.find(&self.spec, facts),
        }
    }

    /// The directives a binary knows.
    pub(super) fn directive_names(&self, artifact: &Artifact) -> Result<Arc<DirectiveNames>, Error> {
        let names = self.store.directive_names(artifact);
        names.map_err(|_| Error::ArtifactGone { what: self.spec.title() })
    }

    /// The content of a binary, read once for all hosts.
    pub(super) async fn upload(&self, artifact: &Artifact) -> Result<Arc<Upload>, Error> {
        let mut uploads = self.uploads.lock().await;
        if let Some(upload) = uploads.get(&artifact.sha256) {
            return Ok(Arc::clone(upload));
        }
        let path = artifact.path.clone();
        let read = spawn_blocking(move || {
            let upload = Upload::read(&path).ok()?;
            Some(if let Some(folder) = path.parent() { upload.keeping_gzipped(folder) } else { upload })
        });
        let read = read.await.ok().flatten().filter(|upload| upload.sha256() == artifact.sha256);
        let upload = Arc::new(read.ok_or_else(|| Error::ArtifactGone { what: self.spec.title() })?);
        uploads.insert(artifact.sha256.clone(), Arc::clone(&upload));
        Ok(upload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{artifact, cache_at, facts, fleet};

    fn builder(host: &str, consumers: &[&str]) -> Builder {
        let consumers = consumers.iter().copied().map(HostName::from).collect();
        Builder { host: host.into(), consumers, why: String::new() }
    }

    fn source<'a>(cache: &'a ArtifactStore, builders: &[Builder]) -> BinarySource<'a> {
        BinarySource::new(ArtifactSpec::of(&fleet(&["a", "b", "c"])), cache, builders.iter())
    }

    #[tokio::test]
    async fn without_a_builder_the_cache_must_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_at(folder.path());
        let result = source(&cache, &[]).artifact(&"a".into(), &facts()).await;
        assert!(matches!(&result, Err(Error::ArtifactGone { what }) if what == "redis 7.0.15"), "{result:?}");
    }

    #[tokio::test]
    async fn a_builder_that_gives_up_ends_the_wait_of_its_consumers() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_at(folder.path());
        let source = source(&cache, &[builder("a", &["b"]), builder("c", &[])]);
        let publisher = source.publisher(&"a".into()).unwrap();
        let facts = facts();
        let b = "b".into();
        let waiting = source.artifact(&b, &facts);
        let (result, ()) = tokio::join!(waiting, async { drop(publisher) });
        let Err(Error::NotBuilt { host, builder, .. }) = result else { panic!("{result:?}") };
        assert_eq!((&*host, &*builder), ("b", "a"));
    }

    #[test]
    fn a_publisher_is_taken_once_and_only_builders_have_one() {
        let cache = cache_at("/nonexistent");
        let source = source(&cache, &[builder("a", &["b"])]);
        assert!(source.publisher(&"b".into()).is_none());
        let publisher = source.publisher(&"a".into());
        assert!(publisher.is_some() && source.publisher(&"a".into()).is_none());
    }

    #[tokio::test]
    async fn what_does_not_run_on_a_consumer_is_not_sent_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache_at(folder.path());
        let source = source(&cache, &[builder("a", &["b"])]);
        let publisher = source.publisher(&"a".into()).unwrap();
        publisher.send_replace(Some(artifact(&folder.path().join("missing"), "ab")));
        let result = source.artifact(&"b".into(), &facts()).await;
        let Err(Error::Incompatible { host, builder, .. }) = result else { panic!("{result:?}") };
        assert_eq!((&*host, &*builder), ("b", "a"));
    }

    #[tokio::test]
    async fn a_binary_is_read_once_and_only_if_it_is_the_one_that_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, path) = (cache_at(folder.path()), folder.path().join("redis-server"));
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), b"binary").unwrap();
        let source = source(&cache, &[]);
        let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"binary"));
        let first = source.upload(&artifact(&path, &sha256)).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = source.upload(&artifact(&path, &sha256)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), b"other").unwrap();
        assert!(matches!(source.upload(&artifact(&path, "ab")).await, Err(Error::ArtifactGone { .. })));
    }
}
