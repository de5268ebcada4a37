//! The one exception to "only a [`NodeWriter`](super::NodeWriter) changes a node": the proof writes keys of
//! its own, which carry a prefix and expire. `provision verify` does so without holding a lock.

use crate::inventory::NodeRef;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    command::words, error::Error, info::ReplicationInfo, reader::NodeReader, reply::Reply,
    slots::of_key as slot_of_key,
};

/// How long WAIT waits for the replicas, in milliseconds.
const WAIT_TIMEOUT_MS: u32 = 2_000;
/// Seconds after which a probe key expires, should this process die before it removes the key.
const EXPIRY_SECONDS: u32 = 60;
/// What every probe key begins with.
const PREFIX: &str = "provision:probe";
/// How many keys are tried until one falls into a slot of the right master: about as many as there are
/// masters.
const MAX_TRIES: u32 = 1_000_000;

/// May write and remove the probe keys of one run of the proof, and nothing else.
pub struct ProbeWriter<'a> {
    reader: &'a NodeReader<'a>,
    /// Different for every run, so that two of them never meet on a key. It is also the value of the keys.
    nonce: String,
}

/// A key of a [`ProbeWriter`]; nothing else makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeKey {
    name: String,
    slot: u16,
}

impl ProbeKey {
    #[cfg(test)]
    pub(crate) fn for_test(name: &str) -> Self {
        Self { name: name.to_owned(), slot: slot_of_key(name) }
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The slot it is in.
    pub fn slot(&self) -> u16 {
        self.slot
    }
}

/// What a master answered to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeWrite {
    /// The master's replication offset right after the write.
    pub offset: u64,
    /// How many replicas WAIT counted.
    pub acknowledged: i64,
    /// What went wrong, in the server's words; `None` where the value was read back.
    pub trouble: Option<ProbeTrouble>,
}

/// Why a probe key was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTrouble {
    /// The server refused a command with this.
    Refused(String),
    /// The value that was read back is another one.
    NotReadBack,
}

impl<'a> ProbeWriter<'a> {
    pub fn new(reader: &'a NodeReader<'a>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { reader, nonce: format!("{:x}{:x}", since.as_nanos(), std::process::id()) }
    }

    /// The value of every key of this run.
    pub fn value(&self) -> &str {
        &self.nonce
    }

    /// The first key of the run whose slot `owns` accepts.
    pub fn key(&self, owns: impl Fn(u16) -> bool) -> ProbeKey {
        find_key(&self.nonce, owns)
    }

    /// Writes a key, waits until `replicas` replicas have it, and reads it back.
    pub async fn write(&self, master: NodeRef, key: &ProbeKey, replicas: usize) -> Result<ProbeWrite, Error> {
        let commands = [
            format!("SET {} {} EX {EXPIRY_SECONDS}", key.name, self.nonce),
            "INFO replication".to_owned(),
            format!("WAIT {replicas} {WAIT_TIMEOUT_MS}"),
            format!("GET {}", key.name),
        ]
        .map(|text| words(&text));
        Ok(read_write(&self.reader.pipeline(master, &commands).await?, &self.nonce))
    }

    /// Removes a key, and waits until `replicas` replicas have removed it. Says whether it is gone.
    pub async fn remove(&self, master: NodeRef, key: &ProbeKey, replicas: i64) -> Result<bool, Error> {
        let commands = [
            format!("DEL {}", key.name),
            format!("EXISTS {}", key.name),
            format!("WAIT {replicas} {WAIT_TIMEOUT_MS}"),
        ]
        .map(|text| words(&text));
        let replies = self.reader.pipeline(master, &commands).await?;
        Ok(replies.get(1) == Some(&Reply::Int(0)))
    }
}

fn find_key(nonce: &str, owns: impl Fn(u16) -> bool) -> ProbeKey {
    let tries = (0..MAX_TRIES).map(|n| format!("{PREFIX}:{nonce}:{n}"));
    let mut found =
        tries.map(|name| ProbeKey { slot: slot_of_key(&name), name }).filter(|key| owns(key.slot));
    found.next().unwrap_or_else(|| ProbeKey { name: format!("{PREFIX}:{nonce}"), slot: 0 })
}

fn read_write(replies: &[Reply], value: &str) -> ProbeWrite {
    let info = replies.get(1).map_or("", Reply::text);
    let refused = replies.iter().find_map(Reply::error);
    let read_back = replies.get(3).map_or("", Reply::text) == value;
    ProbeWrite {
        offset: ReplicationInfo::parse(info).master_repl_offset.unwrap_or(0),
        acknowledged: replies.get(2).and_then(Reply::int).unwrap_or(0),
        trouble: match refused {
            Some(error) => Some(ProbeTrouble::Refused(error.to_owned())),
            None => (!read_back).then_some(ProbeTrouble::NotReadBack),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(set: Reply, wait: i64, get: &str) -> Vec<Reply> {
        let info = "# Replication\r\nrole:master\r\nmaster_repl_offset:1234\r\n".to_owned();
        vec![set, Reply::Text(info), Reply::Int(wait), Reply::Text(get.to_owned())]
    }

    fn ok() -> Reply {
        Reply::Text("OK".to_owned())
    }

    #[test]
    fn a_key_has_the_prefix_and_a_slot_of_the_node() {
        let key = find_key("n", |slot| slot >= 16_000);
        assert!(key.name().starts_with("provision:probe:n:"), "{key:?}");
        assert!(key.slot() >= 16_000);
        assert_eq!(key.slot(), slot_of_key(key.name()));
    }

    #[test]
    fn a_written_key_has_an_offset_and_its_replicas() {
        let write = read_write(&replies(ok(), 2, "v"), "v");
        assert_eq!(write, ProbeWrite { offset: 1234, acknowledged: 2, trouble: None });
    }

    #[test]
    fn a_refused_write_is_not_a_changed_value() {
        let refused = read_write(&replies(Reply::Error("CLUSTERDOWN x".to_owned()), 0, ""), "v");
        assert_eq!(refused.trouble, Some(ProbeTrouble::Refused("CLUSTERDOWN x".to_owned())));
        let changed = read_write(&replies(ok(), 1, "w"), "v");
        assert_eq!(changed.trouble, Some(ProbeTrouble::NotReadBack));
    }

    #[test]
    fn too_few_replies_are_no_success() {
        assert_eq!(read_write(&[], "v").trouble, Some(ProbeTrouble::NotReadBack));
    }
}
