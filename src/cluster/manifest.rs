//! The manifest: what was formed, as every host keeps it. It tells a node that came back blank from a new
//! one, and a member that died from a stranger, also where no node answers.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::observe::Observed;
use crate::{
    inventory::{Engine, Fleet, NodeRef},
    redis::{SlotRange, show_slots},
    units::{HostName, MemberName, NodeId, NodeName},
};

/// The version of the text.
const FORMAT: u32 = 1;

/// The members of a cluster and their shards, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// Drawn at random when the cluster was formed.
    cluster: String,
    /// Grows with every change.
    generation: u64,
    pub(super) engine: Engine,
    /// `7.0.15`.
    pub(super) version: String,
    pub(super) members: Vec<ManifestMember>,
    /// The slots of each shard, as in `0-5460, 7000`.
    shards: Vec<String>,
}

/// A node of the manifest. It is written as a list without names: every run reads it from every host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub(super) struct ManifestMember {
    pub(super) host: HostName,
    pub(super) node: NodeName,
    pub(super) id: NodeId,
    pub(super) address: SocketAddr,
    /// Its index in `shards`.
    shard: usize,
}

type Row = (HostName, NodeName, NodeId, SocketAddr, usize);

impl ManifestMember {
    /// Whether it is this node of the fleet.
    pub(super) fn is(&self, node: NodeRef) -> bool {
        (&self.host, &self.node) == (&node.member().host, &node.member().node)
    }

    /// Its name in the fleet.
    pub(super) fn name(&self) -> MemberName {
        MemberName { host: self.host.clone(), node: self.node.clone() }
    }
}

impl From<Row> for ManifestMember {
    fn from((host, node, id, address, shard): Row) -> Self {
        Self { host, node, id, address, shard }
    }
}

impl From<ManifestMember> for Row {
    fn from(member: ManifestMember) -> Self {
        (member.host, member.node, member.id, member.address, member.shard)
    }
}

/// Two hosts keep the manifests of two clusters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{one} and {other} keep the manifests of two clusters with one name")]
#[diagnostic(help(
    "they were formed apart, and joining them would merge them for good: take the hosts of one out of the inventory, or \
     give it another `name`. Nothing was changed"
))]
pub struct TwoManifests {
    pub one: HostName,
    pub other: HostName,
}

