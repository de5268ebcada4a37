//! The executor: takes a plan and carries it out. It reads no flags and no inventory; besides the
//! plan only the cache, the pinned digests of sources, and the password where it is sent. Between two
//! barriers hosts are independent of each other; at a barrier all must have finished.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    Error, RunContext,
    binary_distribution::BinarySource,
    directives,
    guarded_starts::{self, Waiting},
    host_pipelines::HostPipelines,
    host_run::HostRun,
    ready,
    rolling_restart::RollingRestart,
};
use crate::{
    artifact::ArtifactSpec,
    cluster::{self, Evidence, FormError, Formed, Manifest, Op, Premises, ProofMode, Topology},
    inspect,
    inventory::NodeRef,
    plan::{HostChanges, HostUndo, Plan, Stage, Work},
    redis::NodeReader,
    resource::Resource,
    units::{HostName, StepName},
};

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

/// Carries out a plan. Stops at the first barrier that not all hosts have reached, or after the current stage
/// when the user asked to. The outcome has what was done until then in both cases.
pub async fn execute(context: RunContext<'_>, plan: &Plan) -> (Outcome, Result<(), Error>) {
    let binaries = BinarySource::new(ArtifactSpec::of(&plan.fleet), context.store(), plan.builders());
    let mut executor = Executor { context, plan, binaries, outcome: Outcome::default() };
    let result = executor.stages().await;
    (executor.outcome, result)
}

struct Executor<'a> {
    context: RunContext<'a>,
    plan: &'a Plan,
    binaries: BinarySource<'a>,
    outcome: Outcome,
}

