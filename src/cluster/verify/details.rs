//! What the proof asks of each node beyond its [`View`](crate::cluster::View).

use std::collections::BTreeMap;

use crate::{
    cluster::observe::Observed,
    inventory::NodeRef,
    redis::{ClusterLinks, InfoSection, NodeReader, Query, Reply, Role, StatsInfo},
};

/// One node's answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Details {
    /// `ROLE`; `None` where the node gave none.
    pub(super) role: Option<Role>,
    /// `None` where the engine lacks the command.
    pub(super) links: Option<ClusterLinks>,
    /// Full synchronisations begun here, a moment after the view was taken.
    pub(super) sync_full: Option<u64>,
}

/// Asks every node that answered, all at the same time. One that does not answer now has no details.
pub(super) async fn ask(reader: &NodeReader<'_>, observed: &Observed) -> BTreeMap<NodeRef, Details> {
    let queries = [Query::Role, Query::ClusterLinks, Query::Info(InfoSection::Stats)].to_vec();
    let asked = observed.views().map(|(node, _)| (node, queries.clone())).collect();
    let answers = reader.read_each(asked).await;
    let parsed = answers.into_iter().map(|(node, replies)| Some((node, parse(&replies.ok()?))));
    parsed.flatten().collect()
}

fn parse(replies: &[Reply]) -> Details {
    let [role, links, stats] = replies else { return Details::default() };
    Details {
        role: Role::parse(role),
        links: ClusterLinks::parse(links),
        sync_full: StatsInfo::parse(stats.text()).sync_full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_in_the_order_of_the_queries() {
        let role = ["slave", "10.0.0.1"].map(|text| Reply::Text(text.to_owned()));
        let replies = [
            Reply::List(role.into()),
            Reply::Error("ERR unknown subcommand 'LINKS'".to_owned()),
            Reply::Text("# Stats\r\nsync_full:3\r\n".to_owned()),
        ];
        let details = Details { role: Some(Role::Replica), links: None, sync_full: Some(3) };
        assert_eq!(parse(&replies), details);
    }

    #[test]
    fn a_node_that_answered_nothing_has_no_details() {
        assert_eq!(parse(&[]), Details::default());
    }
}
