//! Restarting nodes one at a time: a restart counts when the node is a member of the cluster again. What a
//! restart needs is decided shard by shard, right before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Error, RunContext, host_run::HostRun};
use crate::{
    cluster::{self, HandOver, Observed, Op, Persistence, RollingError, Trouble},
    inventory::NodeRef,
    plan::{HostChanges, Plan, Planned},
    redis::{NodeReader, NodeWriter},
    resource::{Action, Process, Resource},
    units::{HostName, StepName},
};

/// How long a restarted node may take to be a settled member again; loading a large data set is the longest
/// part.
const REJOIN_TIMEOUT: Duration = Duration::from_mins(10);
/// The same for a node whose shard had no replica online: a later restart may be what makes it whole.
const REJOIN_ALONE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for an online replica of a master that had one when the run began.
const REPLICA_WAIT_TIMEOUT: Duration = Duration::from_mins(1);
const REPLICA_WAIT_INTERVAL: Duration = Duration::from_millis(100);
/// How long a new trouble elsewhere may last: a node that is busy for a moment is none.
const TROUBLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Restarts within one stage.
pub(super) struct RollingRestart<'a> {
    context: &'a RunContext<'a>,
    plan: &'a Plan,
    step: &'a StepName,
}

impl<'a> RollingRestart<'a> {
    pub(super) fn new(context: &'a RunContext<'a>, plan: &'a Plan, step: &'a StepName) -> Self {
        Self { context, plan, step }
    }

    /// Restarts nodes one at a time, replicas before masters; a master first hands over to a replica.
    pub(super) async fn restart(&self, hosts: &[HostChanges]) -> Result<usize, Error> {
        let due: Vec<(&HostName, &Planned, &Process)> = hosts.iter().flat_map(due).collect();
        if due.is_empty() {
            return Ok(0);
        }
        let writer = self.context.writer(&self.plan.fleet)?;
        self.close_slots(&writer).await?;
        let observed = cluster::observe(writer.reader()).await;
        let (paired, mut before) = (paired(&observed), Trouble::of(&observed));
        for node in cluster::order(&observed) {
            let Some((host, planned, process)) = due.iter().find(|(_, _, process)| process.node == node)
            else {
                continue;
            };
            if self.context.is_cancelled() {
                return Err(Error::Interrupted { after: self.step.to_string() });
            }
            let run = HostRun::new(self.context, self.step, host)?;
            let was_paired = paired.contains(&node);
            self.hand_over(&writer, node, process, was_paired).await?;
            run.restart(planned, process).await?;
            tokio::select! {
                rejoined = self.wait_rejoined(writer.reader(), node, was_paired) => rejoined?,
                ended = run.ended(process) => return Err(ended),
            }
            before = self.refuse_new_trouble(writer.reader(), node, before).await?;
        }
        Ok(due.len())
    }

    /// Closes the open slots that the plan names; no node is restarted while others are open.
    async fn close_slots(&self, writer: &NodeWriter<'_>) -> Result<(), Error> {
        let is_planned = |node, slot| {
            let mut ops = self.plan.cluster.ops.iter();
            ops.any(
                |op| matches!(op, Op::Stabilise { node: own, slot: its, .. } if (*own, *its) == (node, slot)),
            )
        };
        match cluster::close_slots(writer, is_planned).await.map_err(RollingError::from)? {
            Some(open) => Err(RollingError::SlotMoving { open }.into()),
            None => Ok(()),
        }
    }

    /// Ensures that a restart loses nothing. A master that had a replica online hands over to it. One that
    /// had none is restarted as it is, if its keys are on disk: the restart may be what lets replicas
    /// attach.
    async fn hand_over(
        &self,
        writer: &NodeWriter<'_>,
        node: NodeRef,
        process: &Process,
        was_paired: bool,
    ) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            match cluster::hand_over(writer, node).await? {
                HandOver::To(_) | HandOver::NotNeeded => return Ok(()),
                HandOver::LastCopy => break,
                HandOver::NoReplica if !was_paired => break,
                HandOver::NoReplica => {}
            }
            if began.elapsed() > REPLICA_WAIT_TIMEOUT {
                return Err(RollingError::NoFailoverCandidate { node, after: REPLICA_WAIT_TIMEOUT }.into());
            }
            tokio::time::sleep(REPLICA_WAIT_INTERVAL).await;
        }
        if !self.plan.unreachable.is_empty() && self.plan.fleet.replicas > 0 {
            return Err(RollingError::CandidateUnreachable { node }.into());
        }
        let next = self.next_configuration(process);
        Ok(cluster::survives(writer.reader(), &next, node).await?)
    }

    /// The configuration that the node starts with next, as the plan has it.
    fn next_configuration(&self, process: &Process) -> Persistence {
        let path = process.config.first();
        let resources = self.plan.hosts.values().flat_map(|baseline| &baseline.desired);
        let text = resources.flat_map(|step| &step.resources).find_map(|resource| match resource {
            Resource::Config(config) if Some(&config.path) == path => Some(config.text.as_str()),
            _ => None,
        });
        Persistence::of(text.unwrap_or_default())
    }

    /// Waits until the node is a settled member again. Where its shard had no replica online, the wait is
    /// short and its end is no failure.
    async fn wait_rejoined(
        &self,
        reader: &NodeReader<'_>,
        node: NodeRef,
        was_paired: bool,
    ) -> Result<(), Error> {
        if was_paired {
            cluster::settled(reader, node, REJOIN_TIMEOUT).await?;
            return Ok(());
        }
        if let Err(error) = cluster::settled(reader, node, REJOIN_ALONE_TIMEOUT).await {
            self.context.step(self.step, None).notice(format!("going on although {error}"));
        }
        Ok(())
    }

    /// Stops the roll where another node than the restarted one has a new trouble; returns what there is.
    async fn refuse_new_trouble(
        &self,
        reader: &NodeReader<'_>,
        node: NodeRef,
        before: Trouble,
    ) -> Result<Trouble, Error> {
        let began = Instant::now();
        loop {
            let now = Trouble::of(&cluster::observe(reader).await);
            let Some(what) = now.new_since(&before, node) else { return Ok(now) };
            if began.elapsed() > TROUBLE_TIMEOUT {
                return Err(RollingError::NewTrouble { node, what: what.to_owned() }.into());
            }
            tokio::time::sleep(REPLICA_WAIT_INTERVAL).await;
        }
    }
}

/// The nodes of the shards whose master has a replica online.
fn paired(observed: &Observed) -> BTreeSet<NodeRef> {
    let online = |(master, view): (NodeRef, &cluster::View)| {
        let replicas: Vec<NodeRef> = observed
            .replicas_of(&view.id)
            .map(|(replica, _)| replica)
            .filter(|replica| view.info.replication.has_online(replica.address()))
            .collect();
        (master, replicas)
    };
    let shards: BTreeMap<NodeRef, Vec<NodeRef>> = observed.slot_owners().map(online).collect();
    let paired = shards.into_iter().filter(|(_, replicas)| !replicas.is_empty());
    paired.flat_map(|(master, replicas)| replicas.into_iter().chain([master])).collect()
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
