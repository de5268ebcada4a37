//! Everything a plan is computed from, and the refusal of what is known to fail.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterPlan, Desired, Error, HostSnapshot, PlanOptions, Planned, Stage};
use crate::{
    artifact::{self, ArtifactSpec, Builder},
    cluster::{Assessment, ClusterState, ConfigChange, SafetyViolation, Topology},
    host::Facts,
    inspect::{HostObservation, Inspection},
    inventory::{Fleet, NodeRef},
    resource::Resource,
    units::HostName,
};

/// Everything a plan is computed from. No connection, no clock, no environment.
#[derive(Debug)]
pub struct PlanInput<'a> {
    pub fleet: &'a Fleet,
    pub hosts: BTreeMap<HostName, HostSnapshot>,
    /// The hosts that compile the server, where it is neither installed nor in the cache.
    pub builders: Vec<Builder>,
    /// Hosts that could not be reached, and why.
    pub unreachable: BTreeMap<HostName, String>,
    pub topology: Topology,
    /// What forming the cluster has to do, in words; `None` where it is formed.
    pub form: Option<String>,
    pub cluster: ClusterPlan,
    /// How the configurations of running nodes differ, where they do.
    pub config: BTreeMap<NodeRef, ConfigChange>,
    /// Why nothing may be changed, if so.
    pub refusal: Option<SafetyViolation>,
    pub options: &'a PlanOptions,
}

impl<'a> PlanInput<'a> {
    /// The input that follows from an inspection.
    pub fn new(fleet: &'a Fleet, inspection: Inspection<Vec<Desired>>, options: &'a PlanOptions) -> Self {
        let (mut hosts, mut missing_binary) = (BTreeMap::<_, _>::new(), BTreeMap::<HostName, Facts>::new());
        for (name, HostObservation { desired, observed, facts, missing_binary: lacks }) in inspection.hosts {
            hosts.insert(name.clone(), HostSnapshot { desired, observed, init: facts.init });
            if lacks && options.includes(&name) {
                missing_binary.insert(name, facts);
            }
        }
        let Assessment { state, refusal, ops, findings, config, .. } = inspection.assessment;
        let form = match &state {
            ClusterState::Formed => None,
            other => Some(other.to_string()),
        };
        let cluster = ClusterPlan { on_disk: inspection.on_disk, consent: inspection.consent, ops, findings };
        Self {
            fleet,
            hosts,
            builders: artifact::builders(&ArtifactSpec::of(fleet), &missing_binary),
            unreachable: inspection.unreachable,
            topology: Topology::place(fleet),
            form,
            cluster,
            config,
            refusal,
            options,
        }
    }

    /// Refuses what is known to fail before anything changes.
    pub(super) fn check_preconditions(&self) -> Result<(), Error> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone().into());
        }
        for (host, snapshot) in self.hosts.iter().filter(|(host, _)| self.options.includes(host)) {
            let selected = snapshot.desired.iter().filter(|step| self.options.is_selected(step));
            selected
                .flat_map(|step| &step.resources)
                .try_for_each(|resource| snapshot.check_preconditions(host, resource))?;
        }
        Ok(())
    }

    /// Refuses to ship a binary that no stage compiles.
    pub(super) fn check_binaries_available(&self, stages: &[Stage]) -> Result<(), Error> {
        if stages.iter().any(|stage| stage.work.builds()) {
            return Ok(());
        }
        let lacking = |host: &HostName| {
            self.builders.iter().any(|b| b.host == *host || b.consumers.iter().any(|served| served == host))
        };
        let lacking = stages.iter().flat_map(|stage| stage.work.changes()).find_map(|changes| {
            let ships = |change: &&Planned| matches!(change.resource, Resource::Binary(_));
            let binary = changes.changes.iter().find(ships).filter(|_| lacking(&changes.host))?;
            Some(Error::NothingBuilt { host: changes.host.clone(), what: binary.resource.title() })
        });
        lacking.map_or(Ok(()), Err)
    }

    pub(super) fn notices(&self) -> BTreeMap<String, BTreeSet<HostName>> {
        let mut notices: BTreeMap<String, BTreeSet<HostName>> = BTreeMap::new();
        for (host, snapshot) in &self.hosts {
            for notice in snapshot.notices() {
                notices.entry(notice).or_default().insert(host.clone());
            }
        }
        notices
    }

    /// Whether every host will be as desired once the changes are made: a cluster with hosts that are not
    /// ready is neither formed nor verified.
    pub(super) fn is_complete(&self) -> bool {
        let ready = |(name, snapshot): (&HostName, &HostSnapshot)| {
            self.options.includes(name) || snapshot.is_as_desired()
        };
        self.unreachable.is_empty() && self.hosts.iter().all(ready)
    }
}
