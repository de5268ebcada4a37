//! Where hosts get the binary from: the cache, or the host that is compiling it right now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::Error;
use crate::{
    build::{Artefact, Builder, Cache, Want},
    host::{Facts, Parcel},
    plan,
};

/// What a builder has to give, once it has it. Without a sender there will be nothing.
type Promise = watch::Receiver<Option<Artefact>>;

/// The binaries of one run.
pub(super) struct Supply<'a> {
    want: Want,
    cache: &'a Cache,
    /// By the host that waits: its builder, and what that one will give.
    promises: BTreeMap<String, (String, Promise)>,
    /// By builder; taken when its work begins.
    senders: Mutex<BTreeMap<String, watch::Sender<Option<Artefact>>>>,
    /// What was read from disk, by digest: one copy for all hosts.
    parcels: Mutex<BTreeMap<String, Arc<Parcel>>>,
}

impl<'a> Supply<'a> {
    /// `builders` that take part in this run.
    pub(super) fn new<'b>(want: Want, cache: &'a Cache, builders: impl Iterator<Item = &'b Builder>) -> Self {
        let (mut promises, mut senders) = (BTreeMap::new(), BTreeMap::new());
        for builder in builders {
            let (sender, promise) = watch::channel(None);
            senders.insert(builder.host.clone(), sender);
            let served = builder.serves.iter().chain([&builder.host]);
            promises.extend(served.map(|host| (host.clone(), (builder.host.clone(), promise.clone()))));
        }
        Self { want, cache, promises, senders: Mutex::new(senders), parcels: Mutex::default() }
    }

    pub(super) fn want(&self) -> &Want {
        &self.want
    }

    /// The right of a builder to give. Whoever waits is told when it is dropped.
    pub(super) fn sender(&self, host: &str) -> Option<watch::Sender<Option<Artefact>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(host)
    }

    /// The binary for a host; waits for its builder where there is one.
    pub(super) async fn artefact(&self, host: &str, facts: &Facts) -> Result<Artefact, Error> {
        let title = || self.want.title();
        let Some((builder, promise)) = self.promises.get(host) else {
            return plan::cached(self.cache, &self.want, facts)
                .ok_or_else(|| Error::ArtefactGone { what: title() });
        };
        let mut promise = promise.clone();
        let given = promise.wait_for(Option::is_some).await.ok().and_then(|artefact| artefact.clone());
        let artefact = given.ok_or_else(|| Error::NotBuilt {
            host: host.to_owned(),
            what: title(),
            builder: builder.clone(),
        })?;
        let fits = self.cache.fits(&artefact, facts);
        fits.map_err(|why| Error::Misfit {
            host: host.to_owned(),
            what: title(),
            builder: builder.clone(),
            why,
        })?;
        Ok(artefact)
    }

    /// The content of a binary, read once for all hosts.
    pub(super) fn parcel(&self, artefact: &Artefact) -> Result<Arc<Parcel>, Error> {
        let mut parcels = self.parcels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parcel) = parcels.get(&artefact.sha256) {
            return Ok(Arc::clone(parcel));
        }
        let read = Parcel::read(&artefact.path).ok().filter(|parcel| parcel.sha256() == artefact.sha256);
        let parcel = Arc::new(read.ok_or_else(|| Error::ArtefactGone { what: self.want.title() })?);
        parcels.insert(artefact.sha256.clone(), Arc::clone(&parcel));
        Ok(parcel)
    }
}
