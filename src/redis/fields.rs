//! `key:value` lines, as `INFO` and `CLUSTER INFO` answer. A server's text is untrusted: what is kept of it
//! is bounded, and free of control characters.

use std::{collections::HashMap, str::FromStr};

/// More lines than `INFO everything` has in any version.
const MAX_LINES: usize = 4096;
/// Longer than any value that is read.
const MAX_VALUE: usize = 256;

/// The fields of one text; of a key that stands twice, the first.
pub(super) struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let mut fields = HashMap::new();
        for (key, value) in pairs(text) {
            fields.entry(key).or_insert(value);
        }
        Self(fields)
    }

    /// A value that is not empty, as text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.0.get(key).map(|value| clean(value)).filter(|value| !value.is_empty())
    }

    /// A value that is a number; `None` where it is missing or something else.
    pub(super) fn number<T: FromStr>(&self, key: &str) -> Option<T> {
        self.0.get(key)?.parse().ok()
    }

    /// `0` or `1`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match *self.0.get(key)? {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }
}

/// The lines of a text that have a key.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().take(MAX_LINES).filter_map(|line| line.trim().split_once(':'))
}

/// A value without control characters, and not longer than any that is read.
pub(super) fn clean(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(MAX_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_and_one_of_another_kind_are_none() {
        let fields = Fields::parse("a:1\r\nb:x\r\nc:\r\n# d:4\r\n");
        assert_eq!(fields.number::<u64>("a"), Some(1));
        assert_eq!(fields.number::<u64>("b"), None);
        assert_eq!(fields.number::<u64>("z"), None);
        assert_eq!(fields.text("c"), None);
        assert_eq!(fields.flag("a"), Some(true));
        assert_eq!(fields.flag("b"), None);
    }

    #[test]
    fn what_a_server_sends_is_bounded_and_harmless() {
        let text = format!("long:{}\nescape:a\u{1b}[31mb\n", "x".repeat(5000));
        let fields = Fields::parse(&text);
        assert_eq!(fields.text("long").map(|value| value.len()), Some(MAX_VALUE));
        assert_eq!(fields.text("escape").as_deref(), Some("a[31mb"));
        let many: String = (0..10_000).map(|n| format!("k{n}:1\n")).collect();
        assert!(Fields::parse(&many).number::<u64>("k9999").is_none());
    }
}
