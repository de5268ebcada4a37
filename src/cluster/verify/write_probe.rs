//! The proof that writes travel: a probe key for each master, followed to every replica.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::{
    cluster::{
        observe::{Observed, View},
        open_slot,
    },
    inventory::NodeRef,
    redis::{InfoSection, NodeReader, ProbeKey, ProbeTrouble, ProbeWriter, Query, ReplicationInfo, Reply},
};

/// What became of one master's probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriteProbe {
    pub(super) key: ProbeKey,
    /// Why it could not be written, or read back.
    pub(super) trouble: Option<Trouble>,
    /// The master's offset right after the write.
    pub(super) offset: u64,
    /// How many replicas WAIT counted, of how many.
    pub(super) acknowledged: (i64, usize),
    /// What each replica read, and its offset then.
    pub(super) replicas: BTreeMap<NodeRef, (Result<(), String>, u64)>,
    /// Whether the key is gone again, or why that is unknown.
    pub(super) removed: Result<bool, String>,
}

/// Why a probe key was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The master has no memory left for writes.
    OutOfMemory(String),
    Other(String),
}

impl Trouble {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::OutOfMemory(text) | Self::Other(text) => text,
        }
    }
}

impl WriteProbe {
    /// Whether another probe could not show more.
    pub(super) fn is_fine(&self) -> bool {
        let (got, of) = self.acknowledged;
        let read = self.replicas.values().all(|(read, offset)| read.is_ok() && *offset >= self.offset);
        let acknowledged = usize::try_from(got).is_ok_and(|got| got >= of);
        self.trouble.is_none() && acknowledged && read && self.removed == Ok(true)
    }
}

/// Writes probes and follows them.
pub(super) struct Prober<'a> {
    reader: &'a NodeReader<'a>,
    writer: ProbeWriter<'a>,
}

impl<'a> Prober<'a> {
    pub(super) fn new(reader: &'a NodeReader<'a>) -> Self {
        Self { reader, writer: ProbeWriter::new(reader) }
    }

    /// The probe key of each master, in a slot that is not on the move.
    pub(super) fn keys(&self, observed: &Observed) -> BTreeMap<NodeRef, ProbeKey> {
        let is_open = |slot: u16| {
            let mut open = observed.views().flat_map(|(node, view)| open_slot::of(node, view));
            open.any(|open| open.slot == slot)
        };
        let key = |view: &View| {
            let own = view.myself();
            let owns = |slot| own.is_some_and(|own| own.slots.iter().any(|range| range.contains(slot)));
            self.writer.key(|slot| owns(slot) && !is_open(slot))
        };
        observed.slot_owners().map(|(master, view)| (master, key(view))).collect()
    }

    /// One probe a master, all at the same time.
    pub(super) async fn probe(
        &self,
        observed: &Observed,
        masters: impl Iterator<Item = (NodeRef, ProbeKey)>,
    ) -> BTreeMap<NodeRef, WriteProbe> {
        let probes = masters.filter_map(|(master, key)| {
            let view = observed.view(master)?;
            let replicas = observed.replicas_of(&view.id).map(|(replica, _)| replica).collect();
            Some(self.probe_one(master, key, replicas))
        });
        join_all(probes).await.into_iter().collect()
    }

    async fn probe_one(
        &self,
        master: NodeRef,
        key: ProbeKey,
        replicas: Vec<NodeRef>,
    ) -> (NodeRef, WriteProbe) {
        let mut probe = WriteProbe {
            key,
            trouble: None,
            offset: 0,
            acknowledged: (0, replicas.len()),
            replicas: BTreeMap::new(),
            removed: Ok(false),
        };
        self.write(&mut probe, master).await;
        if probe.trouble.is_none() {
            probe.replicas = self.read_replicas(&probe.key, &replicas).await;
        }
        let removed = self.writer.remove(master, &probe.key, probe.acknowledged.0).await;
        probe.removed = removed.map_err(|error| error.to_string());
        (master, probe)
    }

    async fn write(&self, probe: &mut WriteProbe, master: NodeRef) {
        match self.writer.write(master, &probe.key, probe.acknowledged.1).await {
            Err(error) => probe.trouble = Some(Trouble::Other(error.to_string())),
            Ok(write) => {
                probe.trouble = write.trouble.map(|trouble| trouble_of(master, &trouble));
                probe.offset = write.offset;
                probe.acknowledged.0 = write.acknowledged;
            }
        }
    }

    async fn read_replicas(
        &self,
        key: &ProbeKey,
        replicas: &[NodeRef],
    ) -> BTreeMap<NodeRef, (Result<(), String>, u64)> {
        let queries = vec![
            Query::ReadOnly,
            Query::Get(key.name().to_owned()),
            Query::ReadWrite,
            Query::Info(InfoSection::Replication),
        ];
        let asked = replicas.iter().map(|replica| (*replica, queries.clone())).collect();
        let answers = self.reader.read_each(asked).await.into_iter();
        let read = |replies: Result<Vec<Reply>, _>| match replies {
            Ok(replies) => read_replica(&replies, self.writer.value()),
            Err(error) => (Err(crate::redis::Error::to_string(&error)), 0),
        };
        answers.map(|(replica, replies)| (replica, read(replies))).collect()
    }
}

fn trouble_of(master: NodeRef, trouble: &ProbeTrouble) -> Trouble {
    match trouble {
        ProbeTrouble::Refused(error) if error.starts_with("OOM") => {
            Trouble::OutOfMemory(format!("{master} answered {error}"))
        }
        ProbeTrouble::Refused(error) => Trouble::Other(format!("{master} answered {error}")),
        ProbeTrouble::NotReadBack => Trouble::Other(format!("{master} did not read back what was written")),
    }
}

/// What a replica answered: whether it has the value, and its offset.
fn read_replica(replies: &[Reply], value: &str) -> (Result<(), String>, u64) {
    let read = replies.get(1).unwrap_or(&Reply::Nil);
    let info = replies.get(3).map_or("", Reply::text);
    let offset = ReplicationInfo::parse(info).replica_offset.unwrap_or(0);
    if read.text() == value {
        return (Ok(()), offset);
    }
    (Err(read.error().unwrap_or("nothing").to_owned()), offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::at;

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    #[test]
    fn a_replica_that_has_the_value_tells_its_offset() {
        let replies = [text("OK"), text("v"), text("OK"), text("role:slave\r\nslave_repl_offset:42\r\n")];
        assert_eq!(read_replica(&replies, "v"), (Ok(()), 42));
    }

    #[test]
    fn a_replica_without_the_value_says_what_it_answered_instead() {
        let gone = [text("OK"), Reply::Nil, text("OK"), text("")];
        assert_eq!(read_replica(&gone, "v"), (Err("nothing".to_owned()), 0));
        let refused = [text("OK"), Reply::Error("MASTERDOWN x".to_owned()), text("OK"), text("")];
        assert_eq!(read_replica(&refused, "v"), (Err("MASTERDOWN x".to_owned()), 0));
        assert_eq!(read_replica(&[], "v"), (Err("nothing".to_owned()), 0));
    }

    #[test]
    fn a_master_without_memory_is_told_from_one_that_refuses_for_another_reason() {
        let trouble = |text: &str| trouble_of(at("7001"), &ProbeTrouble::Refused(text.to_owned()));
        assert!(matches!(
            trouble("OOM command not allowed when used memory > 'maxmemory'."),
            Trouble::OutOfMemory(_)
        ));
        assert!(matches!(trouble("MISCONF Errors writing to the AOF file"), Trouble::Other(_)));
    }
}
