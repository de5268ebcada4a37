//! Hosts on their way from one barrier to the next. None waits for another, but for the binary that another compiles.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::{
    sync::{OnceCell, watch::Sender},
    time::Instant,
};

use super::{Error, directives, executor::Executor, supply::Supply, track::Track};
use crate::{
    build::{self, Artefact, Builder, Pins},
    plan::{HostChanges, Plan, Stage, Work},
};

/// One way from barrier to barrier.
pub(super) struct Flow<'a> {
    executor: &'a Executor<'a>,
    stages: &'a [Stage],
    tracks: Vec<Track>,
    supply: &'a Supply<'a>,
    hosts: Vec<&'a str>,
    /// When the first node was started: the engine's own delays count from there.
    started: OnceCell<Instant>,
}

/// What came of it.
pub(super) struct Flowed {
    pub(super) changed: usize,
    pub(super) started: Option<Instant>,
    /// The hosts that failed, and how.
    pub(super) failed: Vec<(String, Error)>,
}

impl<'a> Flow<'a> {
    /// `out` takes no part any more.
    pub(super) fn new(
        executor: &'a Executor<'a>,
        stages: &'a [Stage],
        supply: &'a Supply<'a>,
        out: &BTreeSet<String>,
    ) -> Self {
        let hosts: BTreeSet<&str> =
            stages.iter().flat_map(hosts_of).filter(|host| !out.contains(*host)).collect();
        // Nobody shall wait for what they will not compile any more.
        for host in out {
            drop(supply.sender(host));
        }
        let tracks = stages.iter().map(|stage| {
            let taking_part = hosts_of(stage).filter(|host| hosts.contains(host)).count();
            Track::new(executor.events.step(&stage.step, None), taking_part)
        });
        let tracks = tracks.collect();
        let hosts = hosts.into_iter().collect();
        Self { executor, stages, tracks, supply, hosts, started: OnceCell::new() }
    }

    /// Sends all hosts on their way, so many at once as the plan's pace allows, until too many have failed.
    pub(super) async fn run(&self, plan: &Plan) -> Flowed {
        let at_once = plan.pace.serial.unwrap_or(self.hosts.len()).max(1);
        let (mut failed, mut begun) = (Vec::new(), false);
        for batch in self.hosts.chunks(at_once) {
            // Only what is left to do can be interrupted.
            if let (true, Some(stage)) = (begun && self.executor.cancel.is_raised(), self.stages.last()) {
                let after = format!("{} on some hosts", stage.step);
                failed.push((String::new(), Error::Interrupted { after }));
                break;
            }
            begun = true;
            let ways = batch.iter().map(|host| async { (*host, self.host(plan, host).await) });
            for (host, result) in join_all(ways).await {
                failed.extend(result.err().map(|error| (host.to_owned(), error)));
            }
            if failed.len() > plan.pace.max_failures {
                break;
            }
        }
        let changed = self.tracks.iter().map(Track::changed).sum();
        Flowed { changed, started: self.started.get().copied(), failed }
    }

    async fn host(&self, plan: &Plan, host: &str) -> Result<(), Error> {
        let builds = self.stages.iter().flat_map(builders_of).any(|builder| builder.host == host);
        let sender = if builds { self.supply.sender(host) } else { None };
        let takes_part = |(stage, _): &(&Stage, &Track)| hosts_of(stage).any(|other| other == host);
        let mut ways = self.stages.iter().zip(&self.tracks).filter(takes_part);
        let mut last = None;
        let mut result = Ok(());
        while let (Ok(()), Some((stage, track))) = (&result, ways.next()) {
            // Only what is left to do can be interrupted.
            if let Some(last) = last.take().filter(|_| self.executor.cancel.is_raised()) {
                result = Err(Error::Interrupted { after: last });
                track.leave();
                break;
            }
            track.begin().await;
            match self.stage(plan, stage, host, sender.as_ref()).await {
                Ok(changed) => track.end(changed),
                Err(error) => {
                    self.executor.events.step(&stage.step, Some(host)).failed(&error.to_string());
                    track.fail();
                    result = Err(error);
                }
            }
            last = Some(stage.step.clone());
        }
        ways.for_each(|(_, track)| track.leave());
        result
    }

    async fn stage(
        &self,
        plan: &Plan,
        stage: &Stage,
        host: &str,
        sender: Option<&Sender<Option<Artefact>>>,
    ) -> Result<usize, Error> {
        match &stage.work {
            Work::Build(_) => {
                let artefact = self.build(plan, &stage.step, host).await?;
                if let Some(sender) = sender {
                    sender.send_replace(artefact);
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
        run.changes(&changes.changes, self.supply).await
    }

    /// Compiles. What the binary does not know of the directives is said before anybody gets it.
    async fn build(&self, plan: &Plan, step: &str, host: &str) -> Result<Option<Artefact>, Error> {
        let executor = self.executor;
        let (Some(change), Some(facts)) = (executor.hosts.get(host), executor.facts.get(host)) else {
            return Ok(None);
        };
        let mut pins = Pins::load(&plan.fleet.inventory)?;
        let events = executor.events.step(step, Some(host));
        let want = self.supply.want();
        let artefact = build::build(want, change, facts, executor.cache, &mut pins, &events).await?;
        events.changed(&format!("built {}", want.title()));
        directives::check(&plan.fleet, &artefact)?;
        Ok(Some(artefact))
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
