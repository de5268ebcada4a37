//! One host: its resources are compared with what is desired, in one read-only script.

use std::collections::BTreeSet;

use super::{
    error::Error,
    session::{HostHandle, Session},
};
use crate::{
    artifact::{ArtifactSpec, ArtifactStore},
    host::{self, Facts, Probe},
    resource::{Observed, ProbeScript, Resource},
};

/// What is desired of a host, as far as inspection must know it.
pub trait Resources {
    /// All resources the host must have, in any order.
    fn resources(&self) -> impl Iterator<Item = &Resource>;
}

/// What was found on one host, beside the `D` that was desired there.
#[derive(Debug, Clone)]
pub struct HostObservation<D> {
    pub desired: D,
    pub observed: Observed,
    pub facts: Facts,
    /// Whether the server is not installed, and the cache has none that runs here.
    pub missing_binary: bool,
}

/// Asks a host about resources.
pub async fn observe<'a>(
    probe: &Probe,
    facts: &Facts,
    resources: impl Iterator<Item = &'a Resource>,
) -> host::Result<Observed> {
    let resources: Vec<&Resource> = resources.collect();
    let mut script = ProbeScript::default();
    for resource in &resources {
        resource.ask(&mut script);
    }
    let lines = probe.ask("the state of its resources", &script.script(facts)).await?;
    Ok(Observed::read(resources, &lines))
}

/// How the inspection of one host ended, short of an error that ends the whole run.
pub(super) enum Inspected<D> {
    Seen(Box<HostObservation<D>>),
    /// The host answered before, and does not any more.
    Lost(host::Error),
}

/// Inspects a host. `desired` is given the packages a build needs, where this host may have to compile the
/// server.
pub(super) async fn inspect_host<H: HostHandle, D: Resources, E: From<Error>>(
    session: &Session<H>,
    spec: &ArtifactSpec,
    store: &ArtifactStore,
    desired: impl Fn(&[String]) -> Result<D, E>,
) -> Result<Inspected<D>, E> {
    let facts = &session.facts;
    let mut wanted = desired(&[])?;
    let mut observed = match observe(session.probe(), facts, wanted.resources()).await {
        Ok(observed) => observed,
        Err(error) => return lost(error),
    };
    let missing_binary = lacks_binary(wanted.resources(), &observed) && store.find(spec, facts).is_none();
    // A package manager is slow to answer, and asked only where there may be something to compile.
    if let Some(distro) = facts.distro().filter(|_| missing_binary && facts.is_root()) {
        let packages: Vec<String> = spec.recipe.packages(distro).into_iter().map(str::to_owned).collect();
        wanted = desired(&packages)?;
        observed = match observe(session.probe(), facts, wanted.resources()).await {
            Ok(observed) => observed,
            Err(error) => return lost(error),
        };
    }
    let facts = facts.clone();
    Ok(Inspected::Seen(Box::new(HostObservation { desired: wanted, observed, facts, missing_binary })))
}

fn lost<D, E: From<Error>>(error: host::Error) -> Result<Inspected<D>, E> {
    if error.is_lost() { Ok(Inspected::Lost(error)) } else { Err(Error::from(error).into()) }
}

fn lacks_binary<'a>(resources: impl Iterator<Item = &'a Resource>, observed: &Observed) -> bool {
    let nothing_changes = BTreeSet::new();
    resources
        .filter(|resource| matches!(resource, Resource::Binary(_)))
        .any(|resource| resource.compare(observed, &nothing_changes).is_some())
}
