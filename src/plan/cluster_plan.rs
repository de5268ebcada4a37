//! What a plan says of the cluster: what it rests on, and the commands it will send.

use serde::{Deserialize, Serialize};

use crate::cluster::{Consent, Finding, OnDisk, Op};

/// What a plan says of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// What hosts keep of it.
    pub on_disk: OnDisk,
    pub consent: Consent,
    /// The commands to a cluster that was formed before. Forming a new one is
    /// [`Work::Form`](super::Work::Form) alone.
    pub ops: Vec<Op>,
    /// What is not as it should be; the ops repair some of it, and starting and forming more.
    pub findings: Vec<Finding>,
}

impl ClusterPlan {
    /// What is broken and no run repairs.
    pub fn for_the_user(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_for_the_user())
    }

    /// Whether it is about a cluster that was formed before, by whatever its hosts and nodes say.
    pub fn is_of_members(&self) -> bool {
        self.on_disk.manifest.is_some() || self.ops.iter().any(|op| !matches!(op, Op::Set { .. }))
    }
}
