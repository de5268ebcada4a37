//! What a run is going to send to a cluster that was formed before, as a plan shows it.

use crate::inventory::NodeRef;
use std::collections::BTreeMap;

use crate::cluster::{
    form::target::TargetRoles, manifest::Manifest, observe::Observed, op::Op, premises::Premises,
    safety::StartRule,
};

/// The commands that can be told from here. With nodes that do not answer the roles are decided after they
/// have started.
pub(super) fn of(
    premises: &Premises<'_>,
    observed: &Observed,
    target: Option<&TargetRoles>,
    starts: &BTreeMap<NodeRef, StartRule>,
) -> Vec<Op> {
    let mut ops: Vec<Op> = premises
        .fleet
        .nodes()
        .filter_map(|node| {
            let (node, member) = (node.key, node.member());
            match starts.get(&node)? {
                StartRule::AfterLeader { slots, .. } => {
                    Some(Op::StartAfterLeader { node, member, slots: slots.clone() })
                }
                StartRule::WithoutKeys { slots } => {
                    Some(Op::StartWithoutKeys { node, member, slots: slots.clone() })
                }
                StartRule::Now | StartRule::Refused(_) => None,
            }
        })
        .collect();
    let close =
        |open: &crate::cluster::OpenSlot| Op::Stabilise { node: open.node, slot: open.slot, side: open.side };
    ops.extend(observed.closable_slots().map(close));
    if let Some(target) = target {
        ops.extend(roles(observed, target));
        ops.extend(record(premises, observed, &ops));
    }
    ops
}

fn roles(observed: &Observed, target: &TargetRoles) -> Vec<Op> {
    let mut ops = Vec::new();
    for id in &target.stale_ids {
        let row = observed.views().find_map(|(_, view)| view.row(id));
        let address = row.map_or_else(String::new, crate::redis::NodeRow::written_address);
        ops.push(Op::Forget { id: id.clone(), address });
    }
    for (node, of) in &target.heirs {
        ops.push(Op::Promote { node: *node, of: of.clone() });
    }
    for lost in &target.lost {
        if let Some(member) = &lost.accepted {
            let (member, id, slots) = (member.clone(), lost.id.clone(), lost.slots.clone());
            ops.push(Op::LoseKeys { member, id, slots });
        }
    }
    for (node, slots) in &target.slot_assignments {
        ops.push(Op::Claim { node: *node, slots: slots.clone() });
    }
    for (replica, master) in &target.replicas {
        let (Some(view), Some(leader)) = (observed.view(*replica), observed.view(*master)) else { continue };
        if !view.follows(&leader.id) {
            ops.push(Op::Replicate { node: *replica, master: *master, flushes: view.keys() });
        }
    }
    ops
}

/// Where nothing else changes, all that is to be written is known.
fn record(premises: &Premises<'_>, observed: &Observed, others: &[Op]) -> Option<Op> {
    let disk = premises.disk;
    let manifest = Manifest::of(premises.fleet, observed, disk.manifest.as_ref())?;
    let is_new = disk.manifest.as_ref() != Some(&manifest);
    let hosts = if is_new || !others.is_empty() {
        premises.fleet.hosts.iter().map(|host| host.name.clone()).collect()
    } else {
        disk.outdated.clone()
    };
    (!hosts.is_empty()).then_some(Op::Record { hosts })
}
