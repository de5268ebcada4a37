//! What decisions about a cluster rest on, besides what its nodes say at the moment.

use std::{collections::BTreeSet, sync::LazyLock};

use super::{manifest::ManifestMember, on_disk::OnDisk};
use crate::{
    inventory::{Fleet, Node},
    redis::NodeRow,
    units::{MemberName, NodeId},
};

/// What decisions about a cluster rest on, besides what its nodes say at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Premises<'a> {
    pub fleet: &'a Fleet,
    pub disk: &'a OnDisk,
    /// The nodes whose keys the user gives up: `--accept-data-loss`.
    pub accepted: &'a BTreeSet<MemberName>,
}

static NO_DISK: LazyLock<OnDisk> = LazyLock::new(OnDisk::default);
static NOBODY: BTreeSet<MemberName> = BTreeSet::new();

impl<'a> Premises<'a> {
    /// Those of a look at running nodes alone.
    pub fn of(fleet: &'a Fleet) -> Self {
        Self { fleet, disk: &NO_DISK, accepted: &NOBODY }
    }

    /// What the manifest says of a node's id.
    pub(super) fn recorded(&self, id: &NodeId) -> Option<&'a ManifestMember> {
        self.disk.manifest.as_ref()?.members.iter().find(|member| member.id == *id)
    }

    /// The node of the fleet that had an id: as the manifest says, else by the address that its peers list.
    pub(super) fn node_of(&self, id: &NodeId, row: Option<&NodeRow>) -> Option<&'a Node> {
        let by_name = |member: &ManifestMember| {
            self.fleet.nodes().find(|node| node.host == member.host && node.name == member.node)
        };
        let by_address = || {
            let address = row?.address()?;
            self.fleet.nodes().find(|node| node.address == address)
        };
        self.recorded(id).and_then(by_name).or_else(by_address)
    }
}
