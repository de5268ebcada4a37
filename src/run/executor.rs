//! The executor: takes a plan and carries it out. It reads no flags, no environment, no inventory. Between two barriers
//! hosts go their own way; at a barrier all must have arrived.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    Cancel, Error, binary_distribution::BinarySource, directives, host_pipelines::HostPipelines,
    host_run::HostRun, rolling_restart::RollingRestart,
};
use crate::{
    artifact::{ArtifactSpec, ArtifactStore},
    cluster::{self, Evidence, Formed, Topology},
    event::Events,
    host::{Facts, LockedHost, Probe},
    inspect,
    inventory::Fleet,
    plan::{HostUndo, Plan, Stage, Work},
    resource::Layout,
};

/// What a run needs besides its plan: the right to change each host, and what is known of it.
pub struct Executor<'a> {
    pub hosts: &'a BTreeMap<String, LockedHost>,
    pub facts: &'a BTreeMap<String, Facts>,
    pub cache: &'a ArtifactStore,
    pub events: &'a Events,
    pub cancel: &'a Cancel,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Resources that were changed.
    pub changed: usize,
    /// When the first node of this run was started: the engine's own delays count from there.
    started: Option<Instant>,
    pub formed: Option<Formed>,
    pub evidence: Option<Evidence>,
}

impl Executor<'_> {
    /// Carries out a plan. Stops at the first barrier that not all hosts have reached, or after the current stage when
    /// the user asked to. What was done until then is told in both cases.
    pub async fn run(&self, plan: &Plan) -> (Outcome, Result<(), Error>) {
        let mut outcome = Outcome::default();
        let result = self.stages(plan, &mut outcome).await;
        (outcome, result)
    }

    async fn stages(&self, plan: &Plan, outcome: &mut Outcome) -> Result<(), Error> {
        let (mut failed, mut last) = (Vec::new(), None::<&Stage>);
        self.check_directives(plan)?;
        let binaries = BinarySource::new(ArtifactSpec::of(&plan.fleet), self.cache, plan.builders());
        for stages in plan.between_barriers() {
            // Only what is left to do can be interrupted.
            if let Some(last) = last.filter(|_| self.cancel.is_raised()) {
                failed.push((String::new(), Error::Interrupted { after: last.step.clone() }));
                break;
            }
            if stages.iter().any(Stage::is_barrier) {
                if failed.is_empty() {
                    self.barrier(plan, stages, outcome).await?;
                }
            } else {
                failed.extend(self.flow(plan, stages, &binaries, &failed, outcome).await?);
            }
            if failed.len() > plan.rollout.max_failures {
                break;
            }
            last = stages.last();
        }
        Error::of_hosts(failed)
    }

    /// Sends the hosts on their way to the next barrier, then restarts the nodes that are due.
    async fn flow(
        &self,
        plan: &Plan,
        stages: &[Stage],
        binaries: &BinarySource<'_>,
        failed: &[(String, Error)],
        outcome: &mut Outcome,
    ) -> Result<Vec<(String, Error)>, Error> {
        let out: BTreeSet<String> = failed.iter().map(|(host, _)| host.clone()).collect();
        let outcome_of_hosts = HostPipelines::new(self, stages, binaries, &out).run(plan).await;
        outcome.changed += outcome_of_hosts.changed;
        outcome.started = outcome.started.or(outcome_of_hosts.started);
        if let (true, Some(Stage { step, work: Work::Change(hosts) })) =
            (outcome_of_hosts.failed.is_empty() && failed.is_empty(), stages.last())
        {
            let (was_healthy, partial) = (plan.is_whole(), !plan.unreachable.is_empty());
            let nodes = RollingRestart { executor: self, fleet: &plan.fleet, step, was_healthy, partial };
            outcome.changed += nodes.restart(hosts).await?;
        }
        Ok(outcome_of_hosts.failed)
    }

    async fn barrier(&self, plan: &Plan, stages: &[Stage], outcome: &mut Outcome) -> Result<(), Error> {
        for stage in stages {
            let (step, began) = (self.events.step(&stage.step, None), Instant::now());
            step.started();
            let before = outcome.changed;
            if let Err(error) = self.stage(plan, stage, outcome).await {
                step.failed(&error.to_string());
                return Err(error);
            }
            step.finished(outcome.changed - before, began.elapsed());
        }
        Ok(())
    }

    async fn stage(&self, plan: &Plan, stage: &Stage, outcome: &mut Outcome) -> Result<(), Error> {
        match &stage.work {
            Work::Change(_) | Work::Build(_) => {}
            Work::Form { topology, .. } => {
                outcome.formed = Some(self.form(plan, &stage.step, topology, outcome.started).await?);
                outcome.changed += 1;
            }
            Work::Verify => {
                let servers = inspect::servers(&plan.fleet, &self.probes())?;
                let evidence = cluster::verify(
                    &servers,
                    &plan.fleet,
                    &inspect::host_check_targets(&plan.fleet, self.facts),
                )
                .await;
                let failed: Vec<String> =
                    evidence.failed().map(|i| format!("{} {}", i.id, i.title)).collect();
                outcome.evidence = Some(evidence);
                if !failed.is_empty() {
                    return Err(Error::Unproven { count: failed.len(), failed });
                }
            }
            Work::Undo(hosts) => self.undo(plan, &stage.step, hosts, outcome).await?,
        }
        Ok(())
    }

    /// Refuses a directive the binary does not have, where there is a binary to ask already.
    fn check_directives(&self, plan: &Plan) -> Result<(), Error> {
        if !plan.stages.iter().any(|stage| matches!(stage.work, Work::Change(_))) {
            return Ok(());
        }
        let spec = ArtifactSpec::of(&plan.fleet);
        let found = self.facts.values().find_map(|facts| inspect::cached(self.cache, &spec, facts));
        found.map_or(Ok(()), |artifact| directives::check(&plan.fleet, &artifact))
    }

    async fn form(
        &self,
        plan: &Plan,
        step: &str,
        topology: &Topology,
        started: Option<Instant>,
    ) -> Result<Formed, Error> {
        let servers = inspect::servers(&plan.fleet, &self.probes())?;
        let events = self.events.step(step, None);
        if !plan.is_whole() {
            cluster::check_connectivity(&servers, &plan.fleet, &events).await?;
        }
        Ok(cluster::form(&servers, &plan.fleet, topology, started, &events).await?)
    }

    async fn undo(
        &self,
        plan: &Plan,
        step: &str,
        hosts: &[HostUndo],
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let runs = hosts.iter().filter_map(|undo| {
            let run = self.host(&plan.fleet, step, &undo.host)?;
            Some(async move { (undo.host.clone(), run.undo(&undo.entries).await) })
        });
        let mut failed = Vec::new();
        for (host, result) in join_all(runs).await {
            match result {
                Ok(count) => outcome.changed += count,
                Err(error) => failed.push((host, error)),
            }
        }
        Error::of_hosts(failed)
    }

    /// One host during one step.
    pub(super) fn host(&self, fleet: &Fleet, step: &str, host: &str) -> Option<HostRun<'_>> {
        let (change, facts) = (self.hosts.get(host)?, self.facts.get(host)?);
        let layout = Layout::new(fleet, facts);
        Some(HostRun { change, facts, layout, events: self.events.step(step, Some(host)) })
    }

    pub(super) fn probes(&self) -> BTreeMap<String, Probe> {
        self.hosts.iter().map(|(name, change)| (name.clone(), change.probe().clone())).collect()
    }
}
