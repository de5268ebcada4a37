//! What a run is going to send to a cluster that was formed before, as a plan shows it.

use crate::cluster::{
    finding::Finding, form::target::TargetRoles, manifest::Manifest, observe::Observed, op::Op,
    premises::Premises,
};

/// The repairs of the findings, in the order in which they are due, each once. With nodes that do not answer
/// the roles are decided after they have started. What nodes are set to is for the plan of their files.
pub(super) fn of(
    premises: &Premises<'_>,
    observed: &Observed,
    target: Option<&TargetRoles>,
    findings: &[Finding],
) -> Vec<Op> {
    let repairs = findings.iter().filter_map(|finding| finding.repair.as_ref());
    let mut ops: Vec<Op> = Vec::new();
    for op in repairs.filter(|op| !matches!(op, Op::Set { .. })) {
        if !ops.contains(op) {
            ops.push(op.clone());
        }
    }
    if target.is_some() && !ops.iter().any(|op| matches!(op, Op::Record { .. })) {
        ops.extend(record(premises, observed, !ops.is_empty()));
    }
    ops.sort_by_key(turn);
    ops
}

/// When an op is due, beside the others.
fn turn(op: &Op) -> u8 {
    match op {
        Op::StartAfterLeader { .. } | Op::StartWithoutKeys { .. } => 0,
        Op::Stabilise { .. } => 1,
        Op::Forget { .. } => 2,
        Op::Promote { .. } => 3,
        Op::LoseKeys { .. } => 4,
        Op::Claim { .. } => 5,
        Op::Replicate { .. } => 6,
        Op::Lead { .. } => 7,
        Op::Record { .. } => 8,
        Op::Set { .. } => 9,
    }
}

/// What is to be written of the members. Where nothing else `changes`, all of it is known.
pub(super) fn record(premises: &Premises<'_>, observed: &Observed, changes: bool) -> Option<Op> {
    let disk = premises.disk;
    let manifest = Manifest::of(premises.fleet, observed, disk.manifest.as_ref())?;
    let hosts = if changes || disk.manifest.as_ref() != Some(&manifest) {
        premises.fleet.hosts.iter().map(|host| host.name.clone()).collect()
    } else {
        disk.outdated.clone()
    };
    (!hosts.is_empty()).then_some(Op::Record { hosts })
}
