//! The engine's directives, tried by the server itself before any configuration is replaced.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Error, RefusedConfig, binary_distribution::BinarySource};
use crate::{
    artifact::{Artifact, ArtifactSpec, ArtifactStore, DirectiveNames},
    host::{self, LockedHost, Probe},
    inspect::Session,
    inventory::Fleet,
    plan::{Plan, Planned},
    resource::{Config, Mark, REFUSED, Resource, Trials, mark},
};

/// Refuses a directive the binary does not have.
pub(super) fn check(fleet: &Fleet, artifact: &Artifact, store: &ArtifactStore) -> Result<(), Error> {
    let of_hosts = fleet.nodes().flat_map(|node| node.config.keys());
    let mut names: Vec<String> = fleet.config.keys().chain(of_hosts).cloned().collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    let known = store
        .directive_names(artifact)
        .map_err(|_| Error::ArtifactGone { what: ArtifactSpec::of(fleet).title() })?;
    names.retain(|name| !known.knows(name));
    if names.is_empty() {
        return Ok(());
    }
    let (engine, version) = (fleet.engine.to_string(), fleet.version.to_string());
    Err(Error::UnknownDirective { engine, version, names })
}

/// Tries the configurations a plan writes on this machine, where the store has a server that runs here: then
/// no host is touched. The plan notes what was tried. Returns the server's warnings; without such a server
/// each host tries its own.
pub async fn try_here(plan: &mut Plan, store: &ArtifactStore) -> Result<Vec<String>, RefusedConfig> {
    let changes = plan.stages.iter().flat_map(|stage| stage.work.changes()).flat_map(|host| &host.changes);
    let configs = changes.filter_map(|change| match &change.resource {
        Resource::Config(config) => Some(config),
        _ => None,
    });
    let mut configs = configs.peekable();
    if configs.peek().is_none() {
        return Ok(Vec::new());
    }
    let spec = ArtifactSpec::of(&plan.fleet);
    let Some((probe, artifact, names)) = server_of_this_machine(&spec, store).await else {
        return Ok(Vec::new());
    };
    let server = artifact.path.display().to_string();
    let settled = configs.map(|config| config.settle(|name| Some(names.knows(name))));
    // Those of all nodes are mostly the same but for what is left out of a trial.
    let distinct: BTreeMap<String, Config> = settled.map(|config| (config.trial(&server), config)).collect();
    let (by, mut warnings, mut trials) = (spec.title(), BTreeSet::new(), Trials::by(&artifact.sha256));
    for (script, config) in distinct {
        match probe.ask("the trial of a configuration", &script).await {
            Ok(lines) => warnings.extend(lines.iter().filter_map(|line| match mark(line) {
                Some(Mark::Note(text)) => Some(format!("{by} warns: {text}")),
                _ => None,
            })),
            Err(host::Error::Script { status: REFUSED, output, .. }) => {
                return Err(RefusedConfig::new(&plan.fleet, by, output));
            }
            // What this machine cannot try, the hosts do.
            Err(_) => break,
        }
        trials.passed(&config);
    }
    plan.trials = trials;
    Ok(warnings.into_iter().collect())
}

/// Whether a change of a host needs no trial there, because this machine has tried the same server on the
/// same lines: see [`Trials::cover`]. The plan must ship the server to that host, else it is not known which
/// one is there.
pub(super) fn is_tried(
    plan: &Plan,
    session: &Session<LockedHost>,
    binaries: &BinarySource<'_>,
    planned: &Planned,
) -> bool {
    let Resource::Config(config) = &planned.resource else { return false };
    let host = session.host.name();
    let server = || Some(binaries.at_hand(host, &session.facts)?.sha256);
    plan.ships_server(host)
        && server().is_some_and(|sha256| plan.trials.cover(config, &planned.difference, &sha256))
}

async fn server_of_this_machine(
    spec: &ArtifactSpec,
    store: &ArtifactStore,
) -> Option<(Probe, Artifact, Arc<DirectiveNames>)> {
    let probe = Probe::of_this_machine().await.ok()?;
    let artifact = store.find(spec, &probe.facts().await.ok()?)?;
    let names = store.directive_names(&artifact).ok()?;
    Some((probe, artifact, names))
}

/// An error of a host's script, as a refused configuration where it is one.
pub(super) fn explained(fleet: &Fleet, error: Error) -> Error {
    match error {
        Error::Host(host::Error::Script { host, status: REFUSED, output, .. }) => {
            let by = format!("{} on {host}", ArtifactSpec::of(fleet).title());
            RefusedConfig::new(fleet, by, output).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{Scene, cache_at, fleet};

    fn failed(status: i32) -> Error {
        let output = vec![">>> 'timeout 5s'".to_owned(), "not an integer".to_owned()];
        host::Error::Script { host: "a".into(), what: "the change script".to_owned(), status, output }.into()
    }

    #[test]
    fn only_a_server_that_refused_is_explained() {
        let explained = |status| explained(&fleet(&["a"]), failed(status));
        let Error::Refused(refused) = explained(REFUSED) else { panic!("{}", explained(REFUSED)) };
        assert!(refused.to_string().starts_with("redis 7.0.15 on a does not start"), "{refused}");
        assert!(matches!(explained(1), Error::Host(_)));
    }

    #[tokio::test]
    async fn without_a_server_of_ours_nothing_is_tried_here() {
        let folder = tempfile::tempdir().unwrap();
        for scene in [Scene::bare(&["a"]), Scene::converged(&["a"])] {
            let mut plan = scene.plan().unwrap();
            assert_eq!(try_here(&mut plan, &cache_at(folder.path())).await.unwrap(), [""; 0]);
            assert!(plan.trials.is_empty());
        }
    }
}
