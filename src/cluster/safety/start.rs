//! When each stopped node may start: not as the owner of slots whose keys another member has and it has not,
//! and not in the place of a member whose keys nobody has.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    NextStart, SafetyViolation,
    copies::{Holding, StartOrder, start_order},
};
use crate::{
    cluster::{
        observe::{Observed, State},
        on_disk::{OnDisk, StoppedNode},
        premises::Premises,
    },
    inventory::{Fleet, Node, NodeRef},
    redis::{NodeRow, SlotRange, join_slots},
    units::{MemberName, NodeId},
};

/// When a stopped node may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartRule {
    Now,
    /// Once another node owns these slots, which this id owned.
    AfterLeader {
        id: NodeId,
        slots: Vec<SlotRange>,
    },
    /// Now, and the keys of these slots are gone: no file was to keep them, or the user accepts it.
    WithoutKeys {
        slots: Vec<SlotRange>,
    },
    Refused(SafetyViolation),
}

/// The rule for each node of the fleet that does not run.
pub fn start_rules(premises: &Premises<'_>, observed: &Observed) -> BTreeMap<NodeRef, StartRule> {
    let Premises { fleet, disk, consent } = *premises;
    let accepted = &consent.data_loss;
    let facts = Facts { fleet, observed, disk };
    let rule = |node: &Node| {
        let stopped = disk.stopped.get(&node.key).filter(|_| observed.view(node.key).is_none())?;
        Some((node.key, facts.rule(node, stopped, accepted)))
    };
    fleet.nodes().filter_map(rule).collect()
}

struct Facts<'a> {
    fleet: &'a Fleet,
    observed: &'a Observed,
    disk: &'a OnDisk,
}

