//! Serde's and TOML's messages in words for the person who wrote the file.

use std::ops::Range;

/// Keys people look for here and that have another name or no need to be written.
const ELSEWHERE: &[(&str, &str)] = &[
    ("masters", "masters follow from the nodes: nodes / (replicas + 1); set `replicas` and `nodes`"),
    ("shards", "shards follow from the nodes: nodes / (replicas + 1); set `replicas` and `nodes`"),
    ("password", "passwords never stand here: set `auth = \"generate\"` in [cluster]"),
    ("requirepass", "passwords never stand here: set `auth = \"generate\"` in [cluster]"),
    ("ip", "where the host answers is its `address`"),
    ("user", "the account to log in with is `user` in [ssh]"),
    ("maxmemory", "the engine's own directives stand in [cluster.config]"),
    ("ports", "the first node's port is `port` in [cluster]; the others follow it"),
];

/// The candidate the writer most likely meant. Case, `-` and `_` do not count; a third of the letters may differ.
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
        let elsewhere = did_you_mean(self.name, ELSEWHERE.iter().map(|(word, _)| *word));
        match ELSEWHERE.iter().find(|(word, _)| Some(*word) == elsewhere) {
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
        return "a key or table may stand only once; remove one of the two".to_owned();
    }
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        Some((key, value)) if value.starts_with(|c: char| c.is_alphanumeric()) => {
            format!("text stands in quotes: {key} = \"{value}\"")
        }
        Some((key, "")) => format!("`{key}` has no value: write one after the `=`, or remove the line"),
        _ => "the file must be TOML: [tables], and keys = \"values\"".to_owned(),
    }
}
