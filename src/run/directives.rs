//! The engine's directives, checked against the binary before any node gets them.

use super::Error;
use crate::{
    artifact::{Artifact, ArtifactSpec, DirectiveNames},
    inventory::Fleet,
};

/// Refuses a directive the binary does not have.
pub(super) fn check(fleet: &Fleet, artifact: &Artifact) -> Result<(), Error> {
    let of_hosts = fleet.nodes().flat_map(|node| node.config.keys());
    let mut names: Vec<String> = fleet.config.keys().chain(of_hosts).cloned().collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    let known = DirectiveNames::of(&artifact.path)
        .map_err(|_| Error::ArtifactGone { what: ArtifactSpec::of(fleet).title() })?;
    names.retain(|name| !known.knows(name));
    if names.is_empty() {
        return Ok(());
    }
    let (engine, version) = (fleet.engine.to_string(), fleet.version.to_string());
    Err(Error::UnknownDirective { engine, version, names })
}
