//! The table of nodes that each node keeps: the text of `CLUSTER NODES`, which is also the text of
//! `nodes.conf`.

use std::net::{IpAddr, SocketAddr};

use super::slots::SlotRange;
use crate::{inventory::bus_port, units::NodeId};

/// One line: a node as another (or the same) node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    pub id: NodeId,
    /// Empty for `myself` until the node has been met.
    pub ip: String,
    pub port: u16,
    /// Of a line that does not say, as those of Redis 3, port + 10000: such an engine has no other.
    pub bus_port: u16,
    pub hostname: Option<String>,
    /// `shard-id`, `tls-port`… of newer versions.
    pub aux: Vec<(String, String)>,
    pub flags: Vec<String>,
    pub master: Option<NodeId>,
    pub ping_sent: u64,
    pub pong_received: u64,
    pub epoch: u64,
    pub connected: bool,
    pub slots: Vec<SlotRange>,
    /// Slots that are being migrated, as written: `[93-<-id]` or `[93->-id]`.
    pub moving: Vec<String>,
}

impl NodeRow {
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    pub fn is_myself(&self) -> bool {
        self.has("myself")
    }

    pub fn is_master(&self) -> bool {
        self.has("master")
    }

    pub fn is_replica(&self) -> bool {
        self.has("slave")
    }

    /// A peer that has not named itself yet: its id is a random placeholder.
    pub fn is_handshake(&self) -> bool {
        self.has("handshake")
    }

    /// Where the node answers clients, if the line says so.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.ip.parse().ok()?;
        (self.port != 0 && !self.has("noaddr")).then(|| SocketAddr::new(ip, self.port))
    }

    /// `ip:port` as written, for messages.
    pub fn written_address(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }
}

/// A whole table of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterNodes {
    pub rows: Vec<NodeRow>,
    /// From the `vars` line, which only the file has.
    pub current_epoch: Option<u64>,
}

impl ClusterNodes {
    pub fn myself(&self) -> Option<&NodeRow> {
        self.rows.iter().find(|row| row.is_myself())
    }
}

/// A line that is not one of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a cluster node: {text:?}")]
pub struct MalformedNodes {
    pub line: usize,
    pub text: String,
}

/// Reads the text of any version from 3.0 to 9.1.
pub fn parse(text: &str) -> Result<ClusterNodes, MalformedNodes> {
    let mut nodes = ClusterNodes::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(vars) = line.strip_prefix("vars ") {
            nodes.current_epoch = vars_epoch(vars);
            continue;
        }
        let malformed = || MalformedNodes { line: index + 1, text: line.chars().take(120).collect() };
        nodes.rows.push(row(line).ok_or_else(malformed)?);
    }
    Ok(nodes)
}

fn vars_epoch(vars: &str) -> Option<u64> {
    let mut words = vars.split_whitespace();
    words.find(|word| *word == "currentEpoch")?;
    words.next()?.parse().ok()
}

fn row(line: &str) -> Option<NodeRow> {
    let mut words = line.split_whitespace();
    let id = NodeId::from(words.next()?);
    let place = place(words.next()?)?;
    let flags = words.next()?.split(',').filter(|f| *f != "noflags").map(str::to_owned).collect();
    let master = words.next().map(|word| (word != "-").then(|| NodeId::from(word)))?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (ping_sent, pong_received, epoch) = (number()?, number()?, number()?);
    let connected = words.next()? == "connected";
    let (mut slots, mut moving) = (Vec::new(), Vec::new());
    for word in words {
        if word.starts_with('[') {
            moving.push(word.to_owned());
        } else {
            slots.push(word.parse().ok()?);
        }
    }
    let Place { ip, port, bus_port, hostname, aux } = place;
    Some(NodeRow {
        id,
        ip,
        port,
        bus_port,
        hostname,
        aux,
        flags,
        master,
        ping_sent,
        pong_received,
        epoch,
        connected,
        slots,
        moving,
    })
}

struct Place {
    ip: String,
    port: u16,
    bus_port: u16,
    hostname: Option<String>,
    aux: Vec<(String, String)>,
}