impl Facts<'_> {
    fn rule(&self, node: &Node, stopped: &StoppedNode, accepted: &BTreeSet<MemberName>) -> StartRule {
        let own = stopped.myself();
        let Some(id) = own.as_ref().map(|row| row.id.clone()).or_else(|| self.former_id(node)) else {
            return StartRule::Now;
        };
        let slots = self.at_stake(&id, own.as_ref(), node);
        let holding = Holding::from(&stopped.next_start);
        if own.is_none() && holding != Holding::Nothing && !accepted.contains(&node.member()) {
            return StartRule::Refused(SafetyViolation::LostIdentity {
                node: node.key,
                member: node.member().into(),
                id,
            });
        }
        if slots.is_empty() {
            return StartRule::Now;
        }
        let others = self.others(&id, node, accepted);
        let order = start_order(if own.is_some() { holding } else { Holding::Nothing }, &others);
        match order {
            StartOrder::Now => StartRule::Now,
            StartOrder::AfterLeader => StartRule::AfterLeader { id, slots },
            // The user gives up what its own file has.
            StartOrder::Undecided if accepted.contains(&node.member()) => {
                StartRule::AfterLeader { id, slots }
            }
            StartOrder::Undecided => StartRule::Refused(SafetyViolation::TwoSnapshots {
                node: node.key,
                member: node.member().into(),
                other: self.restored(&id).map_or_else(|| node.member(), Node::member).into(),
                slots,
            }),
            _ if accepted.contains(&node.member()) => StartRule::WithoutKeys { slots },
            StartOrder::Unknown => StartRule::Refused(SafetyViolation::UnknownCopy {
                node: node.key,
                member: node.member().into(),
                slots,
            }),
            StartOrder::NoCopy => match (&stopped.next_start, own.is_some()) {
                (NextStart::KeepsNothing, true) => StartRule::WithoutKeys { slots },
                (NextStart::Ignores { file, directive }, _) => {
                    StartRule::Refused(SafetyViolation::WouldIgnore {
                        node: node.key,
                        member: node.member().into(),
                        file: file.clone(),
                        directive: directive.clone(),
                    })
                }
                _ => StartRule::Refused(SafetyViolation::LostShard {
                    node: node.key,
                    member: node.member().into(),
                    id,
                    slots,
                }),
            },
        }
    }

    /// The id that a node without `nodes.conf` had: as the manifest says, else as its peers list its address.
    fn former_id(&self, node: &Node) -> Option<NodeId> {
        let manifest = self.disk.manifest.as_ref();
        let member = manifest.and_then(|manifest| manifest.member(node.key));
        let listed = || {
            let rows = self.rows().filter(|row| row.address() == Some(node.key.address()));
            rows.map(|row| row.id.clone()).next()
        };
        member.map(|member| member.id.clone()).or_else(listed)
    }

    /// All lines about other nodes, of live nodes and of files.
    fn rows(&self) -> impl Iterator<Item = NodeRow> {
        let live = self.observed.views().flat_map(|(_, view)| view.peers().cloned().collect::<Vec<_>>());
        let files = self.disk.stopped.values().filter_map(StoppedNode::nodes);
        let files = files.flat_map(|nodes| nodes.rows).filter(|row| !row.is_myself() && !row.is_handshake());
        live.chain(files)
    }

    /// The slots that the node with this id owned last, and that no running node owns now.
    fn at_stake(&self, id: &NodeId, own: Option<&NodeRow>, node: &Node) -> Vec<SlotRange> {
        let claims = |row: &NodeRow| {
            if row.is_master() {
                row.slots.iter().flat_map(|range| range.iter()).collect()
            } else {
                Vec::new()
            }
        };
        let mut slots: HashSet<u16> = own.map(claims).unwrap_or_default().into_iter().collect();
        let of_peers: Vec<NodeRow> = self.rows().filter(|row| row.id == *id).collect();
        slots.extend(of_peers.iter().flat_map(claims));
        if own.is_none() && of_peers.is_empty() {
            let manifest = self.disk.manifest.as_ref();
            let member = manifest.zip(manifest.and_then(|all| all.member(node.key)));
            let ranges = member.map(|(manifest, member)| manifest.slots(member)).unwrap_or_default();
            slots.extend(ranges.iter().flat_map(|range| range.iter()));
        }
        // A stopped node with a newer epoch owns what an older file still claims.
        let epoch = own.map_or(0, |row| row.epoch);
        let newer = self.disk.stopped.values().filter_map(StoppedNode::myself);
        let newer =
            newer.filter(|row| row.id != *id && row.is_master() && own.is_some() && row.epoch > epoch);
        for row in newer.collect::<Vec<_>>() {
            for slot in claims(&row) {
                slots.remove(&slot);
            }
        }
        for (_, view) in self.observed.slot_owners() {
            let owned = view.myself().into_iter().flat_map(|row| &row.slots);
            for slot in owned.flat_map(|range| range.iter()) {
                slots.remove(&slot);
            }
        }
        let mut slots: Vec<u16> = slots.into_iter().collect();
        slots.sort_unstable();
        join_slots(slots)
    }

    /// What the other members of the shard hold, but for those whose keys the user gives up.
    fn others(&self, id: &NodeId, of: &Node, accepted: &BTreeSet<MemberName>) -> Vec<Holding> {
        let others = self.fleet.nodes().filter(|node| node.key != of.key);
        let others = others.filter(|node| !accepted.contains(node.key.member()));
        others.filter_map(|node| self.holding(id, node)).collect()
    }

    /// A running replica that has what its files had.
    fn restored(&self, id: &NodeId) -> Option<&Node> {
        self.fleet.nodes().find(|node| self.holding(id, node) == Some(Holding::Restored))
    }

    /// What a node holds of the keys of the node with this id; `None` where it is of another shard.
    fn holding(&self, id: &NodeId, node: &Node) -> Option<Holding> {
        if let Some(view) = self.observed.view(node.key) {
            return view.follows(id).then(|| Holding::of_replica(view));
        }
        if let Some(stopped) = self.disk.stopped.get(&node.key)
            && !matches!(self.observed.get(node.key), Some(State::Loading(_)))
        {
            let follows = stopped.myself().is_some_and(|own| own.master.as_ref() == Some(id));
            return follows.then(|| Holding::from(&stopped.next_start));
        }
        let listed = self
            .rows()
            .any(|row| row.address() == Some(node.key.address()) && row.master.as_ref() == Some(id));
        let manifest = self.disk.manifest.as_ref();
        let recorded = manifest.is_some_and(|manifest| {
            let member = manifest.members.iter().find(|member| member.id == *id);
            member.is_some_and(|member| manifest.peers(member).any(|peer| peer.is(node.key)))
        });
        (listed || recorded).then_some(Holding::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        Consent,
        testing::{SIX, at, cluster, six},
    };

    /// The rule for 7001, which does not run; `replica` is what 7004 says.
    fn rule(next_start: NextStart, replica: &str) -> StartRule {
        rule_accepting(next_start, replica, "")
    }

    /// The same where the keys of this member are given up.
    fn rule_accepting(next_start: NextStart, replica: &str, member: &str) -> StartRule {
        let text = SIX.replace("7001 master 0-5460", "7001 down x").replace("7004 replica 7001", replica);
        let own = "id-10.0.0.1:7001 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460\n";
        let stopped = StoppedNode { nodes_conf: Some(own.to_owned()), next_start };
        let disk = OnDisk { stopped: BTreeMap::from([(at("7001"), stopped)]), ..OnDisk::default() };
        let fleet = six();
        let consent = Consent { data_loss: member.parse().into_iter().collect(), takeover: false };
        let premises = Premises { disk: &disk, consent: &consent, fleet: &fleet };
        start_rules(&premises, &cluster(&text)).remove(&at("7001")).unwrap()
    }

    #[test]
    fn a_replica_that_never_synchronised_does_not_lead_before_a_snapshot() {
        let never = "7004 replica 7001 keys=0 link=never";
        assert_eq!(rule(NextStart::ReadsSnapshot, never), StartRule::Now);
        let refused = rule(NextStart::Nothing, never);
        assert!(matches!(refused, StartRule::Refused(SafetyViolation::LostShard { .. })), "{refused:?}");
    }

    #[test]
    fn a_replica_with_keys_leads_before_a_snapshot_and_an_empty_one_only_before_nothing() {
        let after = |rule: &StartRule| matches!(rule, StartRule::AfterLeader { .. });
        assert!(after(&rule(NextStart::ReadsSnapshot, "7004 replica 7001 keys=3 offset=90 link=down")));
        let empty = "7004 replica 7001 keys=0 offset=90 link=down";
        assert_eq!(rule(NextStart::ReadsSnapshot, empty), StartRule::Now);
        assert!(after(&rule(NextStart::Nothing, empty)));
        assert_eq!(rule(NextStart::Reads, empty), StartRule::Now);
        let from_files = "7004 replica 7001 keys=3 offset=90 link=never";
        let refused = rule(NextStart::ReadsSnapshot, from_files);
        assert!(matches!(refused, StartRule::Refused(SafetyViolation::TwoSnapshots { .. })), "{refused:?}");
        assert!(after(&rule(NextStart::Nothing, from_files)));
    }

    #[test]
    fn of_two_snapshots_the_user_says_which_counts() {
        let rule =
            |member| rule_accepting(NextStart::ReadsSnapshot, "7004 replica 7001 keys=3 link=never", member);
        assert_eq!(rule("h0/7004"), StartRule::Now, "the replica's keys are given up");
        assert!(matches!(rule("h0/7001"), StartRule::AfterLeader { .. }), "its own are");
        assert!(matches!(rule("h0/7002"), StartRule::Refused(_)));
    }
}
