//! From what is wanted to a binary in the store.

use std::fs;

use super::{
    compile::{self, Compiled},
    context::BuildContext,
    error::Result,
    fetch::fetch,
    libc,
    pins::Pins,
    provenance::{Artifact, Provenance, SourceRecord},
    store,
    verify_source::Tarball,
};

/// Has the artifact that is wanted: from the store, else by fetching the source and compiling it on the host.
/// Two runs that want the same build it once.
pub async fn build(context: &BuildContext<'_>, pins: &mut Pins) -> Result<Artifact> {
    let BuildContext { spec, facts, store, events, .. } = *context;
    let kind = format!("{}-{}-{}", spec.recipe.id(), facts.arch, libc::kind(&facts.libc));
    let _lock = store.lock(spec, &kind, events).await?;
    if let Some(artifact) = store.find(spec, facts) {
        return Ok(artifact);
    }
    let fetching = store.lock(spec, "source", events).await?;
    let tarball = fetch(context, pins).await?;
    drop(fetching);
    let folder = store.dir().artifacts();
    store::folder(&folder)?;
    let temporary =
        tempfile::Builder::new().prefix(".new-").tempdir_in(&folder).map_err(store::unusable(&folder))?;
    let binary = temporary.path().join(spec.recipe.target());
    let compiled = compile::compile(context, &tarball, &binary).await?;
    let size = fs::metadata(&binary).map_err(store::unusable(&binary))?.len();
    store.keep(temporary, provenance(context, tarball, compiled, size))
}

fn provenance(context: &BuildContext<'_>, source: Tarball, compiled: Compiled, size: u64) -> Provenance {
    let BuildContext { spec, inventory, host, facts, .. } = *context;
    // What a host of this inventory may have put into it, others should know.
    let inventory = (host.probe().is_remote() || source.of_host).then(|| inventory.to_owned());
    Provenance {
        engine: spec.engine,
        version: spec.version,
        source: SourceRecord { sha256: source.sha256, from: source.from },
        recipe: spec.recipe.id(),
        flags: compiled.flags,
        compiler: compiled.compiler,
        arch: facts.arch.clone(),
        libc: facts.libc.clone(),
        built_at: jiff::Timestamp::now(),
        host: host.name().to_owned(),
        inventory,
        sha256: compiled.sha256,
        size,
    }
}