impl Manifest {
    /// The newest of the manifests that hosts keep. One that cannot be read counts as missing: the next
    /// change of the cluster writes it anew. Fails where two hosts keep those of two clusters.
    pub fn newest<'a>(
        texts: impl IntoIterator<Item = (&'a HostName, &'a str)>,
    ) -> Result<Option<Self>, TwoManifests> {
        let mut newest: Option<(&HostName, Self)> = None;
        for (host, text) in texts {
            let Some(manifest) = Self::read(text) else { continue };
            newest = match newest {
                Some((one, other)) if other.cluster != manifest.cluster => {
                    return Err(TwoManifests { one: one.clone(), other: host.clone() });
                }
                Some((one, other)) if other.generation >= manifest.generation => Some((one, other)),
                _ => Some((host, manifest)),
            };
        }
        Ok(newest.map(|(_, manifest)| manifest))
    }

    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|manifest: &Self| manifest.format == FORMAT)
    }

    /// What a manifest must say of a cluster that is formed, all of whose nodes answered; the one before
    /// where that says it already. `None` where not all is known.
    pub fn of(fleet: &Fleet, observed: &Observed, before: Option<&Self>) -> Option<Self> {
        let masters: Vec<_> = observed.slot_owners().collect();
        let shard = |id: &str| masters.iter().position(|(_, view)| &*view.id == id);
        let member = |node: &crate::inventory::Node| {
            let view = observed.view(node.key)?;
            let leader = if view.owns_slots() { &view.id } else { view.myself()?.master.as_ref()? };
            Some(ManifestMember {
                host: node.host().clone(),
                node: node.name().clone(),
                id: view.id.clone(),
                address: node.key.address(),
                shard: shard(leader)?,
            })
        };
        let members = fleet.nodes().map(member).collect::<Option<Vec<_>>>()?;
        let slots = |view: &super::View| view.myself().map_or_else(String::new, |own| show_slots(&own.slots));
        let mut manifest = Self {
            format: FORMAT,
            cluster: before.map_or_else(String::new, |before| before.cluster.clone()),
            generation: before.map_or(0, |before| before.generation),
            engine: fleet.engine,
            version: fleet.version.to_string(),
            shards: masters.iter().map(|(_, view)| slots(view)).collect(),
            members,
        };
        if before.is_some_and(|before| before.means(&manifest)) {
            return before.cloned();
        }
        manifest.generation += 1;
        Some(manifest)
    }

    /// Whether both tell the same, in whatever order the shards stand: a failover changes nothing here.
    fn means(&self, other: &Self) -> bool {
        let members = |manifest: &Self| -> Option<Vec<_>> {
            let member = |member: &ManifestMember| {
                let slots = manifest.shards.get(member.shard)?.clone();
                Some((member.host.clone(), member.node.clone(), member.id.clone(), member.address, slots))
            };
            manifest.members.iter().map(member).collect()
        };
        (self.engine, &self.version) == (other.engine, &other.version) && members(self) == members(other)
    }

    /// Gives a cluster that has no name of its own yet one drawn at random. Fails where the kernel gives no
    /// random bytes.
    pub fn named(mut self) -> std::io::Result<Self> {
        if self.cluster.is_empty() {
            let mut bits = [0u8; 16];
            getrandom::fill(&mut bits)?;
            self.cluster = hex::encode(bits);
        }
        Ok(self)
    }

    /// The one line that hosts keep.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The member that a node of the fleet was.
    pub(super) fn member(&self, node: NodeRef) -> Option<&ManifestMember> {
        self.members.iter().find(|member| member.is(node))
    }

    /// Whether one of the members had this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.members.iter().any(|member| &*member.id == id)
    }

    /// The slots of a member's shard.
    pub(super) fn slots(&self, member: &ManifestMember) -> Vec<SlotRange> {
        let text = self.shards.get(member.shard).map_or("", String::as_str);
        text.split(", ").filter_map(|range| range.parse().ok()).collect()
    }

    /// The other members of a member's shard.
    pub(super) fn peers<'a>(&'a self, of: &'a ManifestMember) -> impl Iterator<Item = &'a ManifestMember> {
        self.members.iter().filter(move |member| member.shard == of.shard && member.id != of.id)
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cluster::testing::{SIX, at, cluster, six, view_mut},
        mutated::mutated,
    };

    fn manifest(before: Option<&Manifest>) -> Manifest {
        Manifest::of(&six(), &cluster(SIX), before).unwrap()
    }

    fn newest(texts: &[(&str, &str)]) -> Result<Option<Manifest>, TwoManifests> {
        let hosts: Vec<(HostName, &str)> = texts.iter().map(|(host, text)| ((*host).into(), *text)).collect();
        Manifest::newest(hosts.iter().map(|(host, text)| (host, *text)))
    }

    #[test]
    fn it_has_each_node_with_its_id_and_its_shard() {
        let manifest = manifest(None);
        let member = manifest.member(at("7004")).unwrap();
        assert_eq!((member.address, &*member.id), (at("7004").address(), "id-10.0.0.1:7004"));
        assert_eq!(manifest.slots(member), [SlotRange::new(0, 5460)]);
        assert_eq!(
            manifest.peers(member).map(|peer| peer.address).collect::<Vec<_>>(),
            [at("7001").address()]
        );
        assert!(manifest.has("id-10.0.0.1:7004") && !manifest.has("id-10.0.0.1:7009"));
        assert_eq!((manifest.shards(), manifest.generation), (3, 1));
    }

    #[test]
    fn a_failover_changes_nothing_and_a_new_id_does() {
        let first = manifest(None).named().unwrap();
        let led = "7001 replica 7004\n7002 master 5461-10922\n7003 master 10923-16383\n7004 master 0-5460\n\
                   7005 replica 7002\n7006 replica 7003\n";
        assert_eq!(Manifest::of(&six(), &cluster(led), Some(&first)).unwrap(), first);
        let mut other = cluster(SIX);
        view_mut(&mut other, "7006").id = "new".into();
        let second = Manifest::of(&six(), &other, Some(&first)).unwrap();
        assert_eq!((second.generation, &second.cluster), (2, &first.cluster));
    }

    #[test]
    fn it_is_not_made_while_a_node_is_silent_or_has_no_shard() {
        let silent = SIX.replace("7006 replica 7003", "7006 down gone");
        assert_eq!(Manifest::of(&six(), &cluster(&silent), None), None);
        let spare = SIX.replace("7006 replica 7003", "7006 master");
        assert_eq!(Manifest::of(&six(), &cluster(&spare), None), None);
    }

    #[test]
    fn the_highest_generation_counts_and_what_cannot_be_read_is_missing() {
        let first = manifest(None).named().unwrap();
        let second = Manifest { generation: 2, ..first.clone() };
        let (one, two) = (first.text(), second.text());
        assert!(!one.contains('\n'));
        assert_eq!(newest(&[("a", &one), ("b", &two), ("c", &one)]), Ok(Some(second)));
        assert_eq!(newest(&[("a", "{\"form"), ("b", &one)]), Ok(Some(first)));
        let later = one.replace("\"format\":1", "\"format\":2");
        assert_eq!(newest(&[("a", &later), ("b", "")]), Ok(None));
    }

    proptest! {
        #[test]
        fn a_damaged_manifest_is_read_or_missing(text in mutated(&manifest(None).named().unwrap().text())) {
            if let Ok(Some(manifest)) = newest(&[("a", &text)]) {
                manifest.members.iter().for_each(|member| drop(manifest.slots(member)));
                prop_assert_eq!(newest(&[("a", &manifest.text())]), Ok(Some(manifest)));
            }
        }
    }

    #[test]
    fn two_clusters_are_never_taken_for_one() {
        let texts = [manifest(None).named().unwrap().text(), manifest(None).named().unwrap().text()];
        let expected = TwoManifests { one: "a".into(), other: "b".into() };
        assert_eq!(newest(&[("a", &texts[0]), ("b", &texts[1])]), Err(expected));
    }
}
