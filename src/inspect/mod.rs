//! Inspection: everything a plan is computed from, gathered through [`Probe`](crate::host::Probe)s, which
//! cannot change a host. It knows neither playbooks nor plans: a closure gives it the resources that are
//! desired of a host, and what it returns is what was observed.

mod cluster;
mod error;
mod host;
mod session;

use std::collections::BTreeMap;

use futures_util::future::join_all;

use self::host::{Inspected, inspect_host};
pub use self::{
    cluster::{HostView, assess_cluster, host_check_targets},
    error::Error,
    host::{HostObservation, Resources, observe},
    session::{HostHandle, LockedSessions, NoSession, ProbeSessions, Session, Sessions},
};
use crate::{
    artifact::{ArtifactSpec, ArtifactStore},
    cluster::{Assessment, Consent, Observed, OnDisk},
    inventory::{Fleet, Host},
    resource::Resource,
    units::HostName,
};

/// What was found on the hosts and in the cluster; `D` is what was desired of a host.
#[derive(Debug)]
pub struct Inspection<D> {
    /// By the host's name; hosts that could not be reached are not here.
    pub hosts: BTreeMap<HostName, HostObservation<D>>,
    /// What the nodes said.
    pub cluster: Observed,
    /// What hosts keep of the cluster.
    pub on_disk: OnDisk,
    /// What that makes of the cluster.
    pub assessment: Assessment,
    /// What the user allows beyond what is safe.
    pub consent: Consent,
    /// Hosts that could not be reached, and why.
    pub unreachable: BTreeMap<HostName, String>,
    /// Those of them that answered when the run began.
    pub lost: BTreeMap<HostName, crate::host::Error>,
}

/// Inspects all hosts at once, then all servers at once. A host that is lost meanwhile joins the unreachable
/// ones.
///
/// `desired` gives what is desired of a host; its third argument are the packages a build needs, where the
/// host may have to compile the server.
pub async fn inspect<H: HostHandle, D: Resources, E: From<Error>>(
    fleet: &Fleet,
    sessions: &Sessions<H>,
    mut unreachable: BTreeMap<HostName, String>,
    store: &ArtifactStore,
    consent: &Consent,
    desired: impl Fn(&Host, &Session<H>, &[String]) -> Result<D, E>,
) -> Result<Inspection<D>, E> {
    let spec = ArtifactSpec::of(fleet);
    let connected = fleet.hosts.iter().filter(|host| !unreachable.contains_key(&host.name));
    let inspecting = connected.map(|host| {
        let (spec, desired) = (&spec, &desired);
        async move {
            let session = sessions.get(&host.name).map_err(Error::from)?;
            let desired = |packages: &[String]| desired(host, session, packages);
            Ok::<_, E>((host.name.clone(), inspect_host(session, spec, store, desired).await?))
        }
    });
    let (mut hosts, mut lost) = (BTreeMap::new(), BTreeMap::new());
    for inspected in join_all(inspecting).await {
        match inspected? {
            (name, Inspected::Seen(observation)) => drop(hosts.insert(name, *observation)),
            (name, Inspected::Lost(error)) => {
                unreachable.insert(name.clone(), error.to_string());
                lost.insert(name, error);
            }
        }
    }
    let resources: BTreeMap<&HostName, Vec<&Resource>> = hosts
        .iter()
        .map(|(name, host): (_, &HostObservation<D>)| (name, host.desired.resources().collect()))
        .collect();
    let views = hosts.iter().map(|(name, host)| {
        (name.clone(), HostView { observed: &host.observed, resources: &resources[name] })
    });
    let views: BTreeMap<HostName, HostView<'_>> = views.collect();
    let (cluster, on_disk, assessment) = assess_cluster(fleet, sessions, &views, consent).await?;
    let consent = consent.clone();
    Ok(Inspection { hosts, cluster, on_disk, assessment, consent, unreachable, lost })
}

#[cfg(test)]
mod tests;
