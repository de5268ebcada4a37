//! The engine's directives, tried by the server itself before any configuration is replaced.

use super::{Error, RefusedConfig};
use crate::{
    artifact::{Artifact, ArtifactSpec, ArtifactStore, DirectiveNames},
    host::{self, Probe},
    inventory::Fleet,
    plan::Plan,
    resource::{Config, Mark, REFUSED, Resource, mark},
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

/// Tries the configurations a plan writes on this machine, where the store has a server that runs here: then
/// no host is touched. Returns the server's warnings; without such a server each host tries its own.
pub async fn try_here(plan: &Plan, store: &ArtifactStore) -> Result<Vec<String>, RefusedConfig> {
    let changes = plan.stages.iter().flat_map(|stage| stage.work.changes()).flat_map(|host| &host.changes);
    let mut configs = changes.filter_map(|change| match &change.resource {
        Resource::Config(config) => Some(config),
        _ => None,
    });
    let mut configs = configs.by_ref().peekable();
    if configs.peek().is_none() {
        return Ok(Vec::new());
    }
    let spec = ArtifactSpec::of(&plan.fleet);
    let Some((probe, artifact, names)) = server_of_this_machine(&spec, store).await else {
        return Ok(Vec::new());
    };
    let mut scripts: Vec<String> = configs.map(|config| trial(config, &artifact, &names)).collect();
    scripts.sort();
    scripts.dedup();
    let (by, mut warnings) = (spec.title(), Vec::new());
    for script in scripts {
        match probe.ask("the trial of a configuration", &script).await {
            Ok(lines) => warnings.extend(lines.iter().filter_map(|line| match mark(line) {
                Some(Mark::Note(text)) => Some(format!("{by} warns: {text}")),
                _ => None,
            })),
            Err(host::Error::Script { status: REFUSED, output, .. }) => {
                return Err(RefusedConfig::new(&plan.fleet, by, output));
            }
            // What this machine cannot try, the hosts do.
            Err(_) => return Ok(warnings),
        }
    }
    warnings.dedup();
    Ok(warnings)
}

async fn server_of_this_machine(
    spec: &ArtifactSpec,
    store: &ArtifactStore,
) -> Option<(Probe, Artifact, DirectiveNames)> {
    let probe = Probe::of_this_machine().await.ok()?;
    let artifact = store.find(spec, &probe.facts().await.ok()?)?;
    let names = DirectiveNames::of(&artifact.path).ok()?;
    Some((probe, artifact, names))
}

fn trial(config: &Config, artifact: &Artifact, names: &DirectiveNames) -> String {
    config.settle(|name| Some(names.knows(name))).trial(&artifact.path.display().to_string())
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
            let plan = scene.plan().unwrap();
            assert_eq!(try_here(&plan, &cache_at(folder.path())).await.unwrap(), [""; 0]);
        }
    }
}
