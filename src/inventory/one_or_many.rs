//! A value, or an array of values.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IntoDeserializer, SeqAccess, Unexpected, Visitor},
};

use super::spanned::Spanned;

/// One value, or several with a place each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<Spanned<T>>),
}

/// What may be written alone or in an array.
pub(crate) trait Item: DeserializeOwned {
    /// What a message says was expected.
    const EXPECTED: &'static str;
    /// Whether it may be written as a number, `true` or `false` too, and not only as text.
    const ANY_SCALAR: bool = false;
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<T: Item> OneOrManyVisitor<T> {
    fn scalar<'de, E: Error>(
        &self,
        value: impl IntoDeserializer<'de, E>,
        found: Unexpected<'_>,
    ) -> Result<OneOrMany<T>, E> {
        if T::ANY_SCALAR {
            T::deserialize(value.into_deserializer()).map(OneOrMany::One)
        } else {
            Err(E::invalid_type(found, self))
        }
    }
}

impl<'de, T: Item> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(text.into_deserializer()).map(OneOrMany::One)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.scalar(number, Unexpected::Signed(number))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        self.scalar(truth, Unexpected::Bool(truth))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        self.scalar(number, Unexpected::Float(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(OneOrMany::Many(all))
    }
}

impl<'de, T: Item> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(transparent)]
    struct Name(String);

    impl Item for Name {
        const EXPECTED: &'static str = "a name, or an array of names";
    }

    #[derive(Debug, Deserialize)]
    struct File {
        names: OneOrMany<Name>,
    }

    fn read(value: &str) -> Result<OneOrMany<Name>, String> {
        let file: Result<File, _> = toml::from_str(&format!("names = {value}\n"));
        file.map(|file| file.names).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn one_or_several_are_read_with_their_places() {
        assert_eq!(read("\"a\""), Ok(OneOrMany::One(Name("a".to_owned()))));
        assert_eq!(read("[]"), Ok(OneOrMany::Many(Vec::new())));
        let Ok(OneOrMany::Many(many)) = read("[\"a\", \"b\"]") else { panic!("an array is many") };
        let places: Vec<_> = many.iter().map(|item| (item.value.0.as_str(), item.span.clone())).collect();
        assert_eq!(places, [("a", 9..12), ("b", 14..17)]);
    }

    #[test]
    fn anything_else_is_refused_in_the_words_of_the_item() {
        for (value, found) in
            [("7", "integer `7`"), ("true", "boolean `true`"), ("1.5", "floating point `1.5`")]
        {
            let expected = format!("invalid type: {found}, expected a name, or an array of names");
            assert_eq!(read(value), Err(expected));
        }
        assert!(read("[7]").unwrap_err().contains("expected a string"));
        assert!(read("{ a = 1 }").unwrap_err().contains("expected a name, or an array of names"));
    }
}
