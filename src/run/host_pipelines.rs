//! Hosts on their way from one barrier to the next. None waits for another, but for the binary that another compiles.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::{
    sync::{OnceCell, watch::Sender},
    time::Instant,
};

use super::{
    Error, binary_distribution::BinarySource, directives, executor::Executor, step_progress::StepProgress,
};
use crate::{
    artifact::{self, Artifact, BuildContext, Builder, Pins},
    plan::{HostChanges, Plan, Stage, Work},
};

/// One way from barrier to barrier.
pub(super) struct HostPipelines<'a> {
    executor: &'a Executor<'a>,
    stages: &'a [Stage],
    steps: Vec<StepProgress>,
    binaries: &'a BinarySource<'a>,
    hosts: Vec<&'a str>,
    /// When the first node was started: the engine's own delays count from there.
    started: OnceCell<Instant>,
}

/// What came of it.
pub(super) struct PipelineOutcome {
    pub(super) changed: usize,
    pub(super) started: Option<Instant>,
    /// The hosts that failed, and how.
    pub(super) failed: Vec<(String, Error)>,
}

impl<'a> HostPipelines<'a> {
    /// `out` takes no part any more.
    pub(super) fn new(
        executor: &'a Executor<'a>,
        stages: &'a [Stage],
        binaries: &'a BinarySource<'a>,
        out: &BTreeSet<String>,
    ) -> Self {
        let hosts: BTreeSet<&str> =
            stages.iter().flat_map(hosts_of).filter(|host| !out.contains(*host)).collect();
        // Nobody shall wait for what they will not compile any more.
        for host in out {
            drop(binaries.publisher(host));
        }
        let steps = stages.iter().map(|stage| {
            let taking_part = hosts_of(stage).filter(|host| hosts.contains(host)).count();
            StepProgress::new(executor.events.step(&stage.step, None), taking_part)
        });
        let steps = steps.collect();
        let hosts = hosts.into_iter().collect();
        Self { executor, stages, steps, binaries, hosts, started: OnceCell::new() }
    }

    /// Sends all hosts on their way, so many at once as the plan's rollout allows, until too many have failed.
    pub(super) async fn run(&self, plan: &Plan) -> PipelineOutcome {
        let at_once = plan.rollout.serial.unwrap_or(self.hosts.len()).max(1);
        let (mut failed, mut begun) = (Vec::new(), false);
        for batch in self.hosts.chunks(at_once) {
            // Only what is left to do can be interrupted.
            if let (true, Some(stage)) = (begun && self.executor.cancel.is_raised(), self.stages.last()) {
                let after = format!("{} on some hosts", stage.step);
                failed.push((String::new(), Error::Interrupted { after }));
                break;
            }
            begun = true;
            let pipelines = batch.iter().map(|host| async { (*host, self.host(plan, host).await) });
            for (host, result) in join_all(pipelines).await {
                failed.extend(result.err().map(|error| (host.to_owned(), error)));
            }
            if failed.len() > plan.rollout.max_failures {
                break;
            }
        }
        let changed = self.steps.iter().map(StepProgress::changed).sum();
        PipelineOutcome { changed, started: self.started.get().copied(), failed }
    }

    async fn host(&self, plan: &Plan, host: &str) -> Result<(), Error> {
        let builds = self.stages.iter().flat_map(builders_of).any(|builder| builder.host == host);
        let publisher = if builds { self.binaries.publisher(host) } else { None };
        let takes_part = |(stage, _): &(&Stage, &StepProgress)| hosts_of(stage).any(|other| other == host);
        let mut pipelines = self.stages.iter().zip(&self.steps).filter(takes_part);
        let mut last = None;
        let mut result = Ok(());
        while let (Ok(()), Some((stage, progress))) = (&result, pipelines.next()) {
            // Only what is left to do can be interrupted.
            if let Some(last) = last.take().filter(|_| self.executor.cancel.is_raised()) {
                result = Err(Error::Interrupted { after: last });
                progress.host_left();
                break;
            }
            progress.host_started().await;
            match self.stage(plan, stage, host, publisher.as_ref()).await {
                Ok(changed) => progress.host_finished(changed),
                Err(error) => {
                    self.executor.events.step(&stage.step, Some(host)).failed(&error.to_string());
                    progress.host_failed();
                    result = Err(error);
                }
            }
            last = Some(stage.step.clone());
        }
        pipelines.for_each(|(_, progress)| progress.host_left());
        result
    }

    async fn stage(
        &self,
        plan: &Plan,
        stage: &Stage,
        host: &str,
        publisher: Option<&Sender<Option<Artifact>>>,
    ) -> Result<usize, Error> {
        match &stage.work {
            Work::Build(_) => {
                let artifact = self.build(plan, &stage.step, host).await?;
                if let Some(publisher) = publisher {
                    publisher.send_replace(artifact);
                }
                Ok(1)
            }
            Work::Change(hosts) => self.change(plan, &stage.step, host, hosts).await,
            Work::Form { .. } | Work::Verify | Work::Undo(_) => Ok(0),
        }
    }

    async fn change(
        &self,
        plan: &Plan,
        step: &str,
        host: &str,
        hosts: &[HostChanges],
    ) -> Result<usize, Error> {
        let changes = hosts.iter().find(|changes| changes.host == host);
        let (Some(changes), Some(run)) = (changes, self.executor.host(&plan.fleet, step, host)) else {
            return Ok(0);
        };
        if changes.starts_nodes() {
            self.started.get_or_init(|| async { Instant::now() }).await;
        }
        run.changes(&changes.changes, self.binaries).await
    }

    /// Compiles. What the binary does not know of the directives is said before anybody gets it.
    async fn build(&self, plan: &Plan, step: &str, host: &str) -> Result<Option<Artifact>, Error> {
        let executor = self.executor;
        let (Some(change), Some(facts)) = (executor.hosts.get(host), executor.facts.get(host)) else {
            return Ok(None);
        };
        let mut pins = Pins::load(&plan.fleet.inventory)?;
        let events = executor.events.step(step, Some(host));
        let spec = self.binaries.spec();
        let context = BuildContext { spec, host: change, facts, store: executor.cache, events: &events };
        let artifact = artifact::build(&context, &mut pins).await?;
        events.changed(&format!("built {}", spec.title()));
        directives::check(&plan.fleet, &artifact)?;
        Ok(Some(artifact))
    }
}

/// The hosts a stage has something to do on.
fn hosts_of(stage: &Stage) -> impl Iterator<Item = &str> {
    let changing: &[HostChanges] = if let Work::Change(hosts) = &stage.work { hosts } else { &[] };
    let building = builders_of(stage).map(|builder| builder.host.as_str());
    changing.iter().map(|changes| changes.host.as_str()).chain(building)
}

fn builders_of(stage: &Stage) -> impl Iterator<Item = &Builder> {
    let builders: &[Builder] = if let Work::Build(builders) = &stage.work { builders } else { &[] };
    builders.iter()
}
