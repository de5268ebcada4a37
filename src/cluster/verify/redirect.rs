//! Where a node sends a client that asked it for a key of another node. Only reads.

use std::{collections::BTreeMap, net::IpAddr};

use futures_util::future::join_all;

use crate::{
    cluster::observe::Observed,
    inventory::NodeRef,
    redis::{NodeReader, ProbeKey, Query, Reply},
};

/// What one node answered for a slot of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    /// The node that was asked.
    pub(super) asked: NodeRef,
    pub(super) slot: u16,
    pub(super) answer: Answer,
}

/// The answer of a node that does not own the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// `MOVED`: the owner, as clients are to reach it.
    Moved { slot: u16, endpoint: Endpoint, port: u16 },
    /// Anything else.
    Other(String),
    /// It cannot be said now: the slot is on the move, the node serves nothing, or it gave no answer.
    Later(String),
}

/// The host of an answer, by `cluster-preferred-endpoint-type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Ip(IpAddr),
    Hostname(String),
    /// `unknown-endpoint`: the host the client already talks to.
    Same,
    /// `?`: a host name was to be told, and the owner has none.
    Nameless,
}

/// Asks, for each master with a slot, another node for a key of that slot. Masters that are alone have no
/// answer.
pub(super) async fn ask(
    reader: &NodeReader<'_>,
    observed: &Observed,
    keys: &BTreeMap<NodeRef, ProbeKey>,
) -> BTreeMap<NodeRef, Redirect> {
    let masters: Vec<NodeRef> = observed.slot_owners().map(|(master, _)| master).collect();
    let asking = keys.iter().filter_map(|(owner, key)| {
        let asked = *masters.iter().find(|master| *master != owner)?;
        Some(async move {
            let reply = reader.read(asked, &[Query::Get(key.name().to_owned())]).await;
            let answer = match reply.map(|replies| replies.into_iter().next().unwrap_or(Reply::Nil)) {
                Ok(reply) => answer(&reply),
                Err(error) => Answer::Later(format!("it gave no answer: {error}")),
            };
            (*owner, Redirect { asked, slot: key.slot(), answer })
        })
    });
    join_all(asking).await.into_iter().collect()
}

fn answer(reply: &Reply) -> Answer {
    let Some(text) = reply.error() else { return Answer::Other(format!("it answered {reply:?}")) };
    if let Some(moved) = text.strip_prefix("MOVED ").and_then(moved) {
        return moved;
    }
    let passing = ["ASK ", "TRYAGAIN", "CLUSTERDOWN", "LOADING"];
    let is_passing = passing.iter().any(|prefix| text.starts_with(prefix));
    let said = format!("it answered {text}");
    if is_passing { Answer::Later(said) } else { Answer::Other(said) }
}

/// `3999 127.0.0.1:7002`. An IPv6 address stands without brackets: the last colon ends it.
fn moved(text: &str) -> Option<Answer> {
    let (slot, place) = text.split_once(' ')?;
    let (host, port) = place.rsplit_once(':')?;
    let endpoint = match host.parse() {
        Ok(ip) => Endpoint::Ip(ip),
        Err(_) if host.is_empty() => Endpoint::Same,
        Err(_) if host == "?" => Endpoint::Nameless,
        Err(_) => Endpoint::Hostname(host.to_owned()),
    };
    Some(Answer::Moved { slot: slot.parse().ok()?, endpoint, port: port.parse().ok()? })
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Hostname(name) => f.write_str(name),
            Self::Same => f.write_str("(the same host)"),
            Self::Nameless => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Answer {
        answer(&Reply::Error(text.to_owned()))
    }

    fn moved_to(endpoint: Endpoint) -> Answer {
        Answer::Moved { slot: 3999, endpoint, port: 7002 }
    }

    #[test]
    fn moved_names_slot_host_and_port() {
        let ip = |text: &str| Endpoint::Ip(text.parse().unwrap());
        assert_eq!(error("MOVED 3999 127.0.0.1:7002"), moved_to(ip("127.0.0.1")));
        assert_eq!(error("MOVED 3999 fd77::11:7002"), moved_to(ip("fd77::11")));
    }

    #[test]
    fn every_kind_of_endpoint_is_understood() {
        let name = Endpoint::Hostname("n1.example".to_owned());
        assert_eq!(error("MOVED 3999 n1.example:7002"), moved_to(name));
        assert_eq!(error("MOVED 3999 :7002"), moved_to(Endpoint::Same));
        assert_eq!(error("MOVED 3999 ?:7002"), moved_to(Endpoint::Nameless));
    }

    #[test]
    fn a_slot_on_the_move_is_no_fault() {
        for text in ["ASK 3999 127.0.0.1:7002", "TRYAGAIN x", "CLUSTERDOWN Hash slot not served"] {
            assert_eq!(error(text), Answer::Later(format!("it answered {text}")));
        }
    }

    #[test]
    fn anything_else_is_a_fault() {
        for reply in [Reply::Nil, Reply::Text("v".to_owned()), Reply::Error("MOVED x".to_owned())] {
            assert!(matches!(answer(&reply), Answer::Other(_)), "{reply:?}");
        }
    }
}
