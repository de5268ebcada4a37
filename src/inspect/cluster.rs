//! The cluster: what its nodes say, and whether they may be changed at all.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    error::Error,
    session::{HostHandle, Sessions},
};
use crate::{
    artifact::ArtifactSpec,
    cluster::{
        self, Assessment, ConfigChange, Consent, HostCheckTarget, Manifest, OnDisk, Persistence, Premises,
        SafetyViolation, StoppedNode, TwoManifests, assess,
    },
    inventory::{Fleet, Node, NodeRef},
    redis::NodeReader,
    resource::{Binary, Config, ManifestAnswer, NodeAnswer, Observed, PASSWORD, Resource},
    units::{HostName, NodeName},
};

/// How long to wait for news that nodes still have to hear of each other: each node pings one other a second.
const GOSSIP_TIMEOUT: Duration = Duration::from_secs(5);
/// The same where the cluster is formed and only an invariant is broken: a master pings its replicas every
/// ten seconds (`repl-ping-replica-period`), also after it hung.
const PING_TIMEOUT: Duration = Duration::from_secs(12);
const GOSSIP_INTERVAL: Duration = Duration::from_millis(100);

/// Where `verify` looks on each host, and what must be there.
pub fn host_check_targets<H>(fleet: &Fleet, sessions: &Sessions<H>) -> BTreeMap<HostName, HostCheckTarget> {
    let recipe = ArtifactSpec::of(fleet).recipe.id();
    let targets = sessions.iter().map(|(host, session)| {
        let layout = session.layout.clone();
        let binary = Some(Binary::new(fleet, &layout, &recipe).path());
        (host.clone(), HostCheckTarget { layout, binary, units: session.facts.runs_units() })
    });
    targets.collect()
}

/// What was found on one host, as far as it concerns the cluster.
#[derive(Clone, Copy)]
pub struct HostView<'a> {
    pub observed: &'a Observed,
    /// What is desired there.
    pub resources: &'a [&'a Resource],
}

/// Asks all servers about their cluster, and again while what is missing may be news that has not arrived
/// yet; `hosts` gives what was found on each host, and `consent` is what the user allows. What forbids any
/// change is part of the answer: `status` shows it, and the plan refuses.
pub async fn assess_cluster<H: HostHandle>(
    fleet: &Fleet,
    sessions: &Sessions<H>,
    hosts: &BTreeMap<HostName, HostView<'_>>,
    consent: &Consent,
) -> Result<(cluster::Observed, OnDisk, Assessment), Error> {
    let reader = NodeReader::new(fleet, sessions.probes())?;
    let (disk, two_manifests) = on_disk(fleet, hosts);
    let premises = Premises { fleet, disk: &disk, consent };
    let observed = |host: &HostName| hosts.get(host).map(|view| view.observed);
    let began = Instant::now();
    loop {
        let seen = cluster::observe_with_config(&reader).await;
        let mut assessment = assess(&premises, &seen).with_config(config_changes(fleet, hosts, &seen));
        let mismatch = auth_mismatch(fleet, sessions, observed, &seen).map(SafetyViolation::AuthMismatch);
        if let Some(violation) = two_manifests.clone().map(SafetyViolation::TwoManifests).or(mismatch) {
            assessment = assessment.refused(violation);
        }
        let is_missing = matches!(assessment.state, cluster::ClusterState::Partial { .. });
        let timeout = if is_missing { GOSSIP_TIMEOUT } else { PING_TIMEOUT };
        if !assessment.converging || began.elapsed() > timeout {
            return Ok((seen, disk, assessment));
        }
        sleep(GOSSIP_INTERVAL).await;
    }
}

