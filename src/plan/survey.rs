//! Looking at the fleet: everything a plan is computed from, gathered through [`Probe`]s, which cannot change a host.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Choice, Desired, HostView, Plan, RenderError, Situation, Templates, desire};
use crate::{
    build::{self, Artefact, Cache, Want},
    cluster::{self, HostSide, Refusal, Servers, Standing, Topology, assess},
    host::{self, Facts, Probe},
    inventory::{Fleet, Host, Node},
    playbook::Playbook,
    resource::{Binary, Layout, Observed, PASSWORD, Questions, Resource},
    secret,
};

/// What was found.
pub struct Survey {
    pub facts: BTreeMap<String, Facts>,
    pub views: BTreeMap<String, HostView>,
    pub topology: Topology,
    pub standing: Standing,
    /// What the nodes said.
    pub cluster: cluster::Observed,
    /// Hosts that could not be reached, and why.
    pub unreachable: BTreeMap<String, String>,
    /// Those of them that were there before.
    pub lost: BTreeMap<String, host::Error>,
    /// Hosts that need a binary that has yet to be compiled.
    lacking: BTreeMap<String, Facts>,
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
    Refusal(#[from] Refusal),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Locked(#[from] cluster::Locked),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] super::Error),
}

/// What the flow is made from, besides the fleet.
pub struct Flow<'a> {
    pub playbook: &'a Playbook,
    pub templates: &'a Templates,
    pub cache: &'a Cache,
}

/// Connections to the servers of a fleet. A password that has yet to be drawn is not drawn here.
pub fn servers(fleet: &Fleet, probes: &BTreeMap<String, Probe>) -> Result<Servers, secret::Error> {
    let password = fleet.auth.as_ref().filter(|auth| !auth.is_missing()).map(secret::SecretSource::reveal);
    let probes: HashMap<String, Probe> = probes.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Servers::new(fleet, probes, password.transpose()?))
}

/// Where the proof looks on each host, and what should be there.
pub fn sides(fleet: &Fleet, facts: &BTreeMap<String, Facts>) -> BTreeMap<String, HostSide> {
    let recipe = Want::of(fleet).recipe.id();
    let side = |facts: &Facts| {
        let layout = Layout::new(fleet, facts);
        let binary = Some(Binary::new(fleet, &layout, &recipe).path());
        HostSide { layout, binary, units: facts.runs_units() }
    };
    facts.iter().map(|(host, facts)| (host.clone(), side(facts))).collect()
}

