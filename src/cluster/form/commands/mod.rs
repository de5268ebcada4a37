//! The next commands towards a cluster: a pure function of the observation.

use std::collections::BTreeMap;

use super::{gaps::mismatch, target::TargetRoles};
use crate::{
    cluster::{
        observe::{Observed, View},
        tunable::Tunable,
        tuning,
    },
    inventory::{Endpoints, Fleet, NodeRef, bus_port},
    redis::{Command, SlotRange, join_slots},
    units::NodeId,
};

/// One change to a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::cluster) enum Step {
    /// Set a directive to this value.
    Tune(Tunable, String),
    /// One MULTI: the config epoch, where it can still be set, and slots.
    Claim { epoch: Option<u64>, slots: Vec<SlotRange> },
    /// Take a new config epoch: a master without a config epoch loses slot conflicts.
    Bump,
    /// Drop an id that no node has now.
    Forget(NodeId),
    /// Shake hands with this node.
    Meet(NodeRef),
    /// The same, for a pair that should find each other through gossip: sent only after some patience.
    MeetLate(NodeRef),
    /// The same, for a pair that knows each other: it brings roles and slots.
    MeetAgain(NodeRef),
    /// Become the replica of this id.
    Replicate(NodeId),
    /// Take over the slots of a master that is gone, where no election has made that so.
    Promote,
    /// Close an open slot that belongs to no move any more.
    Stabilise(u16),
}

/// The largest fleet whose every pair is introduced by MEET. In a larger one gossip is cheaper: it brings
/// roles and slots with the first packet, and needs no handshake.
const INTRODUCE: usize = 50;
/// In a larger fleet each node is introduced to this many that follow it in the order of the inventory. The
/// answer to each first packet tells of several more, so that what a node knows grows by itself.
const NEIGHBOURS: usize = 3;

/// The next steps and their nodes, in this order. None where only waiting is left.
pub(in crate::cluster) fn next(
    fleet: &Fleet,
    observed: &Observed,
    target: &TargetRoles,
) -> Vec<(NodeRef, Step)> {
    let steps = Steps { observed, target };
    let mut list = steps.claims();
    list.extend(steps.bump());
    list.extend(steps.forgets());
    list.extend(target.heirs.keys().map(|heir| (*heir, Step::Promote)));
    list.extend(steps.shards());
    list.extend(steps.introductions());
    let waits = |step: &Step| matches!(step, Step::MeetLate(_) | Step::MeetAgain(_) | Step::Promote);
    if list.iter().all(|(_, step)| waits(step)) {
        return list;
    }
    let mut all = tune(tuning::not_tuned(fleet, observed));
    all.append(&mut list);
    all
}

/// The commands that close abandoned open slots.
pub(super) fn close(observed: &Observed) -> Vec<(NodeRef, Step)> {
    observed.closable_slots().map(|open| (open.node, Step::Stabilise(open.slot))).collect()
}

/// The commands that put the directives back which formation changed, also in a run that did not end.
pub(super) fn restore(fleet: &Fleet, observed: &Observed) -> Vec<(NodeRef, Step)> {
    tune(tuning::not_restored(fleet, observed))
}

fn tune(changes: Vec<tuning::Change>) -> Vec<(NodeRef, Step)> {
    changes.into_iter().map(|(node, directive, value)| (node, Step::Tune(directive, value))).collect()
}

struct Steps<'a> {
    observed: &'a Observed,
    target: &'a TargetRoles,
}

