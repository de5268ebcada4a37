//! Restarting nodes one at a time: a restart counts when the node is a member of the cluster again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{Error, RunContext, host_run::HostRun};
use crate::{
    cluster::{self, HandOver, RollingError},
    inventory::Fleet,
    plan::{HostChanges, Plan, Planned},
    redis::{NodeReader, NodeWriter},
    resource::{Action, Process, Resource},
    units::{HostName, StepName},
};

/// How long a restarted node may take to be a settled member again; loading a large data set is the longest
/// part.
const REJOIN_TIMEOUT: Duration = Duration::from_mins(10);
/// The same in a cluster that was not healthy before.
const REJOIN_UNHEALTHY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for an online replica of a master, in a cluster where each master had one.
const REPLICA_WAIT_TIMEOUT: Duration = Duration::from_mins(1);
const REPLICA_WAIT_INTERVAL: Duration = Duration::from_millis(100);

/// Restarts within one stage.
pub(super) struct RollingRestart<'a> {
    context: &'a RunContext<'a>,
    fleet: &'a Fleet,
    step: &'a StepName,
    /// Whether nothing was missing in the cluster when the plan was made.
    was_healthy: bool,
    /// Whether hosts cannot be reached: the state of the cluster there is unknown.
    partial: bool,
}

impl<'a> RollingRestart<'a> {
    pub(super) fn new(context: &'a RunContext<'a>, plan: &'a Plan, step: &'a StepName) -> Self {
        let (was_healthy, partial) = (plan.is_whole(), !plan.unreachable.is_empty());
        Self { context, fleet: &plan.fleet, step, was_healthy, partial }
    }

    /// Restarts nodes one at a time, replicas before masters; a master first hands over to a replica.
    pub(super) async fn restart(&self, hosts: &[HostChanges]) -> Result<usize, Error> {
        let due: Vec<(&HostName, &Planned, &Process)> = hosts.iter().flat_map(due).collect();
        if due.is_empty() {
            return Ok(0);
        }
        let writer = self.context.writer(self.fleet)?;
        for address in cluster::order(&cluster::observe(writer.reader()).await) {
            let node = |process: &Process| (process.ip, process.port) == (address.ip(), address.port());
            let Some((host, planned, process)) = due.iter().find(|(_, _, process)| node(process)) else {
                continue;
            };
            if self.context.is_cancelled() {
                return Err(Error::Interrupted { after: self.step.to_string() });
            }
            let run = HostRun::new(self.context, self.step, host)?;
            self.hand_over(&writer, address).await?;
            run.restart(planned, process).await?;
            self.wait_rejoined(writer.reader(), address).await?;
        }
        Ok(due.len())
    }

    /// Ensures that a restart loses nothing. In a cluster that was not healthy, the restart may be what lets
    /// replicas attach: there a master is restarted without a hand-over, if its keys are on disk. The same
    /// holds in a fleet without replicas.
    async fn hand_over(&self, writer: &NodeWriter<'_>, address: SocketAddr) -> Result<(), Error> {
        let began = Instant::now();
        while cluster::hand_over(writer, address).await? == HandOver::NoReplica {
            if self.partial && self.fleet.replicas > 0 {
                return Err(RollingError::CandidateUnreachable { node: address }.into());
            }
            if !self.was_healthy || self.fleet.replicas == 0 {
                return Ok(cluster::survives(writer.reader(), self.fleet, address).await?);
            }
            if began.elapsed() > REPLICA_WAIT_TIMEOUT {
                return Err(
                    RollingError::NoFailoverCandidate { node: address, after: REPLICA_WAIT_TIMEOUT }.into()
                );
            }
            tokio::time::sleep(REPLICA_WAIT_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the node is a settled member again. In a cluster that was not healthy, a later restart may
    /// be what makes it healthy: there the wait is short, and its end is no failure.
    async fn wait_rejoined(&self, reader: &NodeReader<'_>, address: SocketAddr) -> Result<(), Error> {
        if self.was_healthy && !self.partial {
            cluster::settled(reader, address, REJOIN_TIMEOUT).await?;
            return Ok(());
        }
        if let Err(error) = cluster::settled(reader, address, REJOIN_UNHEALTHY_TIMEOUT).await {
            self.context.step(self.step, None).notice(format!("going on although {error}"));
        }
        Ok(())
    }
}

/// The restarts of one host.
fn due(host: &HostChanges) -> impl Iterator<Item = (&HostName, &Planned, &Process)> {
    host.changes.iter().filter_map(|planned| match &planned.resource {
        Resource::Process(process) if planned.difference.action == Action::Restart => {
            Some((&host.host, planned, process))
        }
        _ => None,
    })
}
