//! The proof that writes travel: a write probe for each master, followed to every replica and through the wrong node.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;

use crate::{
    cluster::{Observed, View},
    redis::{Command, Reply, Servers, slot_of_key, words},
};

/// How long WAIT waits for the replicas.
const WAIT_MS: u32 = 2_000;
/// Seconds after which a write probe expires, should this process die first.
const EXPIRES: u32 = 60;

/// What became of one master's probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriteProbe {
    pub(super) key: String,
    pub(super) slot: u16,
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

/// One write probe a master, all at the same time.
pub(super) async fn run(servers: &Servers, observed: &Observed) -> BTreeMap<SocketAddr, WriteProbe> {
    let nonce = nonce();
    let masters: Vec<(SocketAddr, &View)> = observed
        .views()
        .filter(|(_, view)| view.myself().is_some_and(|own| own.is_master() && !own.slots.is_empty()))
        .collect();
    let flights = masters.iter().map(|(master, view)| {
        let other = masters.iter().map(|(other, _)| *other).find(|other| other != master);
        one(servers, observed, (*master, view), other, &nonce)
    });
    join_all(flights).await.into_iter().collect()
}

/// Different for every run, so that two of them never meet on a key.
fn nonce() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}{:x}", since.as_nanos(), std::process::id())
}

async fn one(
    servers: &Servers,
    observed: &Observed,
    (master, view): (SocketAddr, &View),
    other: Option<SocketAddr>,
    nonce: &str,
) -> (SocketAddr, WriteProbe) {
    let (key, slot) = key(view, nonce);
    let replicas: Vec<SocketAddr> = observed
        .views()
        .filter(|(_, peer)| peer.myself().is_some_and(|own| own.master.as_deref() == Some(&view.id)))
        .map(|(replica, _)| replica)
        .collect();
    let mut probe = WriteProbe {
        key,
        slot,
        trouble: None,
        offset: 0,
        acknowledged: (0, replicas.len()),
        replicas: BTreeMap::new(),
        redirect: None,
        removed: false,
    };
    probe.write(servers, master, nonce).await;
    if probe.trouble.is_none() {
        probe.read_replicas(servers, &replicas, nonce).await;
        if let Some(other) = other {
            probe.redirect = Some(probe.follow(servers, other, nonce).await);
        }
    }
    probe.remove(servers, master).await;
    (master, probe)
}

/// The first key of the run that the master owns: as many tries as there are masters, on average.
fn key(view: &View, nonce: &str) -> (String, u16) {
    let owns =
        |slot: u16| view.myself().is_some_and(|own| own.slots.iter().any(|range| range.contains(slot)));
    let tries = (0u32..1_000_000).map(|n| format!("provision:probe:{nonce}:{n}"));
    let mut found = tries.map(|key| (slot_of_key(&key), key)).filter(|(slot, _)| owns(*slot));
    found.next().map_or_else(|| (format!("provision:probe:{nonce}"), 0), |(slot, key)| (key, slot))
}

impl WriteProbe {
    async fn write(&mut self, servers: &Servers, master: SocketAddr, nonce: &str) {
        let (key, wanted) = (&self.key, self.acknowledged.1);
        let commands = [
            words(&format!("SET {key} {nonce} EX {EXPIRES}")),
            words("INFO replication"),
            words(&format!("WAIT {wanted} {WAIT_MS}")),
            words(&format!("GET {key}")),
        ];
        match servers.write(master, &commands).await {
            Err(error) => self.trouble = Some(error.to_string()),
            Ok(replies) => {
                if let Some(error) = replies.iter().find_map(Reply::error) {
                    self.trouble = Some(format!("{master} answered {error}"));
                } else if replies[3].text() != nonce {
                    self.trouble = Some(format!("{master} did not read back what was written"));
                }
                self.offset = number(&replies[1], "master_repl_offset");
                self.acknowledged.0 = replies[2].int().unwrap_or(0);
            }
        }
    }

    async fn read_replicas(&mut self, servers: &Servers, replicas: &[SocketAddr], nonce: &str) {
        let get = format!("GET {}", self.key);
        let commands: Vec<Command> = ["READONLY", &get, "READWRITE", "INFO replication"].map(words).to_vec();
        let asked = replicas.iter().map(|replica| (*replica, commands.clone())).collect();
        for (replica, replies) in servers.read_each(asked).await {
            let read = match replies {
                Err(error) => (Err(error.to_string()), 0),
                Ok(replies) => {
                    let same = replies[1].text() == nonce;
                    let said = replies[1].error().unwrap_or("nothing").to_owned();
                    (if same { Ok(()) } else { Err(said) }, number(&replies[3], "slave_repl_offset"))
                }
            };
            self.replicas.insert(replica, read);
        }
    }

    /// Asks a node that does not own the slot, and follows where it points.
    async fn follow(&self, servers: &Servers, wrong: SocketAddr, nonce: &str) -> Result<String, String> {
        let get = [words(&format!("GET {}", self.key))];
        let reply = servers.read(wrong, &get).await.map_err(|error| error.to_string())?.swap_remove(0);
        let moved = reply.error().and_then(|text| text.strip_prefix("MOVED ")).map(str::to_owned);
        let Some((slot, place)) = moved.as_deref().and_then(|text| text.split_once(' ')) else {
            return Err(format!("{wrong} answered {reply:?} instead of MOVED"));
        };
        let target: SocketAddr =
            place.parse().map_err(|_| format!("{wrong} points to {place}, which is no address"))?;
        let there = servers.read(target, &get).await.map_err(|error| error.to_string())?.swap_remove(0);
        if there.text() != nonce {
            return Err(format!("{wrong} points to {target}, which does not have the key"));
        }
        Ok(format!("asked {wrong}: Redirected to slot [{slot}] located at {target}"))
    }

    async fn remove(&mut self, servers: &Servers, master: SocketAddr) {
        let (key, replicas) = (&self.key, self.acknowledged.0);
        let commands = [format!("DEL {key}"), format!("EXISTS {key}"), format!("WAIT {replicas} {WAIT_MS}")]
            .map(|text| words(&text));
        let replies = servers.write(master, &commands).await;
        self.removed = replies.is_ok_and(|replies| replies[1] == Reply::Int(0));
    }
}

fn number(info: &Reply, key: &str) -> u64 {
    let line = info.text().lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