impl Steps<'_> {
    fn view(&self, node: NodeRef) -> Option<&View> {
        self.observed.view(node)
    }

    fn knows(&self, from: NodeRef, to: NodeRef) -> bool {
        let (Some(from), Some(to)) = (self.view(from), self.view(to)) else { return false };
        from.row(&to.id).is_some()
    }

    /// SET-CONFIG-EPOCH is only allowed on a node that knows no peers. It spares the cluster from resolving
    /// collisions of epochs one by one.
    fn claims(&self) -> Vec<(NodeRef, Step)> {
        let base = self.observed.newest_epoch();
        let mut list = Vec::new();
        for (index, master) in (1u64..).zip(&self.target.masters) {
            let Some(view) = self.view(*master) else { continue };
            let alone = view.rows.len() == 1 && view.myself().is_some_and(|own| own.epoch == 0);
            let epoch = alone.then_some(base + index);
            // A slot that the node believes to have an owner is refused; that owner is forgotten first.
            let busy = |slot| view.rows.iter().any(|row| row.slots.iter().any(|range| range.contains(slot)));
            let granted = self.target.slot_assignments.get(master).into_iter().flatten();
            let slots = join_slots(granted.flat_map(|range| range.iter()).filter(|slot| !busy(*slot)));
            if epoch.is_some() || !slots.is_empty() {
                list.push((*master, Step::Claim { epoch, slots }));
            }
        }
        list
    }

    /// Masters that met before they had an epoch resolve the collision among themselves, and one is left
    /// without. One at a time: two that bump at once would collide again.
    fn bump(&self) -> Option<(NodeRef, Step)> {
        let mut met = self.target.masters.iter().filter_map(|master| Some((*master, self.view(*master)?)));
        let (master, _) = met.find(|(_, view)| view.rows.len() > 1 && view.lacks_epoch())?;
        Some((master, Step::Bump))
    }

    fn forgets(&self) -> Vec<(NodeRef, Step)> {
        let lists = |id: &NodeId| {
            let id = id.clone();
            self.observed
                .views()
                .filter(move |(_, view)| view.row(&id).is_some())
                .map(|(node, _)| node)
                .collect::<Vec<_>>()
        };
        let stale_ids = self.target.stale_ids.iter();
        stale_ids.flat_map(|id| lists(id).into_iter().map(|node| (node, Step::Forget(id.clone())))).collect()
    }

    /// Each replica meets its own master, and follows it as soon as it knows it.
    fn shards(&self) -> Vec<(NodeRef, Step)> {
        let mut list = Vec::new();
        for (replica, master) in &self.target.replicas {
            if self.attached(*replica) {
                continue;
            }
            match self.view(*master) {
                Some(_) if !self.knows(*replica, *master) => list.push((*replica, Step::Meet(*master))),
                Some(view) => list.push((*replica, Step::Replicate(view.id.clone()))),
                None => {}
            }
        }
        list
    }

    /// Whether a replica itself says that it follows its target master.
    fn attached(&self, replica: NodeRef) -> bool {
        let master = self.target.replicas.get(&replica).and_then(|master| self.view(*master));
        let own = self.view(replica);
        matches!((master, own), (Some(master), Some(own)) if own.follows(&master.id))
    }

    /// Pairs of different shards meet once their shards are complete, so that the first packet between them
    /// already carries the final role. In a small fleet a replica is introduced only to nodes that know its
    /// master: others would ignore its role.
    fn introductions(&self) -> Vec<(NodeRef, Step)> {
        let complete: BTreeMap<NodeRef, bool> = self
            .target
            .masters
            .iter()
            .map(|master| (*master, self.target.replicas_of(*master).all(|replica| self.attached(replica))))
            .collect();
        let nodes: Vec<(NodeRef, NodeRef)> = self
            .observed
            .views()
            .filter_map(|(node, _)| Some((node, self.target.master_of(node)?)))
            .filter(|(_, master)| complete.get(master) == Some(&true))
            .collect();
        let is_large = self.observed.nodes.len() > INTRODUCE;
        let mut list = Vec::new();
        for (index, one) in nodes.iter().enumerate() {
            for (distance, other) in (1..).zip(&nodes[index + 1..]) {
                let near = distance.min(nodes.len() - distance) <= NEIGHBOURS;
                list.extend(self.introduction(*one, *other, is_large, near));
            }
        }
        list
    }

    fn introduction(
        &self,
        (one, its_master): (NodeRef, NodeRef),
        (other, others_master): (NodeRef, NodeRef),
        is_large: bool,
        near: bool,
    ) -> Vec<(NodeRef, Step)> {
        let (Some(view), Some(peer)) = (self.view(one), self.view(other)) else { return Vec::new() };
        let (forth, back) = (mismatch(view, peer).is_some(), mismatch(peer, view).is_some());
        if !forth && !back {
            return Vec::new();
        }
        let acquainted = (self.knows(one, other), self.knows(other, one));
        let masters = one == its_master && other == others_master;
        let prepared = masters
            || its_master == others_master
            || ((other == others_master || self.knows(one, others_master))
                && (one == its_master || self.knows(other, its_master)));
        let strangers = acquainted == (false, false);
        if strangers && (if is_large { near } else { prepared }) {
            return vec![(one, Step::Meet(other))];
        }
        match acquainted {
            (_, false) if is_large => return vec![(one, Step::MeetLate(other))],
            (false, true) if is_large => return vec![(other, Step::MeetLate(one))],
            _ => {}
        }
        // A handshake brings the roles and slots of the node that sends MEET to the one that receives it, and
        // none back.
        let news = [(forth, other, one), (back, one, other)].into_iter().filter(|(lacking, ..)| *lacking);
        news.map(|(_, from, to)| (from, Step::MeetAgain(to))).collect()
    }
}

