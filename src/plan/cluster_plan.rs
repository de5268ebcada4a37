//! What a plan says of the cluster: what it rests on, and the commands it will send.

use serde::{Deserialize, Serialize};

use crate::cluster::{Consent, OnDisk, Op};

/// What a plan says of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// What hosts keep of it.
    pub on_disk: OnDisk,
    pub consent: Consent,
    /// The commands to a cluster that was formed before. Forming a new one is
    /// [`Work::Form`](super::Work::Form) alone.
    pub ops: Vec<Op>,
    /// What is wrong and not repaired, a sentence each.
    pub findings: Vec<String>,
}

impl ClusterPlan {
    /// Whether it is about a cluster that was formed before, by whatever its hosts and nodes say.
    pub fn is_of_members(&self) -> bool {
        self.on_disk.manifest.is_some() || self.ops.iter().any(|op| !matches!(op, Op::Set { .. }))
    }
}
