//! Whether a node's keys are there again after a restart.

use std::net::SocketAddr;

use super::error::Error;
use crate::{
    cluster::drift,
    inventory::Fleet,
    redis::{InfoSection, KeyspaceInfo, NodeReader, Query, Reply},
};

/// Refuses a restart that would lose keys: of a node that has some and does not leave them where its new
/// configuration looks for them, which is the AOF where that is turned on, and else the RDB file that SIGTERM
/// writes where `save` is set.
pub async fn survives(reader: &NodeReader<'_>, fleet: &Fleet, node: SocketAddr) -> Result<(), Error> {
    let config = |name: &str| Query::ConfigGet(name.to_owned());
    let asked = [Query::Info(InfoSection::Keyspace), config("appendonly"), config("save")];
    let replies = reader.read(node, &asked).await?;
    match loss(&replies, reads_aof(fleet, node)) {
        Some((keys, fix)) => Err(Error::OnlyCopy { node, keys, fix }),
        None => Ok(()),
    }
}

/// How many keys a restart would lose, and the command that prevents it.
fn loss(replies: &[Reply], reads_aof: bool) -> Option<(u64, &'static str)> {
    let [keyspace, appendonly, save] = replies else { return None };
    let keys = KeyspaceInfo::parse(keyspace.text()).keys;
    let (kept, fix) = if reads_aof {
        (appendonly.config_value() == Some("yes"), "CONFIG SET appendonly yes")
    } else {
        (save.config_value().is_some_and(|points| !points.is_empty()), "CONFIG SET save \"3600 1\"")
    };
    (keys > 0 && !kept).then_some((keys, fix))
}

/// Whether a node's configuration turns the AOF on, as the template does where the inventory says nothing.
fn reads_aof(fleet: &Fleet, address: SocketAddr) -> bool {
    let managed = fleet.nodes().find(|node| node.address == address).map(|node| drift::managed(fleet, node));
    let lines = managed.and_then(|mut managed| managed.remove("appendonly")).unwrap_or_default();
    lines.last().is_none_or(|line| !line.trim().eq_ignore_ascii_case("no"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{at, six};

    fn replies(keys: u64, appendonly: &str, save: &str) -> Vec<Reply> {
        let text = |text: &str| Reply::Text(text.to_owned());
        let config = |name: &str, value: &str| Reply::List(vec![text(name), text(value)]);
        vec![
            text(&format!("# Keyspace\r\ndb0:keys={keys},expires=0\r\n")),
            config("appendonly", appendonly),
            config("save", save),
        ]
    }

    #[test]
    fn a_node_without_keys_loses_none() {
        assert_eq!(loss(&replies(0, "no", ""), true), None);
        assert_eq!(loss(&replies(0, "no", ""), false), None);
    }

    #[test]
    fn keys_survive_where_the_next_start_reads_what_this_process_writes() {
        assert_eq!(loss(&replies(5, "yes", ""), true), None);
        assert_eq!(loss(&replies(5, "no", "3600 1"), false), None);
    }

    #[test]
    fn keys_in_memory_alone_are_counted_and_the_fix_named() {
        assert_eq!(loss(&replies(5, "no", "3600 1"), true), Some((5, "CONFIG SET appendonly yes")));
        assert_eq!(loss(&replies(5, "yes", ""), false), Some((5, "CONFIG SET save \"3600 1\"")));
    }

    #[test]
    fn an_unknown_directive_is_not_taken_for_persistence() {
        let mut replies = replies(5, "yes", "3600 1");
        replies[1] = Reply::List(Vec::new());
        assert!(loss(&replies, true).is_some());
    }

    #[test]
    fn the_aof_is_read_unless_the_inventory_turns_it_off() {
        let mut fleet = six();
        assert!(reads_aof(&fleet, at("7001")));
        fleet.config.insert("appendonly".to_owned(), vec!["yes".to_owned(), "NO".to_owned()]);
        assert!(!reads_aof(&fleet, at("7001")), "the last line counts");
        fleet.hosts[0].nodes[0].config.insert("appendonly".to_owned(), vec!["yes".to_owned()]);
        assert!(reads_aof(&fleet, at("7001")), "the node's own line counts more");
    }
}
