//! The proof that writes travel: a probe key for each master, followed to every replica and through the wrong
//! node.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::join_all;

use crate::{
    cluster::observe::{Observed, View},
    redis::{InfoSection, NodeReader, ProbeKey, ProbeTrouble, ProbeWriter, Query, ReplicationInfo, Reply},
};

/// What became of one master's probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriteProbe {
    pub(super) key: ProbeKey,
    /// Why it could not be written, or read back.
    pub(super) trouble: Option<String>,
    /// The master's offset right after the write.
    pub(super) offset: u64,
    /// How many replicas WAIT counted, of how many.
    pub(super) acknowledged: (i64, usize),
    /// What each replica read, and its offset then.
    pub(super) replicas: BTreeMap<SocketAddr, (Result<(), String>, u64)>,
    /// The way through a node that does not own the slot, or what went wrong on it.
    pub(super) redirect: Option<Result<String, String>>,
    /// Whether the key is gone again.
    pub(super) removed: bool,
}

/// One probe a master, all at the same time.
pub(super) async fn run(reader: &NodeReader<'_>, observed: &Observed) -> BTreeMap<SocketAddr, WriteProbe> {
    let run = Prober { reader, writer: ProbeWriter::new(reader), observed };
    let masters: Vec<(SocketAddr, &View)> = observed.slot_owners().collect();
    let probes = masters.iter().map(|(master, view)| {
        let other = masters.iter().map(|(other, _)| *other).find(|other| other != master);
        run.probe(*master, view, other)
    });
    join_all(probes).await.into_iter().collect()
}

struct Prober<'a> {
    reader: &'a NodeReader<'a>,
    writer: ProbeWriter<'a>,
    observed: &'a Observed,
}

impl Prober<'_> {
    async fn probe(
        &self,
        master: SocketAddr,
        view: &View,
        other: Option<SocketAddr>,
    ) -> (SocketAddr, WriteProbe) {
        let own = view.myself();
        let owns = |slot| own.is_some_and(|own| own.slots.iter().any(|range| range.contains(slot)));
        let replicas: Vec<SocketAddr> =
            self.observed.replicas_of(&view.id).map(|(replica, _)| replica).collect();
        let mut probe = WriteProbe {
            key: self.writer.key(owns),
            trouble: None,
            offset: 0,
            acknowledged: (0, replicas.len()),
            replicas: BTreeMap::new(),
            redirect: None,
            removed: false,
        };
        self.write(&mut probe, master).await;
        if probe.trouble.is_none() {
            probe.replicas = self.read_replicas(&probe.key, &replicas).await;
            if let Some(other) = other {
                probe.redirect = Some(self.follow_redirect(&probe.key, other).await);
            }
        }
        let removed = self.writer.remove(master, &probe.key, probe.acknowledged.0).await;
        probe.removed = removed.unwrap_or(false);
        (master, probe)
    }

    async fn write(&self, probe: &mut WriteProbe, master: SocketAddr) {
        match self.writer.write(master, &probe.key, probe.acknowledged.1).await {
            Err(error) => probe.trouble = Some(error.to_string()),
            Ok(write) => {
                probe.trouble = write.trouble.map(|trouble| match trouble {
                    ProbeTrouble::Refused(error) => format!("{master} answered {error}"),
                    ProbeTrouble::NotReadBack => format!("{master} did not read back what was written"),
                });
                probe.offset = write.offset;
                probe.acknowledged.0 = write.acknowledged;
            }
        }
    }

    async fn read_replicas(
        &self,
        key: &ProbeKey,
        replicas: &[SocketAddr],
    ) -> BTreeMap<SocketAddr, (Result<(), String>, u64)> {
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

    /// Asks a node that does not own the slot, and follows where it points.
    async fn follow_redirect(&self, key: &ProbeKey, wrong: SocketAddr) -> Result<String, String> {
        let get = [Query::Get(key.name().to_owned())];
        let first = |replies: Vec<Reply>| replies.into_iter().next().unwrap_or(Reply::Nil);
        let reply = first(self.reader.read(wrong, &get).await.map_err(|error| error.to_string())?);
        let (slot, target) = redirect(wrong, &reply)?;
        let there = first(self.reader.read(target, &get).await.map_err(|error| error.to_string())?);
        if there.text() != self.writer.value() {
            return Err(format!("{wrong} points to {target}, which does not have the key"));
        }
        Ok(format!("asked {wrong}: Redirected to slot [{slot}] located at {target}"))
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

/// The slot and the address of `MOVED 3999 127.0.0.1:7002`.
fn redirect(wrong: SocketAddr, reply: &Reply) -> Result<(String, SocketAddr), String> {
    let moved = reply.error().and_then(|text| text.strip_prefix("MOVED ")?.split_once(' '));
    let (slot, place) = moved.ok_or_else(|| format!("{wrong} answered {reply:?} instead of MOVED"))?;
    let target = place.parse().map_err(|_| format!("{wrong} points to {place}, which is no address"))?;
    Ok((slot.to_owned(), target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
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
    fn moved_names_slot_and_address() {
        let moved = Reply::Error("MOVED 3999 127.0.0.1:7002".to_owned());
        assert_eq!(redirect(at("127.0.0.1:7001"), &moved), Ok(("3999".to_owned(), at("127.0.0.1:7002"))));
    }

    #[test]
    fn anything_else_than_moved_is_a_fault() {
        let wrong = at("127.0.0.1:7001");
        assert!(redirect(wrong, &text("v")).unwrap_err().contains("instead of MOVED"));
        let nowhere = Reply::Error("MOVED 3999 ?:7002".to_owned());
        assert_eq!(
            redirect(wrong, &nowhere),
            Err("127.0.0.1:7001 points to ?:7002, which is no address".to_owned())
        );
    }
}
