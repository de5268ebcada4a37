//! The engine's directives, tried by the server itself before any configuration is replaced.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, RefusedConfig, binary_distribution::BinarySource};
use crate::{
    artifact::{Artifact, ArtifactSpec, ArtifactStore},
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
    let configs: Vec<&Config> = configs(plan).collect();
    if configs.is_empty() {
        return Ok(Vec::new());
    }
    let spec = ArtifactSpec::of(&plan.fleet);
    let known = store.satisfying(&spec).into_iter().find_map(|artifact| known(&configs, &artifact, store));
    let (trials, warnings) = match known {
        Some(known) => known,
        None => match ServerHere::find(&spec, store).await {
            Some(server) => server.start_on(&configs, plan, store).await?,
            None => return Ok(Vec::new()),
        },
    };
    plan.trials = trials;
    let by = spec.title();
    Ok(warnings.into_iter().map(|text| format!("{by} warns: {text}")).collect())
}

/// The configurations that a plan writes.
fn configs(plan: &Plan) -> impl Iterator<Item = &Config> {
    let changes = plan.stages.iter().flat_map(|stage| stage.work.changes()).flat_map(|host| &host.changes);
    changes.filter_map(|change| match &change.resource {
        Resource::Config(config) => Some(config),
        _ => None,
    })
}

/// What this machine has tried, and what the server warned of.
type Tried = (Trials, BTreeSet<String>);

/// What an earlier run has found out here about these configurations, where that is all of them.
fn known(configs: &[&Config], artifact: &Artifact, store: &ArtifactStore) -> Option<Tried> {
    let (mut trials, mut warnings) = (Trials::by(&artifact.sha256), BTreeSet::new());
    for (script, config) in distinct(configs, artifact, store)? {
        warnings.extend(store.tried(artifact, &script)?);
        trials.passed(&config);
    }
    Some((trials, warnings))
}

/// The configurations as a server can read them, by the script that tries it on them. Those of all nodes are
/// mostly the same but for what is left out of a trial.
fn distinct(
    configs: &[&Config],
    artifact: &Artifact,
    store: &ArtifactStore,
) -> Option<BTreeMap<String, Config>> {
    let names = store.directive_names(artifact).ok()?;
    let server = artifact.path.display().to_string();
    let settled = configs.iter().map(|config| config.settle(|name| Some(names.knows(name))));
    Some(settled.map(|config| (config.trial(&server), config)).collect())
}

/// A server of the store that runs on this machine.
struct ServerHere {
    probe: Probe,
    artifact: Artifact,
}

impl ServerHere {
    async fn find(spec: &ArtifactSpec, store: &ArtifactStore) -> Option<Self> {
        let probe = Probe::of_this_machine().await.ok()?;
        let artifact = store.find(spec, &probe.facts().await.ok()?)?;
        Some(Self { probe, artifact })
    }

    /// Starts it on each of these configurations, until one is refused.
    async fn start_on(
        &self,
        configs: &[&Config],
        plan: &Plan,
        store: &ArtifactStore,
    ) -> Result<Tried, RefusedConfig> {
        let Self { probe, artifact } = self;
        let (mut trials, mut warnings) = (Trials::by(&artifact.sha256), BTreeSet::new());
        for (script, config) in distinct(configs, artifact, store).unwrap_or_default() {
            match probe.ask("the trial of a configuration", &script).await {
                Ok(lines) => {
                    let said = notes(&lines);
                    store.note_tried(artifact, &script, &said);
                    warnings.extend(said);
                }
                Err(host::Error::Script { status: REFUSED, output, .. }) => {
                    let by = ArtifactSpec::of(&plan.fleet).title();
                    return Err(RefusedConfig::new(&plan.fleet, by, output));
                }
                // What this machine cannot try, the hosts do.
                Err(_) => break,
            }
            trials.passed(&config);
        }
        Ok((trials, warnings))
    }
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

/// The notes among the lines of a script.
fn notes(lines: &[String]) -> Vec<String> {
    let note =
        |line: &String| if let Some(Mark::Note(text)) = mark(line) { Some(text.to_owned()) } else { None };
    lines.iter().filter_map(note).collect()
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
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        atomic_file::{self, Mode},
        digest,
        plan::testing::{Scene, artifact, cache_at, fleet},
    };

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

    /// A store with a server of this content.
    fn store_with_server(folder: &Path, fleet: &Fleet, bytes: &[u8]) -> (ArtifactStore, Artifact) {
        let (store, spec) = (cache_at(folder), ArtifactSpec::of(fleet));
        let path = store.dir().artifacts().join("one").join(spec.recipe.target());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        atomic_file::write(&path, bytes, Mode::Exact(0o755)).unwrap();
        let sha256 = digest::of_file(&path).unwrap();
        let artifact = artifact(&path, &sha256);
        let text = serde_json::to_vec(&artifact.provenance).unwrap();
        atomic_file::write(&path.with_file_name("provenance.json"), &text, Mode::Shared).unwrap();
        (store, artifact)
    }

    #[tokio::test]
    async fn what_an_earlier_run_has_tried_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = Scene::bare(&["a", "b"]).plan().unwrap();
        // It could not be started: it is no program.
        let (store, artifact) = store_with_server(folder.path(), &plan.fleet, b"no program");
        let configs: Vec<Config> = configs(&plan).cloned().collect();
        let scripts = distinct(&configs.iter().collect::<Vec<_>>(), &artifact, &store).unwrap();
        assert_eq!(try_here(&mut plan, &store).await.unwrap(), [""; 0]);
        assert!(plan.trials.is_empty(), "it was not known");

        let warning = "You specified a maxmemory value that is less than 1MB".to_owned();
        for script in scripts.keys() {
            store.note_tried(&artifact, script, std::slice::from_ref(&warning));
        }
        let warnings = try_here(&mut plan, &store).await.unwrap();
        assert_eq!(warnings, [format!("redis 7.0.15 warns: {warning}")]);
        let create = crate::resource::Difference::new(crate::resource::Action::Create, "");
        let settled = scripts.values().next().unwrap();
        assert!(plan.trials.cover(settled, &create, &artifact.sha256));
    }
}
