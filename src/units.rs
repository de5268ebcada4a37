//! Names that must not be mixed up: each is a type of its own, and plain text wherever it is serialized.
//!
//! ```compile_fail,E0308
//! # use provision::units::{HostName, NodeName};
//! fn lock(host: &HostName) {}
//! lock(&NodeName::from("7001")); // error: expected `&HostName`, found `&NodeName`
//! ```

use std::{borrow::Borrow, fmt, ops::Deref};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as plain text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    };
}

name! {
    /// A host's name in the inventory.
    HostName
}

name! {
    /// A node's name on its host: `7001`, or `127.0.1.1-6379` where a host simulates addresses.
    NodeName
}

name! {
    /// A node's identity in its cluster, which the engine draws at the first start: 40 hex digits in every
    /// known version.
    NodeId
}

/// A node's name in its fleet: on its host, `HOST/NODE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName {
    pub host: HostName,
    pub node: NodeName,
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.node)
    }
}

impl std::str::FromStr for MemberName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((host, node)) if !host.is_empty() && !node.is_empty() => {
                Ok(Self { host: host.into(), node: node.into() })
            }
            _ => Err(format!("`{text}` is no node: write HOST/NODE, as in redis-191/7001")),
        }
    }
}

impl TryFrom<String> for MemberName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> Self {
        name.to_string()
    }
}

name! {
    /// A step's name in a playbook.
    StepName
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_name_is_plain_text_in_json() {
        let id = NodeId::from("07c37d");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"07c37d\"");
        assert_eq!(serde_json::from_str::<NodeId>("\"07c37d\"").unwrap(), id);
    }

    #[test]
    fn a_name_is_the_key_of_a_json_object() {
        let map = BTreeMap::from([(HostName::from("redis-1"), 1)]);
        assert_eq!(serde_json::to_string(&map).unwrap(), "{\"redis-1\":1}");
    }

    #[test]
    fn maps_are_searched_by_text() {
        let map = BTreeMap::from([(StepName::from("tune"), 1)]);
        assert_eq!(map.get("tune"), Some(&1));
    }

    #[test]
    fn a_member_is_a_node_on_its_host() {
        let name: MemberName = "redis-1/7001".parse().unwrap();
        assert_eq!((name.host.as_str(), name.node.as_str()), ("redis-1", "7001"));
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"redis-1/7001\"");
        for text in ["7001", "/7001", "redis-1/", ""] {
            assert!(text.parse::<MemberName>().is_err(), "{text}");
        }
    }

    #[test]
    fn width_in_a_format_applies() {
        assert_eq!(format!("[{:>6}]", NodeName::from("7001")), "[  7001]");
    }
}