/// Looks at all hosts at once, then at all servers at once. A host that is lost meanwhile is one more that cannot be
/// reached.
pub async fn survey(
    fleet: &Fleet,
    probes: &BTreeMap<String, Probe>,
    mut unreachable: BTreeMap<String, String>,
    flow: &Flow<'_>,
) -> Result<Survey, Error> {
    let looks = fleet.hosts.iter().filter_map(|host| {
        let probe = probes.get(&host.name)?;
        Some(async move { (host.name.clone(), look(fleet, host, probe, flow).await) })
    });
    let (mut facts, mut views, mut lost) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut lacking = BTreeMap::new();
    for (name, looked) in join_all(looks).await {
        match looked {
            Ok((host_facts, view, lacks)) => {
                if lacks {
                    lacking.insert(name.clone(), host_facts.clone());
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
    let (seen, standing) = standing(fleet, probes, &facts, observed).await?;
    let topology = Topology::place(fleet);
    Ok(Survey { facts, views, topology, standing, cluster: seen, unreachable, lost, lacking })
}

/// How long news is waited for that nodes still have to hear of each other: each node pings one other a second.
const NEWS: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Asks all servers what their cluster is, and again while all that is missing may be news on its way; `hosts` has what was
/// observed on each host. Refuses nodes that must not be touched.
pub async fn standing<'a>(
    fleet: &Fleet,
    probes: &BTreeMap<String, Probe>,
    facts: &BTreeMap<String, Facts>,
    hosts: impl Fn(&str) -> Option<&'a Observed>,
) -> Result<(cluster::Observed, Standing), Error> {
    let servers = servers(fleet, probes)?;
    let disk = fleet.nodes().filter_map(|node| {
        let text = hosts(&node.host)?.nodes_conf.get(&node.name)?;
        Some((node.address, text.clone()))
    });
    let disk = disk.collect();
    let began = Instant::now();
    loop {
        let seen = servers.observe().await;
        refuse_locked(fleet, facts, &hosts, &seen)?;
        let standing = assess(fleet, &seen, &disk)?;
        let passing = matches!(standing, Standing::Partial { passing: true, .. });
        if !passing || began.elapsed() > NEWS {
            return Ok((seen, standing));
        }
        sleep(POLL).await;
    }
}

/// Before anything is planned, and before a password is drawn: a locked node looks dead to all that follows. One that is
/// not our process has taken our port, which the plan refuses in better words.
fn refuse_locked<'a>(
    fleet: &Fleet,
    facts: &BTreeMap<String, Facts>,
    hosts: impl Fn(&str) -> Option<&'a Observed>,
    seen: &cluster::Observed,
) -> Result<(), cluster::Locked> {
    let copy = |node: &Node| {
        hosts(&node.host)?.processes.get(&node.name)?;
        let layout = Layout::new(fleet, facts.get(&node.host)?);
        Some(format!("{}/{}/{PASSWORD}", layout.etc, node.name))
    };
    cluster::locked(fleet, seen, copy).map_or(Ok(()), Err)
}

/// Asks hosts again for what a saved plan desires.
pub async fn look_again(probe: &Probe, facts: &Facts, desired: &[Desired]) -> host::Result<Observed> {
    let mut questions = Questions::default();
    desired.iter().flat_map(|step| &step.resources).for_each(|resource| resource.kind().ask(&mut questions));
    let lines = probe.ask("the state of its resources", &questions.script(facts)).await?;
    Ok(Observed::parse(&questions, &lines))
}

/// What is on a host, and whether it lacks the server where the cache has none that would run there.
async fn look(
    fleet: &Fleet,
    host: &Host,
    probe: &Probe,
    flow: &Flow<'_>,
) -> Result<(Facts, HostView, bool), Error> {
    let facts = probe.facts().await?;
    let want = Want::of(fleet);
    let view = async |packages: &[String]| {
        let (playbook, templates) = (flow.playbook, flow.templates);
        let desired = desire(fleet, host, &facts, playbook, templates, &want.recipe.id(), packages)?;
        let observed = look_again(probe, &facts, &desired).await?;
        Ok::<_, Error>(HostView { desired, observed, init: facts.init })
    };
    let mut seen = view(&[]).await?;
    let lacks = seen.lacks_binary() && cached(flow.cache, &want, &facts).is_none();
    // A package manager is slow to answer, and asked only where there may be something to compile.
    if let Some(distro) = facts.distro().filter(|_| lacks && facts.is_root()) {
        let packages: Vec<String> = want.recipe.packages(distro).into_iter().map(str::to_owned).collect();
        seen = view(&packages).await?;
    }
    Ok((facts, seen, lacks))
}

/// An artefact of the cache that runs on a host.
pub fn cached(cache: &Cache, want: &Want, facts: &Facts) -> Option<Artefact> {
    use crate::inventory::Place;
    want.source.places.contains(&Place::ArtefactCache).then(|| cache.find(want, facts)).flatten()
}

impl HostView {
    fn lacks_binary(&self) -> bool {
        let binaries = self.desired.iter().flat_map(|step| &step.resources);
        let none = std::collections::BTreeSet::new();
        binaries
            .filter(|resource| matches!(resource, Resource::Binary(_)))
            .any(|resource| resource.kind().compare(&self.observed, &none).is_some())
    }
}

impl Survey {
    /// The plan that follows from what was found.
    pub fn plan(&self, fleet: &Fleet, choice: &Choice) -> Result<Plan, Error> {
        let form = match &self.standing {
            Standing::Formed => None,
            other => Some(other.to_string()),
        };
        let included = |host: &str| choice.limit.as_ref().is_none_or(|limit| limit.contains(host));
        let lacking = self.lacking.iter().filter(|(host, _)| included(host));
        let lacking = lacking.map(|(host, facts)| (host.clone(), facts.clone())).collect();
        let builders = build::builders(&Want::of(fleet), &lacking);
        let situation = Situation {
            fleet,
            hosts: &self.views,
            builders: &builders,
            unreachable: &self.unreachable,
            topology: &self.topology,
            form,
            choice,
        };
        Ok(Plan::new(&situation)?)
    }
}
