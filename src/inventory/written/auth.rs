//! `auth = "generate"`, `{ env = "VARIABLE" }` or `{ file = "path" }`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::inventory::at::At;

/// Where the password is kept.
#[derive(Debug)]
pub(in crate::inventory) enum Auth {
    Generate,
    Table(AuthTable),
    /// Some other text, most likely the password itself. It is read so that it can be refused without being shown.
    Literal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(in crate::inventory) struct AuthTable {
    pub(in crate::inventory) env: Option<At<String>>,
    pub(in crate::inventory) file: Option<At<String>>,
}

struct AuthVisitor;

impl<'de> Visitor<'de> for AuthVisitor {
    type Value = Auth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"generate\", { env = \"VARIABLE\" } or { file = \"path\" }")
    }

    fn visit_str<E>(self, text: &str) -> Result<Auth, E> {
        Ok(if text == "generate" { Auth::Generate } else { Auth::Literal })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Auth, A::Error> {
        AuthTable::deserialize(MapAccessDeserializer::new(map)).map(Auth::Table)
    }
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AuthVisitor)
    }
}

impl JsonSchema for Auth {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kept_in = |key: &str, description: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "minLength": 1, "description": description } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "Where the password is kept.",
            "oneOf": [
                {
                    "const": "generate",
                    "description": "Drawn at random on first use, and kept beside the inventory with mode 0600.",
                },
                kept_in("env", "The environment variable that holds it."),
                kept_in("file", "The file whose first line it is, relative to the inventory."),
            ],
        })
    }
}
