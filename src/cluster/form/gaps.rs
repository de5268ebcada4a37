//! What is still missing to a cluster: the invariants formation ends on, each gap in words.

use std::net::SocketAddr;

use super::target::TargetRoles;
use crate::{
    cluster::{Observed, View},
    inventory::Fleet,
    redis::{SLOTS, SlotRange, count_slots},
};

/// What a gap is about, in the order they close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cluster) enum Kind {
    Process,
    Slots,
    Role,
    Link,
    Sync,
    State,
}

impl Kind {
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
    pub(in crate::cluster) kind: Kind,
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

/// Whether a node owns slots under the epoch nodes are born with.
pub(in crate::cluster) fn lacks_epoch(view: &View) -> bool {
    view.myself().is_some_and(|own| own.is_master() && own.epoch == 0 && !own.slots.is_empty())
}

struct Gaps<'a> {
    observed: &'a Observed,
    target: &'a TargetRoles,
    found: Vec<Gap>,
}

impl Gaps<'_> {
    fn add(&mut self, kind: Kind, text: String) {
        self.found.push(Gap { kind, text });
    }

    fn processes(&mut self) {
        for (node, reason) in self.observed.down() {
            self.add(Kind::Process, format!("{node} {reason}"));
        }
    }

    fn slots(&mut self) {
        for (master, ranges) in &self.target.slot_assignments {
            self.add(
                Kind::Slots,
                format!("{} slots that {master} shall have are nobody's", count_slots(ranges)),
            );
        }
        for text in self.target.pending.values() {
            self.add(Kind::Slots, text.clone());
        }
        for (node, view) in self.observed.views() {
            let known: usize = view.rows.iter().map(|row| count_slots(&row.slots)).sum();
            if known != usize::from(SLOTS) {
                self.add(Kind::Link, format!("{node} knows the owners of {known} slots only"));
            }
        }
    }

    fn roles(&mut self, replicas: usize) {
        let ids = |node| self.observed.view(node).map(|view| view.id.as_str());
        let wrong: Vec<String> = self
            .target
            .replicas
            .iter()
            .filter(|(replica, master)| {
                let own = self.observed.view(**replica).and_then(View::myself);
                !own.is_some_and(|own| own.is_replica() && own.master.as_deref() == ids(**master))
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
            self.add(Kind::Role, text);
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
                self.add(Kind::Link, text);
            }
            for (to, peer) in views.iter().filter(|(to, _)| to != from) {
                if let Some(text) = mismatch(view, peer) {
                    let bus = to.port().saturating_add(10_000);
                    self.add(Kind::Link, format!("{from} → {to} (bus port {bus}): {text}"));
                }
            }
            for id in self.target.stale_ids.iter().filter(|id| view.row(id).is_some()) {
                self.add(Kind::Link, format!("{from} still lists {id}, which no node is any more"));
            }
        }
    }

    /// The newest epoch anybody knows is known to all.
    fn epochs(&mut self) {
        let epoch = |view: &View| view.cluster("cluster_current_epoch").parse::<u64>().unwrap_or(0);
        let newest = self.observed.views().map(|(_, view)| epoch(view)).max().unwrap_or(0);
        for (node, view) in self.observed.views().filter(|(_, view)| epoch(view) != newest) {
            self.add(Kind::Link, format!("{node} is at epoch {} and not at {newest} yet", epoch(view)));
        }
        for (node, _) in self.observed.views().filter(|(_, view)| lacks_epoch(view)) {
            self.add(Kind::Link, format!("{node} owns slots and has no config epoch"));
        }
    }

    fn sync(&mut self) {
        for (replica, master) in &self.target.replicas {
            let (Some(view), Some(theirs)) = (self.observed.view(*replica), self.observed.view(*master))
            else {
                continue;
            };
            if view.is_replica() && view.info("master_link_status") != "up" {
                self.add(Kind::Sync, format!("{replica} has no replication link to {master} yet"));
            } else if !online_at(theirs, *replica) {
                self.add(Kind::Sync, format!("{master} does not count {replica} as online yet"));
            }
        }
    }

    fn state(&mut self) {
        for (node, view) in self.observed.views() {
            let state = view.cluster("cluster_state");
            if state != "ok" {
                self.add(Kind::State, format!("{node} says cluster_state:{state}"));
            }
        }
    }
}

/// Whether a master's `INFO replication` has the replica as online.
pub(in crate::cluster) fn online_at(master: &View, replica: SocketAddr) -> bool {
    let (ip, port) = (format!("ip={}", replica.ip()), format!("port={}", replica.port()));
    master.info.iter().filter(|(key, _)| is_replica_key(key)).any(|(_, value)| {
        let parts: Vec<&str> = value.split(',').collect();
        parts.contains(&ip.as_str()) && parts.contains(&port.as_str()) && parts.contains(&"state=online")
    })
}

/// `slave0`, `slave1`…
pub(in crate::cluster) fn is_replica_key(key: &str) -> bool {
    key.strip_prefix("slave").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
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
