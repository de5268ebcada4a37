//! Starts of nodes whose shard was formed before: some may only follow after another node leads, and each is
//! judged anew right before it happens.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, RunContext, host_run::HostRun};
use crate::{
    cluster::{self, Op, Premises, StartRule},
    plan::{HostChanges, Plan, Planned},
    redis::NodeReader,
    resource::{Action, Process, Resource},
    units::{HostName, MemberName, NodeId, NodeName, StepName},
};

/// The starts that wait, with the id and the slots that another node must own first.
pub(super) type Waiting = BTreeMap<MemberName, (NodeId, Vec<crate::redis::SlotRange>)>;

/// Judges the starts of a plan by what the nodes say now. Refuses those that the plan did not foresee as the
/// end of a copy.
pub(super) async fn waiting(context: &RunContext<'_>, plan: &Plan) -> Result<Waiting, Error> {
    let (fleet, known) = (&plan.fleet, &plan.cluster);
    if known.on_disk.stopped.values().all(|stopped| stopped.nodes_conf.is_none()) && !known.is_of_members() {
        return Ok(Waiting::new());
    }
    let observed = cluster::observe(&NodeReader::new(fleet, context.sessions().probes())?).await;
    let premises = Premises { fleet, disk: &known.on_disk, consent: &known.consent };
    let mut waiting = Waiting::new();
    for (key, rule) in cluster::start_rules(&premises, &observed) {
        let Some(node) = fleet.nodes().find(|node| node.key == key) else { continue };
        let foreseen =
            |op: &Op| matches!(op, Op::StartWithoutKeys { member, .. } if *member == node.member());
        match rule {
            StartRule::AfterLeader { id, slots } => drop(waiting.insert(node.member(), (id, slots))),
            StartRule::Refused(violation) => return Err(cluster::FormError::from(violation).into()),
            StartRule::WithoutKeys { .. } if !known.ops.iter().any(foreseen) => {
                return Err(Error::Moved { host: node.host().clone() });
            }
            StartRule::Now | StartRule::WithoutKeys { .. } => {}
        }
    }
    Ok(waiting)
}

/// Starts the nodes that waited, each when its shard has another leader.
pub(super) async fn start(
    context: &RunContext<'_>,
    plan: &Plan,
    step: &StepName,
    hosts: &[HostChanges],
    waiting: &Waiting,
) -> Result<usize, Error> {
    let mut started = 0;
    let due: Vec<_> =
        hosts.iter().flat_map(starts).filter(|(member, ..)| waiting.contains_key(member)).collect();
    if due.is_empty() {
        return Ok(0);
    }
    let writer = context.writer(&plan.fleet)?;
    for (member, planned, process) in due {
        let run = HostRun::new(context, step, &member.host)?;
        // Much may have happened since the run began.
        if let Some((id, slots)) = self::waiting(context, plan).await?.get(&member) {
            let leader = cluster::leader(&writer, id, slots, plan.cluster.consent.takeover).await?;
            context
                .step(step, Some(&member.host))
                .notice(format!("{leader} leads the shard of {member} now"));
        }
        run.start(planned, process).await?;
        started += 1;
    }
    Ok(started)
}

/// The starts on a host.
fn starts(host: &HostChanges) -> impl Iterator<Item = (MemberName, &Planned, &Process)> {
    host.changes.iter().filter_map(|planned| match &planned.resource {
        Resource::Process(process) if planned.difference.action == Action::Start => {
            let member = process.node.member().clone();
            Some((member, planned, process))
        }
        _ => None,
    })
}

/// The nodes of a host that wait.
pub(super) fn waits_here(host: &HostName, waiting: &Waiting) -> BTreeSet<NodeName> {
    waiting.keys().filter(|member| member.host == *host).map(|member| member.node.clone()).collect()
}