impl Executor<'_> {
    async fn stages(&mut self) -> Result<(), Error> {
        let (mut failed, mut last) = (Vec::new(), None::<&Stage>);
        self.check_directives()?;
        self.set_live().await?;
        let plan = self.plan;
        for stages in plan.between_barriers() {
            // The check is here, before further stages, because after the last one there is nothing to
            // interrupt.
            if let Some(last) = last.filter(|_| self.context.is_cancelled()) {
                failed.push((HostName::default(), Error::Interrupted { after: last.step.to_string() }));
                break;
            }
            if stages.iter().any(Stage::is_barrier) {
                if failed.is_empty() {
                    self.barrier(stages).await?;
                }
            } else {
                failed.extend(self.pipelines(stages, &failed).await?);
            }
            if failed.len() > plan.rollout.max_failures {
                break;
            }
            last = stages.last();
        }
        Error::of_hosts(failed)
    }

    /// Runs the hosts' pipelines up to the next barrier, then restarts the nodes that are due.
    async fn pipelines(
        &mut self,
        stages: &[Stage],
        failed: &[(HostName, Error)],
    ) -> Result<Vec<(HostName, Error)>, Error> {
        let excluded: BTreeSet<HostName> = failed.iter().map(|(host, _)| host.clone()).collect();
        let starts = stages.iter().any(|stage| match &stage.work {
            Work::Change(hosts) => hosts.iter().any(HostChanges::starts_nodes),
            _ => false,
        });
        let waiting =
            if starts { guarded_starts::waiting(&self.context, self.plan).await? } else { Waiting::new() };
        let pipelines =
            HostPipelines::new(&self.context, self.plan, stages, &self.binaries, &excluded, &waiting);
        let ended = pipelines.run().await;
        self.outcome.changed += ended.changed;
        self.outcome.started = self.outcome.started.or(ended.started);
        if let (true, Some(Stage { step, work: Work::Change(hosts) })) =
            (ended.failed.is_empty() && failed.is_empty(), stages.last())
        {
            self.outcome.changed +=
                guarded_starts::start(&self.context, self.plan, step, hosts, &waiting).await?;
            self.outcome.changed +=
                RollingRestart::new(&self.context, self.plan, step).restart(hosts).await?;
        }
        Ok(ended.failed)
    }

    async fn barrier(&mut self, stages: &[Stage]) -> Result<(), Error> {
        for stage in stages {
            let (step, began) = (self.context.step(&stage.step, None), Instant::now());
            step.started();
            let before = self.outcome.changed;
            if let Err(error) = self.stage(stage).await {
                step.failed(&error.to_string());
                return Err(error);
            }
            step.finished(self.outcome.changed - before, began.elapsed());
        }
        Ok(())
    }

    async fn stage(&mut self, stage: &Stage) -> Result<(), Error> {
        match &stage.work {
            Work::Change(_) | Work::Build(_) => Ok(()),
            Work::Form { topology, .. } => self.form(&stage.step, topology).await,
            Work::Verify => self.verify().await,
            Work::Undo(hosts) => self.undo(&stage.step, hosts).await,
        }
    }

    /// Refuses a directive the binary does not have, where the cache has a binary to ask.
    fn check_directives(&self) -> Result<(), Error> {
        let fleet = &self.plan.fleet;
        if !self.plan.stages.iter().any(|stage| matches!(stage.work, Work::Change(_))) {
            return Ok(());
        }
        let (spec, store) = (self.binaries.spec(), self.context.store());
        let found = self.context.sessions().iter().find_map(|(_, session)| store.find(spec, &session.facts));
        found.map_or(Ok(()), |artifact| directives::check(fleet, &artifact, store))
    }

    /// Gives running nodes what they take without a restart, before any file says so.
    async fn set_live(&mut self) -> Result<(), Error> {
        let mut settings = self.plan.cluster.ops.iter().filter(|op| matches!(op, Op::Set { .. })).peekable();
        if settings.peek().is_none() {
            return Ok(());
        }
        let writer = self.context.writer(&self.plan.fleet)?;
        for setting in settings {
            if self.context.is_cancelled() {
                return Err(Error::Interrupted { after: "live changes of some nodes".to_owned() });
            }
            self.outcome.changed += cluster::set_live(&writer, std::slice::from_ref(setting)).await?;
        }
        Ok(())
    }

    async fn form(&mut self, step: &StepName, topology: &Topology) -> Result<(), Error> {
        let fleet = &self.plan.fleet;
        let writer = self.context.writer(fleet)?;
        let events = self.context.step(step, None);
        if !self.plan.is_whole() {
            cluster::check_connectivity(writer.reader(), fleet, &events).await?;
        }
        let known = &self.plan.cluster;
        let premises = Premises { fleet, disk: &known.on_disk, consent: &known.consent };
        let formed = cluster::form(&writer, &premises, topology, self.outcome.started, &events).await;
        let formed = match formed {
            // A server accepts connections before it has read its files, and may end over them.
            Err(FormError::NoAnswer { nodes, after }) => {
                self.explain_silence(nodes.keys().copied().collect()).await?;
                return Err(FormError::NoAnswer { nodes, after }.into());
            }
            other => other?,
        };
        if let Some(manifest) = &formed.manifest {
            self.record(step, manifest).await?;
        }
        // Restarts hand masters over, which may gather them on one host.
        let restarts = self.plan.stages.iter().any(|stage| stage.work.restarts_nodes());
        let is_planned = |node, instead_of| known.ops.contains(&Op::Lead { node, instead_of });
        let allowed = |node, instead_of| restarts || is_planned(node, instead_of);
        cluster::spread_masters(&writer, fleet, allowed, &events).await;
        self.outcome.formed = Some(formed);
        self.outcome.changed += 1;
        Ok(())
    }

    /// Fails with the reason of the first of these nodes whose process has ended.
    async fn explain_silence(&self, silent: BTreeSet<NodeRef>) -> Result<(), Error> {
        for (host, baseline) in &self.plan.hosts {
            let resources = baseline.desired.iter().flat_map(|step| &step.resources);
            let processes = resources.filter_map(|resource| match resource {
                Resource::Process(process) if silent.contains(&process.node) => Some(process),
                _ => None,
            });
            let probe = self.context.session(host)?.probe();
            if let Some(error) = ready::find_ended(probe, &processes.collect::<Vec<_>>()).await? {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Has every host write down who the members are.
    async fn record(&self, step: &StepName, manifest: &Manifest) -> Result<(), Error> {
        let on_disk = &self.plan.cluster.on_disk;
        let is_known = on_disk.manifest.as_ref() == Some(manifest);
        let named = manifest.clone().named().map_err(|source| Error::NoRandom { source })?;
        let text = named.text();
        let hosts = self.plan.hosts.keys().filter(|host| !is_known || on_disk.outdated.contains(*host));
        let writing = hosts.map(|host| {
            let text = &text;
            async move { (host.clone(), HostRun::record(&self.context, step, host, text).await) }
        });
        let failed = join_all(writing).await.into_iter();
        Error::of_hosts(failed.filter_map(|(host, result)| Some((host, result.err()?))).collect())
    }

    async fn verify(&mut self) -> Result<(), Error> {
        let fleet = &self.plan.fleet;
        let reader = NodeReader::new(fleet, self.context.sessions().probes())?;
        let targets = inspect::host_check_targets(fleet, self.context.sessions());
        let evidence = cluster::verify(&reader, fleet, &targets, ProofMode::WriteProbes).await;
        let failed: Vec<String> =
            evidence.decisive().iter().map(|i| format!("{} {}", i.id, i.title)).collect();
        self.outcome.evidence = Some(evidence);
        if failed.is_empty() { Ok(()) } else { Err(Error::Unproven { count: failed.len(), failed }) }
    }

    async fn undo(&mut self, step: &StepName, hosts: &[HostUndo]) -> Result<(), Error> {
        let context = &self.context;
        let runs = hosts.iter().map(|undo| async move {
            let undone = match HostRun::new(context, step, &undo.host) {
                Ok(run) => run.undo(&undo.entries).await,
                Err(error) => Err(error.into()),
            };
            (undo.host.clone(), undone)
        });
        let mut failed = Vec::new();
        for (host, result) in join_all(runs).await {
            match result {
                Ok(count) => self.outcome.changed += count,
                Err(error) => failed.push((host, error)),
            }
        }
        Error::of_hosts(failed)
    }
}
