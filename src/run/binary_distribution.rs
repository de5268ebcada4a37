//! Where hosts get the binary from: the cache, or the host that is compiling it right now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::Error;
use crate::{
    artifact::{Artifact, ArtifactSpec, ArtifactStore, Builder},
    host::{Facts, Upload},
    inspect,
};

/// What a builder has to give, once it has it. Without a publisher there will be nothing.
type PendingArtifact = watch::Receiver<Option<Artifact>>;

/// The binaries of one run.
pub(super) struct BinarySource<'a> {
    spec: ArtifactSpec,
    cache: &'a ArtifactStore,
    /// By the host that waits: its builder, and what that one will give.
    pending: BTreeMap<String, (String, PendingArtifact)>,
    /// By builder; taken when its work begins.
    publishers: Mutex<BTreeMap<String, watch::Sender<Option<Artifact>>>>,
    /// What was read from disk, by digest: one copy for all hosts.
    uploads: Mutex<BTreeMap<String, Arc<Upload>>>,
}

impl<'a> BinarySource<'a> {
    /// `builders` that take part in this run.
    pub(super) fn new<'b>(
        spec: ArtifactSpec,
        cache: &'a ArtifactStore,
        builders: impl Iterator<Item = &'b Builder>,
    ) -> Self {
        let (mut pending, mut publishers) = (BTreeMap::new(), BTreeMap::new());
        for builder in builders {
            let (publisher, receiver) = watch::channel(None);
            publishers.insert(builder.host.clone(), publisher);
            let served = builder.consumers.iter().chain([&builder.host]);
            pending.extend(served.map(|host| (host.clone(), (builder.host.clone(), receiver.clone()))));
        }
        Self { spec, cache, pending, publishers: Mutex::new(publishers), uploads: Mutex::default() }
    }

    pub(super) fn spec(&self) -> &ArtifactSpec {
        &self.spec
    }

    /// The right of a builder to give. Whoever waits is told when it is dropped.
    pub(super) fn publisher(&self, host: &str) -> Option<watch::Sender<Option<Artifact>>> {
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner).remove(host)
    }

    /// The binary for a host; waits for its builder where there is one.
    pub(super) async fn artifact(&self, host: &str, facts: &Facts) -> Result<Artifact, Error> {
        let title = || self.spec.title();
        let Some((builder, receiver)) = self.pending.get(host) else {
            return inspect::cached(self.cache, &self.spec, facts)
                .ok_or_else(|| Error::ArtifactGone { what: title() });
        };
        let mut receiver = receiver.clone();
        let given = receiver.wait_for(Option::is_some).await.ok().and_then(|artifact| artifact.clone());
        let artifact = given.ok_or_else(|| Error::NotBuilt {
            host: host.to_owned(),
            what: title(),
            builder: builder.clone(),
        })?;
        let fits = self.cache.fits(&artifact, facts);
        fits.map_err(|why| Error::Incompatible {
            host: host.to_owned(),
            what: title(),
            builder: builder.clone(),
            why,
        })?;
        Ok(artifact)
    }

    /// The content of a binary, read once for all hosts.
    pub(super) fn upload(&self, artifact: &Artifact) -> Result<Arc<Upload>, Error> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upload) = uploads.get(&artifact.sha256) {
            return Ok(Arc::clone(upload));
        }
        let read = Upload::read(&artifact.path).ok().filter(|upload| upload.sha256() == artifact.sha256);
        let upload = Arc::new(read.ok_or_else(|| Error::ArtifactGone { what: self.spec.title() })?);
        uploads.insert(artifact.sha256.clone(), Arc::clone(&upload));
        Ok(upload)
    }
}
