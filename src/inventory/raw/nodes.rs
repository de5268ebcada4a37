//! `nodes = 6`, or `nodes = { ips = "127.0.1.1-6", port = 6379 }`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::inventory::{
    one_or_many::{Item, OneOrMany},
    spanned::Spanned,
};

/// The nodes of one host.
#[derive(Debug)]
pub(in crate::inventory) enum Nodes {
    /// This many, on consecutive ports.
    Count(i64),
    /// One for each address, all on the same port.
    Simulated(SimulatedTable),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(in crate::inventory) struct SimulatedTable {
    pub(in crate::inventory) ips: Option<Spanned<OneOrMany<AddressRange>>>,
    pub(in crate::inventory) port: Option<Spanned<i64>>,
}

/// An address, or a range of addresses.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::inventory) struct AddressRange(pub(in crate::inventory) String);

impl Item for AddressRange {
    const EXPECTED: &'static str = "a range such as \"127.0.1.1-6\", or an array of addresses";
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
                            "type": "integer", "minimum": 1, "maximum": 65535,
                        },
                    },
                    "required": ["ips"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
