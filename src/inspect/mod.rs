//! Looking at the fleet: everything a plan is computed from, gathered through [`Probe`]s, which cannot change a host.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::{
    artifact::{self, Artifact, ArtifactSpec, ArtifactStore},
    cluster::{self, ClusterState, HostCheckTarget, SafetyViolation, Topology, assess},
    host::{self, Facts, Probe},
    inventory::{Fleet, Host, Node},
    plan::{
        self, Desired, HostSnapshot, Plan, PlanInput, PlanOptions, RenderError, Templates, desired_resources,
    },
    playbook::Playbook,
    redis::Servers,
    resource::{Binary, Layout, Observed, PASSWORD, ProbeScript, Resource},
    secret,
};

/// What was found.
pub struct Inspection {
    pub facts: BTreeMap<String, Facts>,
    pub views: BTreeMap<String, HostSnapshot>,
    pub topology: Topology,
    pub standing: ClusterState,
    /// What the nodes said.
    pub cluster: cluster::Observed,
    /// Hosts that could not be reached, and why.
    pub unreachable: BTreeMap<String, String>,
    /// Those of them that were there before.
    pub lost: BTreeMap<String, host::Error>,
    /// Hosts that need a binary that has yet to be compiled.
    hosts_missing_binary: BTreeMap<String, Facts>,
}

/// Why the fleet could not be looked at, or must not be touched.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] host::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] secret::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    SafetyViolation(#[from] SafetyViolation),
    #[error(transparent)]
    #[diagnostic(transparent)]
    AuthMismatch(#[from] cluster::AuthMismatch),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] plan::Error),
}

/// What the flow is made from, besides the fleet.
pub struct Blueprint<'a> {
    pub playbook: &'a Playbook,
    pub templates: &'a Templates,
    pub cache: &'a ArtifactStore,
}

/// Connections to the servers of a fleet. A password that has yet to be drawn is not drawn here.
pub fn servers(fleet: &Fleet, probes: &BTreeMap<String, Probe>) -> Result<Servers, secret::Error> {
    let password = fleet.auth.as_ref().filter(|auth| !auth.is_missing()).map(secret::SecretSource::reveal);
    let probes: HashMap<String, Probe> = probes.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Servers::new(fleet, probes, password.transpose()?))
}

/// Where the proof looks on each host, and what should be there.
pub fn host_check_targets(
    fleet: &Fleet,
    facts: &BTreeMap<String, Facts>,
) -> BTreeMap<String, HostCheckTarget> {
    let recipe = ArtifactSpec::of(fleet).recipe.id();
    let target = |facts: &Facts| {
        let layout = Layout::new(fleet, facts);
        let binary = Some(Binary::new(fleet, &layout, &recipe).path());
        HostCheckTarget { layout, binary, units: facts.runs_units() }
    };
    facts.iter().map(|(host, facts)| (host.clone(), target(facts))).collect()
}

/// Looks at all hosts at once, then at all servers at once. A host that is lost meanwhile is one more that cannot be
/// reached.
pub async fn inspect(
    fleet: &Fleet,
    probes: &BTreeMap<String, Probe>,
    mut unreachable: BTreeMap<String, String>,
    blueprint: &Blueprint<'_>,
) -> Result<Inspection, Error> {
    let looks = fleet.hosts.iter().filter_map(|host| {
        let probe = probes.get(&host.name)?;
        Some(async move { (host.name.clone(), inspect_host(fleet, host, probe, blueprint).await) })
    });
    let (mut facts, mut views, mut lost) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut hosts_missing_binary = BTreeMap::new();
    for (name, looked) in join_all(looks).await {
        match looked {
            Ok((host_facts, view, lacks)) => {
                if lacks {
                    hosts_missing_binary.insert(name.clone(), host_facts.clone());
                }
                facts.insert(name.clone(), host_facts);
                views.insert(name, view);
            }
            Err(Error::Host(error)) if error.is_lost() => {
                unreachable.insert(name.clone(), error.to_string());
                lost.insert(name, error);
            }
            Err(error) => return Err(error),
        }
    }
    let observed = |host: &str| views.get(host).map(|view| &view.observed);
    let (seen, standing) = cluster_state(fleet, probes, &facts, observed).await?;
    let topology = Topology::place(fleet);
    Ok(Inspection {
        facts,
        views,
        topology,
        standing,
        cluster: seen,
        unreachable,
        lost,
        hosts_missing_binary,
    })
}

