//! The executor: takes a plan and carries it out, stage by stage. It reads no flags, no environment, no inventory.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{Cancel, Error, Events, hosts::HostRun, nodes::Nodes};
use crate::{
    build::{self, Artefact, Cache, Names, Pins, Want},
    cluster::{self, Evidence, Formed, Topology},
    host::{Change, Facts, Probe},
    inventory::Fleet,
    plan::{self, HostChanges, HostUndo, Plan, Stage, Work},
    resource::Layout,
};

/// What a run needs besides its plan: the right to change each host, and what is known of it.
pub struct Executor<'a> {
    pub hosts: &'a BTreeMap<String, Change>,
    pub facts: &'a BTreeMap<String, Facts>,
    pub cache: &'a Cache,
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
    /// Whether the directives have been checked against the binary.
    checked: bool,
    pub formed: Option<Formed>,
    pub evidence: Option<Evidence>,
}

impl Executor<'_> {
    /// Carries out a plan. Stops at the first error, or after the current stage when the user asked to.
    /// What was done until then is told in both cases.
    pub async fn run(&self, plan: &Plan) -> (Outcome, Result<(), Error>) {
        let mut outcome = Outcome::default();
        let result = self.stages(plan, &mut outcome).await;
        (outcome, result)
    }

    async fn stages(&self, plan: &Plan, outcome: &mut Outcome) -> Result<(), Error> {
        let (mut artefact, mut last) = (None, None::<&Stage>);
        for stage in &plan.stages {
            // Only what is left to do can be interrupted.
            if let Some(last) = last.filter(|_| self.cancel.is_raised()) {
                return Err(Error::Interrupted { after: last.step.clone() });
            }
            let (step, began) = (self.events.step(&stage.step, None), Instant::now());
            step.started();
            let before = outcome.changed;
            if let Err(error) = self.stage(plan, stage, &mut artefact, outcome).await {
                step.failed(&error.to_string());
                return Err(error);
            }
            step.finished(outcome.changed - before, began.elapsed());
            last = Some(stage);
        }
        Ok(())
    }

    async fn stage(
        &self,
        plan: &Plan,
        stage: &Stage,
        artefact: &mut Option<Artefact>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        match &stage.work {
            Work::Change(hosts) => {
                outcome.checked = outcome.checked || self.check_directives(plan, artefact.as_ref())?;
                if hosts.iter().any(HostChanges::starts_nodes) {
                    outcome.started.get_or_insert_with(Instant::now);
                }
                outcome.changed += self.change(plan, &stage.step, hosts, artefact.as_ref()).await?;
            }
            Work::Build { host, .. } => {
                *artefact = self.build(plan, &stage.step, host).await?;
                outcome.changed += 1;
            }
            Work::Form { topology, .. } => {
                outcome.formed = Some(self.form(plan, &stage.step, topology, outcome.started).await?);
                outcome.changed += 1;
            }
            Work::Verify => {
                let servers = plan::servers(&plan.fleet, &self.probes())?;
                let evidence =
                    cluster::verify(&servers, &plan.fleet, &plan::sides(&plan.fleet, self.facts)).await;
                let failed: Vec<String> =
                    evidence.failed().map(|i| format!("{} {}", i.id, i.title)).collect();
                outcome.evidence = Some(evidence);
                if !failed.is_empty() {
                    return Err(Error::Unproven { count: failed.len(), failed });
                }
            }
            Work::Undo(hosts) => outcome.changed += self.undo(plan, &stage.step, hosts).await?,
        }
        Ok(())
    }

    /// The changes of one stage: hosts flow independently; nodes that must be restarted are restarted one at a time,
    /// replicas first, so that no shard is without a master for longer than a hand-over.
    async fn change(
        &self,
        plan: &Plan,
        step: &str,
        hosts: &[HostChanges],
        built: Option<&Artefact>,
    ) -> Result<usize, Error> {
        let runs = hosts.iter().filter_map(|changes| {
            let run = self.host(&plan.fleet, step, &changes.host)?;
            Some(async move { run.changes(&changes.changes, &plan.fleet, self.cache, built).await })
        });
        let mut changed: usize = try_join_all(runs).await?.into_iter().sum();
        let whole = !plan.stages.iter().any(|stage| matches!(stage.work, Work::Form { whole: false, .. }));
        let nodes = Nodes { executor: self, fleet: &plan.fleet, step, whole };
        changed += nodes.restart(hosts).await?;
        Ok(changed)
    }

    async fn build(&self, plan: &Plan, step: &str, host: &str) -> Result<Option<Artefact>, Error> {
        let (Some(change), Some(facts)) = (self.hosts.get(host), self.facts.get(host)) else {
            return Ok(None);
        };
        let mut pins = Pins::load(&plan.fleet.inventory)?;
        let events = self.events.step(step, Some(host));
        let want = Want::of(&plan.fleet);
        let artefact = build::build(&want, change, facts, self.cache, &mut pins, &events).await?;
        events.changed(&format!("built {}", want.title()));
        Ok(Some(artefact))
    }

    /// Refuses a directive the binary does not have before anything of this stage is sent. False where there is no
    /// binary to ask yet.
    fn check_directives(&self, plan: &Plan, built: Option<&Artefact>) -> Result<bool, Error> {
        let want = Want::of(&plan.fleet);
        let found = self.facts.values().next().and_then(|facts| plan::cached(self.cache, &want, facts));
        let Some(artefact) = built.or(found.as_ref()) else { return Ok(false) };
        let of_hosts = plan.fleet.nodes().flat_map(|node| node.config.keys());
        let mut names: Vec<String> = plan.fleet.config.keys().chain(of_hosts).cloned().collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Ok(true);
        }
        let known = Names::of(&artefact.path).map_err(|_| Error::ArtefactGone { what: want.title() })?;
        names.retain(|name| !known.knows(name));
        if names.is_empty() {
            return Ok(true);
        }
        let (engine, version) = (plan.fleet.engine.to_string(), plan.fleet.version.to_string());
        Err(Error::UnknownDirective { engine, version, names })
    }

    async fn form(
        &self,
        plan: &Plan,
        step: &str,
        topology: &Topology,
        started: Option<Instant>,
    ) -> Result<Formed, Error> {
        let servers = plan::servers(&plan.fleet, &self.probes())?;
        let events = self.events.step(step, None);
        Ok(cluster::form(&servers, &plan.fleet, topology, started, &events).await?)
    }

    async fn undo(&self, plan: &Plan, step: &str, hosts: &[HostUndo]) -> Result<usize, Error> {
        let runs = hosts.iter().filter_map(|undo| {
            let run = self.host(&plan.fleet, step, &undo.host)?;
            Some(async move { run.undo(&undo.entries).await })
        });
        Ok(try_join_all(runs).await?.into_iter().sum())
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