/// `ip:port@cport[,hostname][,key=value…]`; the colons of an IPv6 address stand before the last one.
fn place(word: &str) -> Option<Place> {
    let mut parts = word.split(',');
    let (ip, both) = parts.next()?.rsplit_once(':')?;
    let (port, bus) = both.split_once('@').map_or((both, None), |(port, bus)| (port, Some(bus)));
    let port = port.parse().ok()?;
    let (mut hostname, mut aux) = (None, Vec::new());
    for (index, part) in parts.enumerate() {
        match part.split_once('=') {
            Some((key, value)) => aux.push((key.to_owned(), value.to_owned())),
            None if index == 0 && !part.is_empty() => hostname = Some(part.to_owned()),
            None => {}
        }
    }
    Some(Place {
        ip: ip.to_owned(),
        port,
        bus_port: bus.map_or(Some(bus_port(port)), |bus| bus.parse().ok())?,
        hostname,
        aux,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REDIS_5: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002 master - 0 1426238316232 2 disconnected 5461-10922
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 7000 [93-<-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1]
vars currentEpoch 6 lastVoteEpoch 0
";

    #[test]
    fn reads_rows_of_redis_5_and_its_file() {
        let nodes = parse(REDIS_5).unwrap();
        assert_eq!(nodes.current_epoch, Some(6));
        let own = nodes.myself().unwrap();
        assert_eq!(own.address(), Some("127.0.0.1:30001".parse().unwrap()));
        assert_eq!(own.slots, [SlotRange::new(0, 5460), SlotRange::new(7000, 7000)]);
        assert_eq!(own.moving.len(), 1);
        assert!(!nodes.rows[1].connected);
        assert_eq!(nodes.rows[0].master.as_deref(), Some(&*own.id));
    }

    #[test]
    fn reads_host_names_and_aux_fields_of_newer_versions() {
        let line = "a ::1:7001@17001,db.example,tls-port=0,shard-id=ff slave,fail? b 1 2 3 connected";
        let row = parse(line).unwrap().rows.remove(0);
        assert_eq!((row.ip.as_str(), row.port, row.bus_port), ("::1", 7001, 17001));
        assert_eq!(row.hostname.as_deref(), Some("db.example"));
        assert_eq!(row.aux[1], ("shard-id".to_owned(), "ff".to_owned()));
        assert!(row.has("fail?") && row.is_replica());
        let unnamed = parse("a 1.2.3.4:1@2,,shard-id=ff master - 0 0 0 connected").unwrap();
        assert_eq!(unnamed.rows[0].hostname, None);
    }

    #[test]
    fn redis_3_does_not_say_the_bus_port_because_it_has_no_choice() {
        let rows = parse(
            "a 127.0.0.1:7001 myself,master - 0 0 1 connected 0-100\nb :0 master,noaddr - 0 0 0 connected",
        );
        let ports: Vec<(u16, u16)> = rows.unwrap().rows.iter().map(|row| (row.port, row.bus_port)).collect();
        assert_eq!(ports, [(7001, 17001), (0, 10000)]);
        assert!(parse("a 127.0.0.1:7001@ myself,master - 0 0 1 connected").is_err());
    }

    #[test]
    fn a_node_without_peers_has_no_address() {
        let nodes = parse("a :7001@17001 myself,master - 0 0 0 connected").unwrap();
        assert_eq!(nodes.rows[0].address(), None);
    }

    #[test]
    fn half_a_line_is_an_error_that_names_it() {
        assert_eq!(parse("\na 127.0.0.1:1@2 master").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*\n\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_damaged_answers(text in crate::mutated::mutated(
            "67ed2db8 127.0.0.1:30002@31002,host2 master - 0 1426238316232 2 connected 5461-10922 [93->-292f8b36]\n\
             07c37dfe 127.0.0.1:30004@31004 myself,slave 67ed2db8 0 1426238317239 4 connected\n\
             vars currentEpoch 6 lastVoteEpoch 0\n"
        )) {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_nearly_right_lines(
            place in "[0-9a-f:.]{0,20}:[0-9]{0,6}@?[0-9]{0,6},?[a-z=,]{0,9}",
            tail in "[0-9a-z ?,\\[\\]<>-]{0,60}",
        ) {
            let _ = parse(&format!("id {place} {tail}"));
        }
    }
}