/// A node's steps as RESP.
pub(in crate::cluster) fn commands(step: &Step, view: Option<&View>) -> Vec<Command> {
    let word = |text: &str| text.to_owned();
    match step {
        Step::Tune(directive, value) => {
            vec![vec![word("CONFIG"), word("SET"), word(directive.name()), value.clone()]]
        }
        Step::Claim { epoch, slots } => claim(*epoch, slots, view.is_some_and(|view| view.slot_ranges)),
        Step::Bump => vec![vec![word("CLUSTER"), word("BUMPEPOCH")]],
        Step::Forget(id) => vec![vec![word("CLUSTER"), word("FORGET"), id.to_string()]],
        Step::Meet(to) | Step::MeetLate(to) | Step::MeetAgain(to) => vec![meet(to.announced())],
        Step::Replicate(id) => vec![vec![word("CLUSTER"), word("REPLICATE"), id.to_string()]],
        Step::Promote => vec![vec![word("CLUSTER"), word("FAILOVER"), word("FORCE")]],
        Step::Stabilise(slot) => {
            vec![vec![word("CLUSTER"), word("SETSLOT"), slot.to_string(), word("STABLE")]]
        }
    }
}

/// In a MULTI, because no gossip may come between the epoch and the slots.
fn claim(epoch: Option<u64>, slots: &[SlotRange], ranges: bool) -> Vec<Command> {
    let word = |text: &str| text.to_owned();
    let mut list = vec![vec![word("MULTI")]];
    if let Some(epoch) = epoch {
        list.push(vec![word("CLUSTER"), word("SET-CONFIG-EPOCH"), epoch.to_string()]);
    }
    if !slots.is_empty() && ranges {
        let bounds = slots.iter().flat_map(|range| [range.first.to_string(), range.last.to_string()]);
        list.push([word("CLUSTER"), word("ADDSLOTSRANGE")].into_iter().chain(bounds).collect());
    } else if !slots.is_empty() {
        let each = slots.iter().flat_map(|range| range.iter()).map(|slot| slot.to_string());
        list.push([word("CLUSTER"), word("ADDSLOTS")].into_iter().chain(each).collect());
    }
    list.push(vec![word("EXEC")]);
    list
}

/// The bus port is named only where it is not the engine's own choice: Redis 3 takes no third argument.
fn meet(to: Endpoints) -> Command {
    let (ip, port) = (to.client.ip().to_string(), to.client.port().to_string());
    let mut command = vec!["CLUSTER".to_owned(), "MEET".to_owned(), ip, port];
    if to.bus_port != bus_port(to.client.port()) {
        command.push(to.bus_port.to_string());
    }
    command
}

#[cfg(test)]
mod tests;
