//! The stages between two barriers, as one pipeline a host. A host waits for no other, except for the binary
//! that a builder compiles.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::{
    sync::{OnceCell, watch::Sender},
    time::Instant,
};

use super::{
    Error, RunContext,
    binary_distribution::BinarySource,
    directives,
    guarded_starts::{Waiting, waits_here},
    host_run::HostRun,
    step_progress::StepProgress,
};
use crate::{
    artifact::{self, Artifact, BuildContext, Builder, Pins},
    plan::{HostChanges, Plan, Stage, Work},
    units::{HostName, StepName},
};

/// The pipelines of all hosts between two barriers.
pub(super) struct HostPipelines<'a> {
    context: &'a RunContext<'a>,
    plan: &'a Plan,
    stages: &'a [Stage],
    steps: Vec<StepProgress>,
    binaries: &'a BinarySource<'a>,
    waiting: &'a Waiting,
    hosts: Vec<&'a HostName>,
    /// When the first node was started: the engine's own delays count from there.
    started: OnceCell<Instant>,
}

/// How the pipelines ended.
pub(super) struct PipelineOutcome {
    pub(super) changed: usize,
    pub(super) started: Option<Instant>,
    /// The hosts that failed, and how.
    pub(super) failed: Vec<(HostName, Error)>,
}

impl<'a> HostPipelines<'a> {
    /// The `excluded` hosts have failed, and take no part any more.
    pub(super) fn new(
        context: &'a RunContext<'a>,
        plan: &'a Plan,
        stages: &'a [Stage],
        binaries: &'a BinarySource<'a>,
        excluded: &BTreeSet<HostName>,
        waiting: &'a Waiting,
    ) -> Self {
        let hosts: BTreeSet<&HostName> =
            stages.iter().flat_map(hosts_of).filter(|host| !excluded.contains(*host)).collect();
        // No host must wait for what an excluded builder does not compile any more.
        for host in excluded {
            drop(binaries.publisher(host));
        }
        let steps = stages.iter().map(|stage| {
            let taking_part = hosts_of(stage).filter(|host| hosts.contains(host)).count();
            StepProgress::new(context.step(&stage.step, None), taking_part)
        });
        let steps = steps.collect();
        let hosts = hosts.into_iter().collect();
        Self { context, plan, stages, steps, binaries, waiting, hosts, started: OnceCell::new() }
    }

    /// Runs all pipelines, as many at a time as the plan's rollout allows, until too many hosts have failed.
    pub(super) async fn run(&self) -> PipelineOutcome {
        let rollout = self.plan.rollout;
        let at_once = rollout.serial.unwrap_or(self.hosts.len()).max(1);
        let (mut failed, mut begun) = (Vec::new(), false);
        for batch in self.hosts.chunks(at_once) {
            // Only what is left to do can be interrupted.
            if let (true, Some(stage)) = (begun && self.context.is_cancelled(), self.stages.last()) {
                let after = format!("{} on some hosts", stage.step);
                failed.push((HostName::default(), Error::Interrupted { after }));
                break;
            }
            begun = true;
            let pipelines = batch.iter().map(|host| async { (*host, self.host(host).await) });
            for (host, result) in join_all(pipelines).await {
                failed.extend(result.err().map(|error| (host.clone(), error)));
            }
            if failed.len() > rollout.max_failures {
                break;
            }
        }
        let changed = self.steps.iter().map(StepProgress::changed).sum();
        PipelineOutcome { changed, started: self.started.get().copied(), failed }
    }

    async fn host(&self, host: &HostName) -> Result<(), Error> {
        let builds = self.stages.iter().flat_map(builders_of).any(|builder| builder.host == *host);
        let publisher = if builds { self.binaries.publisher(host) } else { None };
        let takes_part = |(stage, _): &(&Stage, &StepProgress)| hosts_of(stage).any(|other| other == host);
        let mut pipelines = self.stages.iter().zip(&self.steps).filter(takes_part);
        let mut last = None;
        let mut result = Ok(());
        while let (Ok(()), Some((stage, progress))) = (&result, pipelines.next()) {
            // Only what is left to do can be interrupted.
            if let Some(last) = last.take().filter(|_| self.context.is_cancelled()) {
                result = Err(Error::Interrupted { after: last });
                progress.host_left();
                break;
            }
            let part = self.context.step(&stage.step, Some(host));
            progress.host_started().await;
            part.started();
            let began = Instant::now();
            match self.stage(stage, host, publisher.as_ref()).await {
                Ok(changed) => {
                    part.finished(changed, began.elapsed());
                    progress.host_finished(changed);
                }
                Err(error) => {
                    part.failed(&error.to_string());
                    progress.host_failed();
                    result = Err(error);
                }
            }
            last = Some(stage.step.to_string());
        }
        pipelines.for_each(|(_, progress)| progress.host_left());
        result
    }

    async fn stage(
        &self,
        stage: &Stage,
        host: &HostName,
        publisher: Option<&Sender<Option<Artifact>>>,
    ) -> Result<usize, Error> {
        match &stage.work {
            Work::Build(_) => {
                let artifact = self.build(&stage.step, host).await?;
                if let Some(publisher) = publisher {
                    publisher.send_replace(Some(artifact));
                }
                Ok(1)
            }
            Work::Change(hosts) => self.change(&stage.step, host, hosts).await,
            Work::Form { .. } | Work::Verify | Work::Undo(_) => Ok(0),
        }
    }

    async fn change(&self, step: &StepName, host: &HostName, hosts: &[HostChanges]) -> Result<usize, Error> {
        let Some(changes) = hosts.iter().find(|changes| changes.host == *host) else { return Ok(0) };
        let run = HostRun::new(self.context, step, host)?;
        if changes.starts_nodes() {
            self.started.get_or_init(|| async { Instant::now() }).await;
        }
        let waiting = waits_here(host, self.waiting);
        let made = run.changes(self.plan, &changes.changes, self.binaries, &waiting).await;
        made.map_err(|error| directives::explained(&self.plan.fleet, error))
    }

    /// Compiles. Directives the binary does not know are refused before any host gets it.
    async fn build(&self, step: &StepName, host: &HostName) -> Result<Artifact, Error> {
        let session = self.context.session(host)?;
        let fleet = &self.plan.fleet;
        let mut pins = Pins::load(&fleet.inventory)?;
        let events = self.context.step(step, Some(host));
        let build = BuildContext {
            spec: self.binaries.spec(),
            inventory: &fleet.inventory,
            host: &session.host,
            facts: &session.facts,
            store: self.context.store(),
            events: &events,
        };
        let artifact = artifact::build(&build, &mut pins).await?;
        events.changed(&format!("built {}", build.spec.title()));
        directives::check(fleet, &artifact, self.context.store())?;
        Ok(artifact)
    }
}

/// The hosts a stage has something to do on.
fn hosts_of(stage: &Stage) -> impl Iterator<Item = &HostName> {
    let changing: &[HostChanges] = if let Work::Change(hosts) = &stage.work { hosts } else { &[] };
    let building = builders_of(stage).map(|builder| &builder.host);
    changing.iter().map(|changes| &changes.host).chain(building)
}

fn builders_of(stage: &Stage) -> impl Iterator<Item = &Builder> {
    let builders: &[Builder] = if let Work::Build(builders) = &stage.work { builders } else { &[] };
    builders.iter()
}
