//! Serde's and TOML's messages in words for the user who wrote the file.

use std::ops::Range;

/// Keys that users try here, and that have another name or need not be written.
const MISPLACED: &[(&str, &str)] = &[
    ("masters", "masters follow from the nodes: nodes / (replicas + 1); set `replicas` and `nodes`"),
    ("shards", "shards follow from the nodes: nodes / (replicas + 1); set `replicas` and `nodes`"),
    ("password", "passwords are never written here: set `auth = \"generate\"` in [cluster]"),
    ("requirepass", "passwords are never written here: set `auth = \"generate\"` in [cluster]"),
    ("ip", "where the host answers is its `address`"),
    ("user", "the account to log in with is `user` in [ssh]"),
    ("maxmemory", "the engine's own directives are set in [cluster.config]"),
    ("ports", "the first node's port is `port` in [cluster]; the others follow it"),
];

/// The candidate the writer most likely meant. Case, `-` and `_` do not count; a third of the letters may
/// differ.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= word.len().max(candidate.len()).max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or else what there is to choose from.
pub(crate) fn suggest(word: &str, candidates: &[&str]) -> String {
    match did_you_mean(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("choose one of {}", quoted(candidates)),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A refused key: its name, and the keys the table takes.
pub(super) struct UnknownKey<'a> {
    pub(super) name: &'a str,
    pub(super) known: Vec<&'a str>,
}

impl<'a> UnknownKey<'a> {
    /// Reads serde's message, the only place that has both.
    pub(super) fn read(message: &'a str) -> Option<Self> {
        let rest = message.strip_prefix("unknown field ")?;
        let mut words = rest.split('`').skip(1).step_by(2);
        Some(Self { name: words.next()?, known: words.collect() })
    }

    pub(super) fn meant(&self) -> Option<&'a str> {
        did_you_mean(self.name, self.known.iter().copied())
    }

    pub(super) fn help(&self) -> String {
        if self.meant().is_some() {
            return suggest(self.name, &self.known);
        }
        let misplaced = did_you_mean(self.name, MISPLACED.iter().map(|(word, _)| *word));
        match MISPLACED.iter().find(|(word, _)| Some(*word) == misplaced) {
            Some((_, help)) => (*help).to_owned(),
            None => format!("the keys known here are {}", quoted(&self.known)),
        }
    }
}

/// "expected a whole number, found a string".
pub(super) fn mismatch(message: &str) -> Option<String> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.split_once(", expected ")?;
    let found = match found.split(' ').next()? {
        "string" => "a string",
        "integer" => "a whole number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "sequence" => "an array",
        "map" => "a table",
        _ => found,
    };
    let expected = match expected {
        "i64" => "a whole number",
        "a sequence" => "an array",
        "a map" => "a table",
        "a boolean" => "true or false",
        other => other,
    };
    Some(format!("expected {expected}, found {found}"))
}

/// How to write what was expected.
pub(super) fn type_help(key: &str, words: &str) -> String {
    match words.split_once(", found ").map_or(words, |(expected, _)| expected) {
        "expected a whole number" => format!("write digits without quotes, such as {key} = 1"),
        "expected a string" => format!("write one text in quotes: {key} = \"…\""),
        "expected an array" => {
            format!("write {key} = [ … ]; for an array of tables each one starts with [[{key}]]")
        }
        table if table.starts_with("expected a table") => format!("write a table: {key} = {{ … }}"),
        _ => format!("write `{key}` in one of these ways"),
    }
}

