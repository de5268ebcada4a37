//! What decisions about a cluster rest on, besides what its nodes say at the moment.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::{Deserialize, Serialize};

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
    pub consent: &'a Consent,
}

/// What the user allows beyond what is safe by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// `--accept-data-loss`: the nodes whose keys are given up.
    pub data_loss: BTreeSet<MemberName>,
    /// `--takeover`: where most masters are gone, a replica becomes the owner without a vote.
    pub takeover: bool,
}

static NO_DISK: LazyLock<OnDisk> = LazyLock::new(OnDisk::default);
static NOTHING: Consent = Consent { data_loss: BTreeSet::new(), takeover: false };

impl<'a> Premises<'a> {
    /// Those of a look at running nodes alone.
    pub fn of(fleet: &'a Fleet) -> Self {
        Self { fleet, disk: &NO_DISK, consent: &NOTHING }
    }

    /// What the manifest says of a node's id.
    pub(super) fn recorded(&self, id: &NodeId) -> Option<&'a ManifestMember> {
        self.disk.manifest.as_ref()?.members.iter().find(|member| member.id == *id)
    }

    /// The node of the fleet that had an id: as the manifest says, else by the address that its peers list.
    pub(super) fn node_of(&self, id: &NodeId, row: Option<&NodeRow>) -> Option<&'a Node> {
        let by_name = |member: &ManifestMember| self.fleet.nodes().find(|node| member.is(node.key));
        let by_address = || {
            let address = row?.address()?;
            self.fleet.nodes().find(|node| node.key.address() == address)
        };
        self.recorded(id).and_then(by_name).or_else(by_address)
    }
}
