//! Servers of the cache that a host of another inventory has compiled.

use std::collections::BTreeSet;

use crate::{
    artifact::{ArtifactSpec, ArtifactStore},
    host::Facts,
    plan::Plan,
    units::HostName,
};

/// What the user should know of the servers that a plan ships from the store, each once: see
/// [`Provenance::foreign_to`](crate::artifact::Provenance::foreign_to).
pub fn foreign_servers<'a>(
    plan: &Plan,
    facts: impl IntoIterator<Item = (&'a HostName, &'a Facts)>,
    store: &ArtifactStore,
) -> BTreeSet<String> {
    let spec = ArtifactSpec::of(&plan.fleet);
    let of_host = |(host, facts): (&HostName, &Facts)| {
        let artifact = plan.ships_server(host).then(|| store.find(&spec, facts)).flatten()?;
        artifact.provenance.foreign_to(&plan.fleet.inventory)
    };
    facts.into_iter().filter_map(of_host).collect()
}
