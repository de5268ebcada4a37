//! Where secrets are kept: `auth = "generate"` or `"none"`, a credential `= "ask"`, and for both `{ env = "VARIABLE" }` or
//! `{ file = "path" }`.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::inventory::spanned::Spanned;

/// The cluster's password.
pub(in crate::inventory) type Auth = SourceKind<AuthWord>;

/// A credential of the person who runs provision.
pub(in crate::inventory) type Kept = SourceKind<Ask>;

/// Where a secret is kept: a word of its own, or a table.
#[derive(Debug)]
pub(in crate::inventory) enum SourceKind<W> {
    Word(W),
    Table(SecretTable),
    /// Some other text, most likely the secret itself. It is read so that it can be refused without being shown.
    Literal,
}

/// A word that stands for a place, and what an editor shows of it.
pub(in crate::inventory) trait Word: Sized {
    /// The words, with a description each.
    const WORDS: &'static [(&'static str, &'static str)];
    const NAME: &'static str;

    fn of(text: &str) -> Option<Self>;
}

#[derive(Debug)]
pub(in crate::inventory) enum AuthWord {
    Generate,
    None,
}

impl Word for AuthWord {
    const WORDS: &'static [(&'static str, &'static str)] = &[
        ("generate", "Drawn at random on first use, and kept beside the inventory with mode 0600."),
        ("none", "No password: whoever reaches the ports may read and write."),
    ];
    const NAME: &'static str = "Auth";

    fn of(text: &str) -> Option<Self> {
        match text {
            "generate" => Some(Self::Generate),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(in crate::inventory) struct Ask;

impl Word for Ask {
    const WORDS: &'static [(&'static str, &'static str)] =
        &[("ask", "Asked for on the terminal, once a run.")];
    const NAME: &'static str = "Credential";

    fn of(text: &str) -> Option<Self> {
        (text == "ask").then_some(Self)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(in crate::inventory) struct SecretTable {
    pub(in crate::inventory) env: Option<Spanned<String>>,
    pub(in crate::inventory) file: Option<Spanned<String>>,
}

struct PlaceVisitor<W>(PhantomData<W>);

impl<'de, W: Word> Visitor<'de> for PlaceVisitor<W> {
    type Value = SourceKind<W>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, _) in W::WORDS {
            write!(f, "\"{word}\", ")?;
        }
        f.write_str("{ env = \"VARIABLE\" } or { file = \"path\" }")
    }

    fn visit_str<E>(self, text: &str) -> Result<SourceKind<W>, E> {
        Ok(W::of(text).map_or(SourceKind::Literal, SourceKind::Word))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SourceKind<W>, A::Error> {
        SecretTable::deserialize(MapAccessDeserializer::new(map)).map(SourceKind::Table)
    }
}

impl<'de, W: Word> Deserialize<'de> for SourceKind<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor(PhantomData))
    }
}

impl<W: Word> JsonSchema for SourceKind<W> {
    fn schema_name() -> Cow<'static, str> {
        W::NAME.into()
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
        let words = W::WORDS.iter().map(|(word, what)| json_schema!({ "const": word, "description": what }));
        let all: Vec<Schema> = words
            .chain([
                kept_in("env", "The environment variable that holds it."),
                kept_in("file", "The file whose first line it is, relative to the inventory."),
            ])
            .collect();
        json_schema!({ "description": "Where the secret is kept.", "oneOf": all })
    }
}
