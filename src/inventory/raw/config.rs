//! The engine's directives: text, a whole number, true or false, or several of those.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

use crate::inventory::{
    one_or_many::{Item, OneOrMany},
    spanned::Spanned,
};

/// `directive = value` lines with their places.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Config(pub(in crate::inventory) Vec<(Spanned<String>, Spanned<Values>)>);

/// One line of the engine's file, or several of the same directive.
pub(in crate::inventory) type Values = OneOrMany<Scalar>;

/// A value as the engine's file writes it; `true` is `yes` there.
#[derive(Debug)]
pub(in crate::inventory) struct Scalar(pub(in crate::inventory) String);

impl Scalar {
    /// The value as it stands in the engine's file, which reads nothing as a missing argument and `""` as an
    /// empty one.
    pub(in crate::inventory) fn line(&self) -> String {
        let value = self.0.trim();
        if value.is_empty() { "\"\"".to_owned() } else { value.to_owned() }
    }
}

struct ConfigVisitor;

impl<'de> Visitor<'de> for ConfigVisitor {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of the engine's directives")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Config(entries))
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ConfigVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a whole number, or true or false")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Scalar, E> {
        Ok(Scalar(if yes { "yes" } else { "no" }.to_owned()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Err(E::custom(format!(
            "a number with a fraction can be written in many ways; put it in quotes: \"{number}\""
        )))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl Item for Scalar {
    const EXPECTED: &'static str =
        "text, a whole number, true or false, or an array of those (one line each)";
    const ANY_SCALAR: bool = true;
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "Directives".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Values>::json_schema(generator)
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "DirectiveValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The directive's value; an array writes the directive once for each item.",
            "type": ["string", "integer", "boolean", "array"],
            "items": { "type": ["string", "integer", "boolean"] },
            "minItems": 1,
        })
    }
}
