//! What is still missing to a cluster: the invariants formation ends on, each gap in words.

use super::target::TargetRoles;
use crate::{
    cluster::observe::{Observed, View},
    inventory::Fleet,
    redis::{SLOTS, SlotRange, count_slots},
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
    pub(in crate::cluster) text: String,
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
    fn add(&mut self, kind: GapKind, text: String) {
        self.found.push(Gap { kind, text });
    }

    fn processes(&mut self) {
        for (node, reason) in self.observed.down() {
            self.add(GapKind::Process, format!("{node} {reason}"));
        }
    }

    fn slots(&mut self) {
        for (master, ranges) in &self.target.slot_assignments {
            self.add(
                GapKind::Slots,
                format!("{} slots planned for {master} have no owner", count_slots(ranges)),
            );
        }
        for text in self.target.pending.values() {
            self.add(GapKind::Slots, text.clone());
        }
        for (node, view) in self.observed.views() {
            let known: usize = view.rows.iter().map(|row| count_slots(&row.slots)).sum();
            if known != usize::from(SLOTS) {
                self.add(GapKind::Link, format!("{node} knows the owners of {known} slots only"));
            }
        }
    }

    fn roles(&mut self, replicas: usize) {
        let wrong: Vec<String> = self
            .target
            .replicas
            .iter()
            .filter(|(replica, master)| {
                let master = self.observed.view(**master);
                !self
                    .observed
                    .view(**replica)
                    .zip(master)
                    .is_some_and(|(own, master)| own.follows(&master.id))
            })
            .map(|(replica, master)| format!("{replica} is not a replica of {master} yet"))
            .collect();
        let under_replicated: Vec<String> = self
            .target
            .masters
            .iter()
            .map(|master| (master, self.target.replicas_of(*master).count()))
            .filter(|(_, count)| *count < replicas && self.target.pending.is_empty())
            .map(|(master, count)| format!("{master} has {count} of its {replicas} replicas"))
            .collect();
        for text in wrong.into_iter().chain(under_replicated) {
            self.add(GapKind::Role, text);
        }
    }

    /// What each node knows of each other one must be what that one says of itself.
    fn links(&mut self) {
        let views: Vec<_> = self.observed.views().collect();
        for (from, view) in &views {
            for row in view.rows.iter().filter(|row| row.is_handshake()) {
                let text = format!(
                    "{from} is shaking hands with {} (bus port {})",
                    row.written_address(),
                    row.bus_port
                );
                self.add(GapKind::Link, text);
            }
            for (to, peer) in views.iter().filter(|(to, _)| to != from) {
                if let Some(text) = mismatch(view, peer) {
                    let bus = to.announced().bus_port;
                    self.add(GapKind::Link, format!("{from} → {to} (bus port {bus}): {text}"));
                }
            }
            for id in self.target.stale_ids.iter().filter(|id| view.row(id).is_some()) {
                self.add(GapKind::Link, format!("{from} still lists {id}, which is the id of no node"));
            }
        }
    }

    /// Every node knows the newest epoch that any node knows.
    fn epochs(&mut self) {
        let newest = self.observed.newest_epoch();
        for (node, epoch) in self.observed.views().map(|(node, view)| (node, view.current_epoch())) {
            if epoch != newest {
                self.add(GapKind::Link, format!("{node} is at epoch {epoch} and not at {newest} yet"));
            }
        }
        for (node, _) in self.observed.views().filter(|(_, view)| view.lacks_epoch()) {
            self.add(GapKind::Link, format!("{node} owns slots and has no config epoch"));
        }
    }

    fn sync(&mut self) {
        for (replica, master) in &self.target.replicas {
            let (Some(view), Some(theirs)) = (self.observed.view(*replica), self.observed.view(*master))
            else {
                continue;
            };
            if view.is_replica() && !view.info.replication.link_is_up() {
                self.add(GapKind::Sync, format!("{replica} has no replication link to {master} yet"));
            } else if !theirs.info.replication.has_online(replica.address()) {
                self.add(GapKind::Sync, format!("{master} does not count {replica} as online yet"));
            }
        }
    }

    fn state(&mut self) {
        for (node, view) in self.observed.views() {
            if !view.cluster.is_ok() {
                self.add(GapKind::State, format!("{node} says cluster_state:{}", view.cluster.state));
            }
        }
    }
}

/// In what a node's knowledge of a peer differs from the peer's own.
pub(in crate::cluster) fn mismatch(view: &View, peer: &View) -> Option<String> {
    let (Some(row), Some(own)) = (view.row(&peer.id), peer.myself()) else {
        return Some("they have not met".to_owned());
    };
    if let Some(flag) = ["fail", "fail?", "noaddr"].into_iter().find(|flag| row.has(flag)) {
        return Some(format!("flagged {flag}"));
    }
    if !row.connected {
        return Some("not connected".to_owned());
    }
    if row.is_replica() != own.is_replica() || row.master != own.master {
        return Some("has not heard of its role yet".to_owned());
    }
    // Up to 6.2 a replica's row has an epoch of its own, which means nothing and is not spread.
    if own.is_master() && row.epoch != own.epoch {
        return Some("has not heard of its config epoch yet".to_owned());
    }
    let sorted = |slots: &[SlotRange]| {
        let mut slots = slots.to_vec();
        slots.sort();
        slots
    };
    (sorted(&row.slots) != sorted(&own.slots)).then(|| "has not heard of its slots yet".to_owned())
}

#[cfg(test)]
mod tests;
