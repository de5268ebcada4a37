//! Whether a node's keys are there again after a restart.

use super::error::Error;
use crate::{
    cluster::safety::Persistence,
    inventory::NodeRef,
    redis::{InfoSection, KeyspaceInfo, NodeReader, PersistenceInfo, Query, Reply},
};

/// The directives that decide what a running server leaves on disk.
const ASKED: [&str; 6] =
    ["appendonly", "save", "appendfilename", "appenddirname", "dbfilename", "shutdown-on-sigterm"];

/// Refuses a restart that would lose keys: of a node that has some and does not leave them where its `next`
/// configuration looks for them, which is the AOF where that is turned on, and else the RDB file that SIGTERM
/// writes where `save` is set.
pub async fn survives(reader: &NodeReader<'_>, next: &Persistence, node: NodeRef) -> Result<(), Error> {
    let mut asked = vec![Query::Info(InfoSection::Keyspace), Query::Info(InfoSection::Persistence)];
    asked.extend(ASKED.map(|name| Query::ConfigGet(name.to_owned())));
    loss(node, &reader.read(node, &asked).await?, next)
}

fn loss(node: NodeRef, replies: &[Reply], next: &Persistence) -> Result<(), Error> {
    let [keyspace, persistence, config @ ..] = replies else { return Ok(()) };
    // An error must not be taken for a node without keys.
    if let Some(error) = keyspace.error().or_else(|| persistence.error()) {
        let why = format!("it answered INFO with {error}");
        return Err(Error::NotResponding { node, why, after: std::time::Duration::ZERO });
    }
    let keys = KeyspaceInfo::parse(keyspace.text()).keys;
    if keys == 0 {
        return Ok(());
    }
    let lines: String = ASKED
        .iter()
        .zip(config)
        .filter_map(|(name, reply)| Some(format!("{name} \"{}\"\n", reply.config_value()?)))
        .collect();
    let fault = PersistenceInfo::parse(persistence.text()).fault();
    match next.cannot_read(&Persistence::of(&lines)) {
        Some(fix) => Err(Error::OnlyCopy { node, keys, fix }),
        None => match fault {
            Some(what) => Err(Error::UnsafeFiles { node, keys, what }),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::at;

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    fn of(keys: u64, running: [&str; 6], status: &str, next: &str) -> Result<(), String> {
        let keyspace = if keys == 0 { String::new() } else { format!("db0:keys={keys},expires=0\r\n") };
        let mut replies = vec![text(&keyspace), text(status)];
        replies.extend(
            ASKED.iter().zip(running).map(|(name, value)| Reply::List(vec![text(name), text(value)])),
        );
        loss(at("7001"), &replies, &Persistence::of(next)).map_err(|error| error.to_string())
    }

    const AOF: [&str; 6] = ["yes", "", "appendonly.aof", "appendonlydir", "dump.rdb", "default"];
    const RDB: [&str; 6] = ["no", "60 1", "appendonly.aof", "appendonlydir", "dump.rdb", "default"];
    const MEMORY: [&str; 6] = ["no", "", "appendonly.aof", "appendonlydir", "dump.rdb", "default"];

    #[test]
    fn keys_are_there_again_where_the_next_start_reads_what_this_one_writes() {
        assert_eq!(of(3, AOF, "", "appendonly yes"), Ok(()));
        assert_eq!(of(3, RDB, "", "appendonly no\nsave \"\""), Ok(()));
        assert_eq!(of(0, MEMORY, "", "appendonly no"), Ok(()));
    }

    #[test]
    fn keys_in_memory_or_in_files_that_nobody_reads_would_be_lost() {
        assert!(of(3, MEMORY, "", "save \"\"").unwrap_err().contains("3 keys"));
        assert!(of(3, RDB, "", "appendonly yes").is_err());
        assert!(of(3, AOF, "", "appendonly no").is_err());
        assert!(of(3, AOF, "", "appendonly yes\nappendfilename x").is_err());
        assert!(of(3, AOF, "", "appendonly yes\nappenddirname x").is_err());
        assert!(of(3, RDB, "", "dbfilename x").is_err());
    }

    #[test]
    fn a_server_that_ends_without_saving_leaves_an_old_file() {
        let unsaved = ["no", "60 1", "appendonly.aof", "appendonlydir", "dump.rdb", "nosave force"];
        let error = of(3, unsaved, "", "save \"60 1\"").unwrap_err();
        assert!(error.contains("3 keys"), "{error}");
    }

    #[test]
    fn files_that_could_not_be_written_are_no_copy() {
        let error = of(3, AOF, "aof_last_write_status:err\r\n", "appendonly yes").unwrap_err();
        assert!(error.contains("aof_last_write_status:err"), "{error}");
    }

    #[test]
    fn a_node_that_does_not_tell_is_not_taken_for_an_empty_one() {
        let replies = vec![Reply::Error("NOPERM no permissions".to_owned()); 8];
        let error = loss(at("7001"), &replies, &Persistence::of("appendonly yes")).unwrap_err();
        assert!(error.to_string().contains("NOPERM"), "{error}");
    }
}
