//! What is still missing to a cluster: the invariants formation ends on, each gap a finding.

use super::target::TargetRoles;
use crate::{
    cluster::{
        finding::{Finding, FindingKind, Severity, Subject},
        observe::{Observed, State, View},
        op::Op,
    },
    inventory::{Fleet, NodeRef},
    redis::{NodeRow, SLOTS, SlotRange, count_slots},
    units::NodeId,
};

/// What a gap is about, in the order they close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cluster) enum GapKind {
    Process,
    Slots,
    Role,
    Link,
    Sync,
    State,
}

impl GapKind {
    pub(in crate::cluster) const ALL: [Self; 6] =
        [Self::Process, Self::Slots, Self::Role, Self::Link, Self::Sync, Self::State];

    /// What has been reached once no such gap is left.
    pub(in crate::cluster) fn reached(self) -> &'static str {
        match self {
            Self::Process => "all nodes answer",
            Self::Slots => "every slot owned",
            Self::Role => "roles",
            Self::Link => "all nodes linked",
            Self::Sync => "replicas online",
            Self::State => "writable",
        }
    }
}

/// One thing that is not yet as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) struct Gap {
    pub(in crate::cluster) kind: GapKind,
    pub(in crate::cluster) finding: Finding,
}

/// All gaps, in order; none means the cluster is formed.
pub(in crate::cluster) fn find(fleet: &Fleet, observed: &Observed, target: &TargetRoles) -> Vec<Gap> {
    let mut gaps = Gaps { observed, target, found: Vec::new() };
    gaps.processes();
    gaps.slots();
    gaps.roles(fleet.replicas);
    gaps.links();
    gaps.epochs();
    gaps.sync();
    gaps.state();
    gaps.found.sort_by_key(|gap| gap.kind);
    gaps.found
}

struct Gaps<'a> {
    observed: &'a Observed,
    target: &'a TargetRoles,
    found: Vec<Gap>,
}

impl Gaps<'_> {
    fn add(&mut self, kind: GapKind, finding: Finding) {
        self.found.push(Gap { kind, finding });
    }

    fn add_of(&mut self, kind: GapKind, cause: FindingKind, node: NodeRef, text: String) {
        self.add(kind, Finding::broken(cause, Subject::Node(node), text));
    }

    fn processes(&mut self) {
        self.found.extend(silent(self.observed).map(|finding| Gap { kind: GapKind::Process, finding }));
    }

    fn slots(&mut self) {
        for (master, ranges) in &self.target.slot_assignments {
            let text = format!("{} slots planned for {master} have no owner", count_slots(ranges));
            let finding = Finding::broken(FindingKind::UnownedSlots, Subject::Slots(ranges.clone()), text);
            let claim = Op::Claim { node: *master, slots: ranges.clone() };
            self.add(GapKind::Slots, finding.repaired_by(claim));
        }
        for (node, text) in &self.target.pending {
            let orphaned = self.observed.view(*node).is_some_and(View::is_replica);
            let cause = if orphaned { FindingKind::Election } else { FindingKind::SlotConflict };
            let promote = self.target.heirs.get(node).map(|of| Op::Promote { node: *node, of: of.clone() });
            let finding = Finding::broken(cause, Subject::Node(*node), text.as_str());
            self.add(GapKind::Slots, finding.repaired_by(promote));
        }
        for (node, view) in self.observed.views() {
            let known: usize = view.rows.iter().map(|row| count_slots(&row.slots)).sum();
            if known != usize::from(SLOTS) {
                let text = format!("{node} knows the owners of {known} slots only");
                self.add_of(GapKind::Link, FindingKind::Link, node, text);
            }
        }
    }

    fn roles(&mut self, replicas: usize) {
        for (replica, master) in &self.target.replicas {
            let views = self.observed.view(*replica).zip(self.observed.view(*master));
            if views.is_some_and(|(own, leader)| own.follows(&leader.id)) {
                continue;
            }
            let text = format!("{replica} is not a replica of {master} yet");
            let (node, master) = (*replica, *master);
            let replicate = views.map(|(own, _)| Op::Replicate { node, master, flushes: own.keys() });
            let finding = Finding::broken(FindingKind::Role, Subject::Node(node), text);
            self.add(GapKind::Role, finding.repaired_by(replicate));
        }
        if !self.target.pending.is_empty() {
            return;
        }
        for master in &self.target.masters {
            let count = self.target.replicas_of(*master).count();
            if count < replicas {
                let text = format!("{master} has {count} of its {replicas} replicas");
                self.add_of(GapKind::Role, FindingKind::Role, *master, text);
            }
        }
    }

    /// What each node knows of each other one must be what that one says of itself.
    fn links(&mut self) {
        let views: Vec<_> = self.observed.views().collect();
        for (from, view) in &views {
            for row in view.rows.iter().filter(|row| row.is_handshake()) {
                let (address, bus) = (row.written_address(), row.bus_port);
                let text = format!("{from} is shaking hands with {address} (bus port {bus})");
                self.add_of(GapKind::Link, FindingKind::NotMet, *from, text);
            }
            for (to, peer) in views.iter().filter(|(to, _)| to != from) {
                if let Some((cause, text)) = mismatch(view, peer) {
                    let bus = to.announced().bus_port;
                    self.add_of(
                        GapKind::Link,
                        cause,
                        *from,
                        format!("{from} → {to} (bus port {bus}): {text}"),
                    );
                }
            }
            for id in self.target.stale_ids.iter().filter(|id| view.row(id).is_some()) {
                let text = format!("{from} still lists {id}, which is the id of no node");
                let finding = Finding::broken(FindingKind::StaleId, Subject::Member(id.clone()), text);
                self.add(GapKind::Link, finding.repaired_by(forget(self.observed, id)));
            }
        }
    }

    /// Every node knows the newest epoch that any node knows.
    fn epochs(&mut self) {
        let newest = self.observed.newest_epoch();
        for (node, epoch) in self.observed.views().map(|(node, view)| (node, view.current_epoch())) {
            if epoch != newest {
                let text = format!("{node} is at epoch {epoch} and not at {newest} yet");
                self.add_of(GapKind::Link, FindingKind::Epoch, node, text);
            }
        }
        for (node, _) in self.observed.views().filter(|(_, view)| view.lacks_epoch()) {
            let text = format!("{node} owns slots and has no config epoch");
            self.add_of(GapKind::Link, FindingKind::Epoch, node, text);
        }
    }

    fn sync(&mut self) {
        for (replica, master) in &self.target.replicas {
            let (Some(view), Some(theirs)) = (self.observed.view(*replica), self.observed.view(*master))
            else {
                continue;
            };
            let replication = &view.info.replication;
            let text = if view.is_replica() && !replication.link_is_up() {
                format!("{replica} has no replication link to {master} yet")
            } else if !theirs.info.replication.has_online(replica.address()) {
                format!("{master} does not count {replica} as online yet")
            } else {
                continue;
            };
            let mut finding = Finding::broken(FindingKind::Sync, Subject::Node(*replica), text);
            if replication.master_sync_in_progress == Some(true) {
                finding.severity = Severity::Transitional;
            }
            self.add(GapKind::Sync, finding);
        }
    }

    fn state(&mut self) {
        for (node, view) in self.observed.views() {
            if !view.cluster.is_ok() {
                let text = format!("{node} says cluster_state:{}", view.cluster.state);
                self.add_of(GapKind::State, FindingKind::State, node, text);
            }
        }
    }
}

