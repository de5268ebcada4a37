//! Who a node is, and where it is found. Its name is its identity; addresses are attributes that may change.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    net::SocketAddr,
    str::FromStr,
};

use internment::Intern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ports::bus_port;
use crate::units::MemberName;

/// The sockets of a node: the one for clients, and the port of the cluster bus on the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Endpoints {
    pub client: SocketAddr,
    pub bus_port: u16,
}

impl Endpoints {
    /// Those of a node whose bus port is the engine's own choice: the client port + 10000.
    pub fn at(client: SocketAddr) -> Self {
        Self { client, bus_port: bus_port(client.port()) }
    }

    /// Where the cluster bus is.
    pub fn bus(&self) -> SocketAddr {
        SocketAddr::new(self.client.ip(), self.bus_port)
    }
}

/// As the engine writes it in `CLUSTER NODES`: `10.0.0.1:7001@17001`.
impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.client, self.bus_port)
    }
}

/// A node of the fleet, wherever one is passed around: its name, which is its identity, and what it announces
/// to clients and peers. Two are equal if their names are. Cheap to copy: each is kept once, until the
/// process ends. A message shows the address that clients use; in JSON it is
/// `redis-191/7001@192.168.2.191:7001@17001`.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct NodeRef(Intern<Announced>);

#[derive(PartialEq, Eq, Hash)]
struct Announced {
    member: MemberName,
    endpoints: Endpoints,
}

impl NodeRef {
    /// A node of this name that announces these sockets.
    pub fn new(member: MemberName, endpoints: Endpoints) -> Self {
        Self(Intern::new(Announced { member, endpoints }))
    }

    /// Its name in the fleet.
    pub fn member(self) -> &'static MemberName {
        &self.0.as_ref().member
    }

    /// The sockets that clients and peers use.
    pub fn announced(self) -> Endpoints {
        self.0.endpoints
    }

    /// The address that clients use.
    pub fn address(self) -> SocketAddr {
        self.0.endpoints.client
    }
}

impl PartialEq for NodeRef {
    fn eq(&self, other: &Self) -> bool {
        self.member() == other.member()
    }
}

impl Eq for NodeRef {}

impl Hash for NodeRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.member().hash(state);
    }
}

impl PartialOrd for NodeRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.member().cmp(other.member())
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

impl fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl From<NodeRef> for String {
    fn from(node: NodeRef) -> Self {
        format!("{}@{}", node.member(), node.announced())
    }
}

impl FromStr for NodeRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (rest, bus_port) = text.rsplit_once('@')?;
            let (member, client) = rest.rsplit_once('@')?;
            let endpoints = Endpoints { client: client.parse().ok()?, bus_port: bus_port.parse().ok()? };
            Some(Self::new(member.parse().ok()?, endpoints))
        };
        parsed().ok_or_else(|| format!("`{text}` is no node: HOST/NODE@ADDRESS:PORT@BUS-PORT"))
    }
}

impl TryFrom<String> for NodeRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn node(member: &str, client: &str) -> NodeRef {
        NodeRef::new(member.parse().unwrap(), Endpoints::at(client.parse().unwrap()))
    }

    #[test]
    fn a_node_is_its_name_wherever_it_answers() {
        let (before, after) = (node("n1/7001", "10.0.0.1:7001"), node("n1/7001", "10.0.0.9:7001"));
        assert_eq!(before, after);
        assert_ne!(before, node("n2/7001", "10.0.0.1:7001"));
        assert_eq!(BTreeMap::from([(before, 1)]).get(&after), Some(&1));
        assert_eq!((before.to_string(), after.to_string()), ("10.0.0.1:7001".into(), "10.0.0.9:7001".into()));
    }

    #[test]
    fn json_keeps_name_and_sockets_also_as_the_key_of_an_object() {
        let map = BTreeMap::from([(node("n1/7001", "[fd77::11]:7001"), 1)]);
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, "{\"n1/7001@[fd77::11]:7001@17001\":1}");
        let read: BTreeMap<NodeRef, i32> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.keys().next().unwrap().announced(), node("x/y", "[fd77::11]:7001").announced());
        for text in ["", "n1/7001", "n1/7001@10.0.0.1:7001", "7001@10.0.0.1:7001@17001", "n1/7001@x:1@2"] {
            assert!(text.parse::<NodeRef>().is_err(), "{text}");
        }
    }
}