/// How long news is waited for that nodes still have to hear of each other: each node pings one other a second.
const NEWS: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Asks all servers what their cluster is, and again while all that is missing may be news on its way; `hosts` has what was
/// observed on each host. Refuses nodes that must not be touched.
pub async fn cluster_state<'a>(
    fleet: &Fleet,
    probes: &BTreeMap<String, Probe>,
    facts: &BTreeMap<String, Facts>,
    hosts: impl Fn(&str) -> Option<&'a Observed>,
) -> Result<(cluster::Observed, ClusterState), Error> {
    let servers = servers(fleet, probes)?;
    let disk = fleet.nodes().filter_map(|node| {
        let text = hosts(&node.host)?.node(&node.name)?.nodes_conf.as_ref()?;
        Some((node.address, text.clone()))
    });
    let disk = disk.collect();
    let began = Instant::now();
    loop {
        let seen = servers.observe().await;
        refuse_auth_mismatch(fleet, facts, &hosts, &seen)?;
        let standing = assess(fleet, &seen, &disk)?;
        let converging = matches!(standing, ClusterState::Partial { converging: true, .. });
        if !converging || began.elapsed() > NEWS {
            return Ok((seen, standing));
        }
        sleep(POLL).await;
    }
}

/// Before anything is planned, and before a password is drawn: a locked node looks dead to all that follows. One that is
/// not our process has taken our port, which the plan refuses in better words.
fn refuse_auth_mismatch<'a>(
    fleet: &Fleet,
    facts: &BTreeMap<String, Facts>,
    hosts: impl Fn(&str) -> Option<&'a Observed>,
    seen: &cluster::Observed,
) -> Result<(), cluster::AuthMismatch> {
    let copy = |node: &Node| {
        hosts(&node.host)?.node(&node.name)?.running.as_ref()?;
        let layout = Layout::new(fleet, facts.get(&node.host)?);
        Some(format!("{}/{}/{PASSWORD}", layout.etc, node.name))
    };
    cluster::auth_mismatch(fleet, seen, copy).map_or(Ok(()), Err)
}

/// Asks hosts again for what a saved plan desires.
pub async fn observe(probe: &Probe, facts: &Facts, desired: &[Desired]) -> host::Result<Observed> {
    let resources = || desired.iter().flat_map(|step| &step.resources);
    let mut script = ProbeScript::default();
    resources().for_each(|resource| resource.ask(&mut script));
    let lines = probe.ask("the state of its resources", &script.script(facts)).await?;
    Ok(Observed::read(resources(), &lines))
}

/// What is on a host, and whether it lacks the server where the cache has none that would run there.
async fn inspect_host(
    fleet: &Fleet,
    host: &Host,
    probe: &Probe,
    blueprint: &Blueprint<'_>,
) -> Result<(Facts, HostSnapshot, bool), Error> {
    let facts = probe.facts().await?;
    let spec = ArtifactSpec::of(fleet);
    let view = async |packages: &[String]| {
        let (playbook, templates) = (blueprint.playbook, blueprint.templates);
        let desired =
            desired_resources(fleet, host, &facts, playbook, templates, &spec.recipe.id(), packages)?;
        let observed = observe(probe, &facts, &desired).await?;
        Ok::<_, Error>(HostSnapshot { desired, observed, init: facts.init })
    };
    let mut seen = view(&[]).await?;
    let lacks = seen.lacks_binary() && cached(blueprint.cache, &spec, &facts).is_none();
    // A package manager is slow to answer, and asked only where there may be something to compile.
    if let Some(distro) = facts.distro().filter(|_| lacks && facts.is_root()) {
        let packages: Vec<String> = spec.recipe.packages(distro).into_iter().map(str::to_owned).collect();
        seen = view(&packages).await?;
    }
    Ok((facts, seen, lacks))
}

/// An artifact of the cache that runs on a host.
pub fn cached(cache: &ArtifactStore, spec: &ArtifactSpec, facts: &Facts) -> Option<Artifact> {
    use crate::inventory::SourceKind;
    spec.source.places.contains(&SourceKind::ArtifactCache).then(|| cache.find(spec, facts)).flatten()
}

impl HostSnapshot {
    fn lacks_binary(&self) -> bool {
        let binaries = self.desired.iter().flat_map(|step| &step.resources);
        let none = std::collections::BTreeSet::new();
        binaries
            .filter(|resource| matches!(resource, Resource::Binary(_)))
            .any(|resource| resource.compare(&self.observed, &none).is_some())
    }
}

impl Inspection {
    /// The plan that follows from what was found.
    pub fn plan(&self, fleet: &Fleet, options: &PlanOptions) -> Result<Plan, Error> {
        let form = match &self.standing {
            ClusterState::Formed => None,
            other => Some(other.to_string()),
        };
        let included = |host: &str| options.limit.as_ref().is_none_or(|limit| limit.contains(host));
        let hosts_missing_binary = self.hosts_missing_binary.iter().filter(|(host, _)| included(host));
        let hosts_missing_binary =
            hosts_missing_binary.map(|(host, facts)| (host.clone(), facts.clone())).collect();
        let builders = artifact::builders(&ArtifactSpec::of(fleet), &hosts_missing_binary);
        let input = PlanInput {
            fleet,
            hosts: &self.views,
            builders: &builders,
            unreachable: &self.unreachable,
            topology: &self.topology,
            form,
            options,
        };
        Ok(Plan::new(&input)?)
    }
}
