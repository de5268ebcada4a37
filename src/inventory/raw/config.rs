//! The engine's directives: text, a whole number, true or false, or several of those.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::inventory::spanned::Spanned;

/// `directive = value` lines with their places.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Config(pub(in crate::inventory) Vec<(Spanned<String>, Spanned<Values>)>);

/// One line of the engine's file, or several of the same directive.
#[derive(Debug)]
pub(in crate::inventory) enum Values {
    One(Scalar),
    Many(Vec<Spanned<Scalar>>),
}

/// A value as the engine's file writes it; `true` is `yes` there.
#[derive(Debug)]
pub(in crate::inventory) struct Scalar(pub(in crate::inventory) String);

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

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a whole number, true or false, or an array of those (one line each)")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Values, E> {
        ScalarVisitor.visit_str(text).map(Values::One)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Values, E> {
        ScalarVisitor.visit_i64(number).map(Values::One)
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Values, E> {
        ScalarVisitor.visit_bool(yes).map(Values::One)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Values, E> {
        ScalarVisitor.visit_f64(number).map(Values::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Values, A::Error> {
        let mut lines = Vec::new();
        while let Some(line) = items.next_element()? {
            lines.push(line);
        }
        Ok(Values::Many(lines))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesVisitor)
    }
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