/// The nodes that do not answer.
pub(in crate::cluster) fn silent(observed: &Observed) -> impl Iterator<Item = Finding> {
    observed.nodes.iter().filter_map(|(node, state)| {
        let of = |cause, text| Some(Finding::broken(cause, Subject::Node(*node), text));
        match state {
            State::Up(_) => None,
            State::Down(reason) => of(FindingKind::Down, format!("{node}: {reason}")),
            State::AuthRejected(reason) => of(FindingKind::PasswordRejected, format!("{node}: {reason}")),
            State::Loading(_) => {
                let finding = of(FindingKind::Loading, format!("{node} is still loading its data"))?;
                Some(Finding { severity: Severity::Transitional, ..finding })
            }
        }
    })
}

fn forget(observed: &Observed, id: &NodeId) -> Op {
    let row = observed.views().find_map(|(_, view)| view.row(id));
    Op::Forget { id: id.clone(), address: row.map_or_else(String::new, NodeRow::written_address) }
}

/// In what a node's knowledge of a peer differs from the peer's own.
pub(in crate::cluster) fn mismatch(view: &View, peer: &View) -> Option<(FindingKind, String)> {
    let link = |text: String| Some((FindingKind::Link, text));
    let (Some(row), Some(own)) = (view.row(&peer.id), peer.myself()) else {
        return Some((FindingKind::NotMet, "they have not met".to_owned()));
    };
    if let Some(flag) = ["fail", "fail?", "noaddr"].into_iter().find(|flag| row.has(flag)) {
        return link(format!("flagged {flag}"));
    }
    if !row.connected {
        return link("not connected".to_owned());
    }
    if row.is_replica() != own.is_replica() || row.master != own.master {
        return link("has not heard of its role yet".to_owned());
    }
    // Up to 6.2 a replica's row has an epoch of its own, which means nothing and is not spread.
    if own.is_master() && row.epoch != own.epoch {
        return Some((FindingKind::Epoch, "has not heard of its config epoch yet".to_owned()));
    }
    let sorted = |slots: &[SlotRange]| {
        let mut slots = slots.to_vec();
        slots.sort();
        slots
    };
    let differ = sorted(&row.slots) != sorted(&own.slots);
    link("has not heard of its slots yet".to_owned()).filter(|_| differ)
}

#[cfg(test)]
mod tests;
