//! What hosts keep of a cluster, besides what its running nodes say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{manifest::Manifest, safety::NextStart};
use crate::{
    inventory::NodeRef,
    redis::{ClusterNodes, NodeRow, parse_nodes},
    units::{HostName, NodeName},
};

/// What hosts keep of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDisk {
    pub manifest: Option<Manifest>,
    /// The hosts that lack the newest manifest.
    pub outdated: BTreeSet<HostName>,
    /// Nodes that do not run, on hosts that answered.
    pub stopped: BTreeMap<NodeRef, StoppedNode>,
    /// Nodes that have been members of the cluster and are not in the inventory.
    pub leftover: BTreeMap<HostName, Vec<NodeName>>,
}

/// A node that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedNode {
    /// The text of its `nodes.conf`.
    pub nodes_conf: Option<String>,
    /// What its next start reads.
    pub next_start: NextStart,
}

impl StoppedNode {
    /// Its own line of `nodes.conf`; `None` where there is none, or the file cannot be read.
    pub(super) fn myself(&self) -> Option<NodeRow> {
        self.nodes()?.myself().cloned()
    }

    /// Its `nodes.conf`. One that the engine could not read either is none.
    pub(super) fn nodes(&self) -> Option<ClusterNodes> {
        parse_nodes(self.nodes_conf.as_ref()?).ok()
    }
}