/// The commonest slip is a value without quotes; anything else is left to the parser's own words.
pub(super) fn syntax_help(text: &str, span: &Range<usize>, message: &str) -> String {
    if message.contains("duplicate key") {
        return "a key or table may be written only once; remove one of the two".to_owned();
    }
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        Some((key, value)) if value.starts_with(|c: char| c.is_alphanumeric()) => {
            format!("text is written in quotes: {key} = \"{value}\"")
        }
        Some((key, "")) => format!("`{key}` has no value: write one after the `=`, or remove the line"),
        _ => "the file must be TOML: [tables], and keys = \"values\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let keys = ["replicas", "port", "cluster_name"];
        for (word, meant) in [
            ("replics", Some("replicas")),
            ("REPLICAS", Some("replicas")),
            ("prot", Some("port")),
            ("cluster-name", Some("cluster_name")),
            ("telepathy", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, keys), meant, "{word}");
        }
        assert_eq!(did_you_mean("port", []), None);
    }

    proptest! {
        #[test]
        fn a_word_that_is_there_is_meant_itself(words in prop::collection::hash_set("[a-z]{1,9}", 1..8)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            for word in &words {
                prop_assert_eq!(did_you_mean(word, words.iter().copied()), Some(*word));
            }
        }
    }

    #[test]
    fn without_a_likely_word_all_are_listed() {
        assert_eq!(suggest("redsi", &["redis", "valkey"]), "did you mean `redis`?");
        assert_eq!(suggest("memcached", &["redis", "valkey"]), "choose one of `redis`, `valkey`");
    }

    #[test]
    fn an_unknown_key_is_read_from_the_message_of_serde() {
        let message = "unknown field `prot`, expected one of `name`, `port`";
        let key = UnknownKey::read(message).unwrap();
        assert_eq!((key.name, key.known.as_slice()), ("prot", &["name", "port"][..]));
        assert_eq!(key.meant(), Some("port"));
        assert_eq!(key.help(), "did you mean `port`?");
        assert!(UnknownKey::read("invalid type: string").is_none());
    }

    #[test]
    fn a_key_of_another_place_is_explained_and_any_other_gets_the_list() {
        let help = |name| UnknownKey { name, known: vec!["name", "port"] }.help();
        assert!(help("masters").starts_with("masters follow from the nodes"));
        assert!(help("requirepass").contains("auth = \"generate\""));
        assert_eq!(help("telepathy"), "the keys known here are `name`, `port`");
    }

    #[test]
    fn types_are_named_in_plain_words() {
        for (message, expected) in [
            ("invalid type: string \"6\", expected i64", "expected a whole number, found a string"),
            ("invalid type: integer `6`, expected a string", "expected a string, found a whole number"),
            ("invalid type: map, expected a sequence", "expected an array, found a table"),
            ("invalid type: sequence, expected a map", "expected a table, found an array"),
            ("invalid value: boolean `true`, expected a date", "expected a date, found true or false"),
        ] {
            assert_eq!(mismatch(message).as_deref(), Some(expected), "{message}");
        }
        assert_eq!(mismatch("missing field `name`"), None);
    }

    #[test]
    fn the_help_shows_how_to_write_what_was_expected() {
        let help = |expected: &str| type_help("port", &format!("expected {expected}, found a table"));
        assert!(help("a whole number").contains("port = 1"));
        assert!(help("a string").contains("port = \"…\""));
        assert!(help("an array").contains("[[port]]"));
        assert!(help("a table with `path`").contains("port = {"));
        assert!(help("something else").contains("`port`"));
    }

    #[test]
    fn the_line_of_a_syntax_error_is_shown_repaired() {
        let text = "[cluster]\nname = orders\nport =\n]";
        let at = |needle: &str| text.find(needle).map(|at| at..at + 1).unwrap();
        assert!(syntax_help(text, &at("orders"), "x").ends_with("name = \"orders\""));
        assert!(syntax_help(text, &at("port"), "x").contains("`port` has no value"));
        assert!(syntax_help(text, &at("]\nname"), "x").contains("must be TOML"));
        assert!(syntax_help(text, &(999..1000), "x").contains("must be TOML"), "a place outside the text");
        assert!(syntax_help(text, &at("name"), "duplicate key").contains("only once"));
    }
}