/// What the hosts keep of the cluster, and whether it is that of two.
fn on_disk(fleet: &Fleet, hosts: &BTreeMap<HostName, HostView<'_>>) -> (OnDisk, Option<TwoManifests>) {
    let kept = || hosts.iter().filter_map(|(host, view)| Some((host, view.observed.manifest()?)));
    let text = |(host, answer): (_, &'_ ManifestAnswer)| Some((host, answer.text.clone()?));
    let texts: Vec<(&HostName, String)> = kept().filter_map(text).collect();
    let (manifest, two) = match Manifest::newest(texts.iter().map(|(host, text)| (*host, text.as_str()))) {
        Ok(manifest) => (manifest, None),
        Err(two) => (None, Some(two)),
    };
    let newest = manifest.as_ref().map(Manifest::text);
    let outdated = kept().filter(|(_, answer)| answer.text != newest).map(|(host, _)| host.clone());
    let leftover = kept().filter_map(|(host, answer)| {
        let is_ours = |name: &NodeName| fleet.nodes().any(|node| node.host() == host && node.name() == name);
        let others: Vec<NodeName> = answer.held.iter().filter(|name| !is_ours(name)).cloned().collect();
        (!others.is_empty()).then(|| (host.clone(), others))
    });
    let stopped = fleet.nodes().filter_map(|node| {
        let view = hosts.get(node.host())?;
        let answer = view.observed.node(node.name()).filter(|answer| answer.running.is_none())?;
        Some((node.key, stopped(fleet, node, view, answer)))
    });
    let (outdated, leftover, stopped) = (outdated.collect(), leftover.collect(), stopped.collect());
    (OnDisk { manifest, outdated, stopped, leftover }, two)
}

/// How the configurations of running nodes differ from what they must be.
fn config_changes(
    fleet: &Fleet,
    hosts: &BTreeMap<HostName, HostView<'_>>,
    seen: &cluster::Observed,
) -> BTreeMap<NodeRef, ConfigChange> {
    let change = |node: &Node| {
        let view = hosts.get(node.host())?;
        let (config, before) = view.observed.configuration(configuration(view, node)?);
        let running = view.observed.node(node.name()).and_then(|answer| answer.running.as_ref());
        let files = running.and_then(|process| process.open_files);
        let change = ConfigChange::of(&config.text, before, &seen.view(node.key)?.config, files)?;
        (!change.is_empty()).then_some((node.key, change))
    };
    fleet.nodes().filter_map(change).collect()
}

/// The configuration that a node must have.
fn configuration<'a>(view: &HostView<'a>, node: &Node) -> Option<&'a Config> {
    let path = view.resources.iter().find_map(|resource| match resource {
        Resource::Process(process) if process.node == node.key => process.config.first(),
        _ => None,
    });
    view.resources.iter().find_map(|resource| match resource {
        Resource::Config(config) if Some(&config.path) == path => Some(config),
        _ => None,
    })
}

fn stopped(fleet: &Fleet, node: &Node, view: &HostView<'_>, answer: &NodeAnswer) -> StoppedNode {
    let found = configuration(view, node).map(|config| view.observed.configuration(config));
    let (next, before) = match &found {
        Some((config, before)) => (Persistence::of(&config.text), before.map(Persistence::of)),
        // Without a step that configures nodes the file that stands there is the user's own.
        None => (Persistence::of(""), None),
    };
    let next_start = next.next_start(before.as_ref(), fleet.engine, fleet.version, &answer.files);
    StoppedNode { nodes_conf: answer.nodes_conf.clone(), next_start }
}

/// A node that rejects our password looks dead to all that follows. A process that is not ours has taken a
/// port of ours, and the plan refuses that with a better message.
fn auth_mismatch<'a, H>(
    fleet: &Fleet,
    sessions: &Sessions<H>,
    observed: impl Fn(&HostName) -> Option<&'a Observed>,
    seen: &cluster::Observed,
) -> Option<cluster::AuthMismatch> {
    let password_file = |node: &Node| {
        observed(node.host())?.node(node.name())?.running.as_ref()?;
        let layout = &sessions.get(node.host()).ok()?.layout;
        Some(format!("{}/{}/{PASSWORD}", layout.etc, node.name()))
    };
    cluster::auth_mismatch(fleet, seen, password_file)
}
