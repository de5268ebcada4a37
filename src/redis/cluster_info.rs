//! `CLUSTER INFO`: what a node holds of the whole cluster.

use super::fields::Fields;

/// One node's opinion of the cluster. A count is `None` where the answer lacks it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterInfo {
    /// `ok`, or `fail` while the node serves nothing; empty where the answer lacks it.
    pub state: String,
    pub slots_ok: Option<u64>,
    /// Slots of a master this node suspects.
    pub slots_pfail: Option<u64>,
    /// Slots of a master the majority calls failed.
    pub slots_fail: Option<u64>,
    /// Nodes in the node's table, itself included.
    pub known_nodes: Option<u64>,
    /// Masters that own slots.
    pub size: Option<u64>,
    /// The highest epoch the node knows.
    pub current_epoch: Option<u64>,
    /// The config epoch of the node itself, of its master where it is a replica.
    pub my_epoch: Option<u64>,
}

impl ClusterInfo {
    /// Reads the text of any version from 3.0 on.
    pub fn parse(text: &str) -> Self {
        let fields = Fields::parse(text);
        Self {
            state: fields.text("cluster_state").unwrap_or_default(),
            slots_ok: fields.number("cluster_slots_ok"),
            slots_pfail: fields.number("cluster_slots_pfail"),
            slots_fail: fields.number("cluster_slots_fail"),
            known_nodes: fields.number("cluster_known_nodes"),
            size: fields.number("cluster_size"),
            current_epoch: fields.number("cluster_current_epoch"),
            my_epoch: fields.number("cluster_my_epoch"),
        }
    }

    /// Whether the node serves its slots.
    pub fn is_ok(&self) -> bool {
        self.state == "ok"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_redis_5_answers() {
        let text = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
                    cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:6\r\ncluster_size:3\r\n\
                    cluster_current_epoch:6\r\ncluster_my_epoch:2\r\ncluster_stats_messages_sent:1483972\r\n";
        let expected = ClusterInfo {
            state: "ok".to_owned(),
            slots_ok: Some(16_384),
            slots_pfail: Some(0),
            slots_fail: Some(0),
            known_nodes: Some(6),
            size: Some(3),
            current_epoch: Some(6),
            my_epoch: Some(2),
        };
        assert_eq!(ClusterInfo::parse(text), expected);
        assert!(expected.is_ok());
    }

    #[test]
    fn an_empty_answer_is_not_ok() {
        let info = ClusterInfo::parse("");
        assert_eq!(info, ClusterInfo::default());
        assert!(!info.is_ok());
    }
}
