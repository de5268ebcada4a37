//! `nodes = 6`, or `nodes = { ips = "127.0.1.1-6", port = 6379 }`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::inventory::spanned::Spanned;

/// The nodes of one host.
#[derive(Debug)]
pub(in crate::inventory) enum Nodes {
    /// So many, on consecutive ports.
    Count(i64),
    /// One for each address, all on the same port.
    Simulated(SimulatedTable),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(in crate::inventory) struct SimulatedTable {
    pub(in crate::inventory) ips: Option<Spanned<Ips>>,
    pub(in crate::inventory) port: Option<Spanned<i64>>,
}

/// A range or an address, or an array of those.
#[derive(Debug)]
pub(in crate::inventory) enum Ips {
    One(String),
    Many(Vec<Spanned<String>>),
}

struct NodesVisitor;

impl<'de> Visitor<'de> for NodesVisitor {
    type Value = Nodes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or { ips = \"127.0.1.1-6\", port = 6379 }")
    }

    fn visit_i64<E>(self, count: i64) -> Result<Nodes, E> {
        Ok(Nodes::Count(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Nodes, A::Error> {
        SimulatedTable::deserialize(MapAccessDeserializer::new(map)).map(Nodes::Simulated)
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodesVisitor)
    }
}

struct IpsVisitor;

impl<'de> Visitor<'de> for IpsVisitor {
    type Value = Ips;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range such as \"127.0.1.1-6\", or an array of addresses")
    }

    fn visit_str<E>(self, text: &str) -> Result<Ips, E> {
        Ok(Ips::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ips, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Ips::Many(all))
    }
}

impl<'de> Deserialize<'de> for Ips {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IpsVisitor)
    }
}

impl JsonSchema for Nodes {
    fn schema_name() -> Cow<'static, str> {
        "Nodes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many nodes, on consecutive ports; or the addresses to simulate, one node each.",
            "oneOf": [
                { "type": "integer", "minimum": 1 },
                {
                    "type": "object",
                    "properties": {
                        "ips": {
                            "description": "A range such as 127.0.1.1-6, or an array of addresses.",
                            "oneOf": [
                                { "type": "string" },
                                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                            ],
                        },
                        "port": {
                            "description": "The port every node listens on; the cluster's where it is not given.",
                            "type": "integer", "minimum": 1, "maximum": 22767,
                        },
                    },
                    "required": ["ips"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
