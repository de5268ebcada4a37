//! What the proof asks of each node beyond its [`View`](crate::cluster::View).

use std::{collections::BTreeMap, net::SocketAddr};

use crate::{
    cluster::{drift, observe::Observed},
    inventory::Fleet,
    redis::{ClusterLinks, InfoSection, NodeReader, Query, Reply, Role, StatsInfo, parse_config},
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
    /// `CONFIG GET` of the directives the inventory manages.
    pub(super) config: BTreeMap<String, String>,
}

/// Asks every node that answered, all at the same time. One that does not answer now has no details.
pub(super) async fn ask(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    observed: &Observed,
) -> BTreeMap<SocketAddr, Details> {
    let queries = fleet.nodes().filter(|node| observed.view(node.address).is_some()).map(|node| {
        let managed = drift::managed(fleet, node);
        let config = managed.keys().map(|name| Query::ConfigGet(name.clone()));
        let fixed = [Query::Role, Query::ClusterLinks, Query::Info(InfoSection::Stats)];
        (node.address, fixed.into_iter().chain(config).collect::<Vec<Query>>())
    });
    let answers = reader.read_each(queries.collect()).await;
    let parsed = answers.into_iter().map(|(node, replies)| Some((node, parse(&replies.ok()?))));
    parsed.flatten().collect()
}

fn parse(replies: &[Reply]) -> Details {
    let [role, links, stats, config @ ..] = replies else { return Details::default() };
    Details {
        role: Role::parse(role),
        links: ClusterLinks::parse(links),
        sync_full: StatsInfo::parse(stats.text()).sync_full,
        config: config.iter().filter_map(parse_config).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Reply {
        Reply::List(texts.iter().map(|&text| Reply::Text(text.to_owned())).collect())
    }

    #[test]
    fn replies_are_read_in_the_order_of_the_queries() {
        let replies = [
            list(&["slave", "10.0.0.1"]),
            Reply::Error("ERR unknown subcommand 'LINKS'".to_owned()),
            Reply::Text("# Stats\r\nsync_full:3\r\n".to_owned()),
            list(&["appendonly", "yes"]),
            list(&[]),
        ];
        let details = Details {
            role: Some(Role::Replica),
            links: None,
            sync_full: Some(3),
            config: BTreeMap::from([("appendonly".to_owned(), "yes".to_owned())]),
        };
        assert_eq!(parse(&replies), details);
    }

    #[test]
    fn a_node_that_answered_nothing_has_no_details() {
        assert_eq!(parse(&[]), Details::default());
    }
}
