//! What a host answered to a probe script, sorted by who asked: each kind reads its own answer out of it.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::PathState;

/// All answers of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    paths: BTreeMap<String, PathState>,
    texts: BTreeMap<String, String>,
    /// By the word of the question, in the order they came.
    lines: BTreeMap<String, Vec<String>>,
}

impl Answers {
    /// Reads what a [`ProbeScript`](super::ProbeScript) printed. Lines that are no answer are noise of the
    /// login shell.
    pub fn parse(lines: &[String]) -> Self {
        let mut answers = Self::default();
        let mut digests = Vec::new();
        for line in lines {
            let Some((word, rest)) = line.strip_prefix('=').and_then(|line| line.split_once(' ')) else {
                continue;
            };
            match word {
                "path" => answers.paths.extend(PathState::parse(rest)),
                "sum" => digests.extend(rest.split_once(' ')),
                "text" => answers.texts.extend(text(rest)),
                _ => answers.lines.entry(word.to_owned()).or_default().push(rest.to_owned()),
            }
        }
        for (sha256, path) in digests {
            // `sha256sum` prints two blanks before a path.
            if let Some(state) = answers.paths.get_mut(path.trim_start()) {
                *state = state.clone().with_sha256(sha256);
            }
        }
        answers
    }

    /// What stands at a path that was asked for; `None` where nothing does.
    pub fn path(&self, path: &str) -> Option<&PathState> {
        self.paths.get(path)
    }

    /// What stands at the path of a folder that was asked for with
    /// [`ProbeScript::above`](super::ProbeScript::above).
    pub fn above(&self, path: &str) -> Option<PathState> {
        let below = format!("{path}/");
        let has_below =
            || self.paths.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below));
        self.path(path).cloned().or_else(|| has_below().then(PathState::folder_or_link))
    }

    /// The text of a file, where it was sent: it was asked for, and its digest was none of the known ones.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// The answers to a kind's own question, without their word.
    pub fn lines(&self, word: &str) -> impl Iterator<Item = &str> {
        self.lines.get(word).into_iter().flatten().map(String::as_str)
    }

    /// Whether one of these answers is exactly this.
    pub fn has(&self, word: &str, answer: &str) -> bool {
        self.lines(word).any(|line| line == answer)
    }

    /// The answers that begin with a name, without it.
    pub fn of<'a>(&'a self, word: &str, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines(word).filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

/// A text as it is sent: base64 in one piece, then the path.
fn text(line: &str) -> Option<(String, String)> {
    let (encoded, path) = line.split_once(' ').unwrap_or((line, ""));
    Some((path.to_owned(), decode(encoded)?))
}

/// What was sent as base64.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a host said, a line each.
    pub(in crate::resource) fn answers(lines: &[&str]) -> Answers {
        Answers::parse(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_digest_belongs_to_its_path_whichever_comes_first() {
        let path = "=path regular file|644|root|root|0|0|2|/a b";
        for lines in [[path, "=sum abc  /a b"], ["=sum abc  /a b", path]] {
            assert_eq!(answers(&lines).path("/a b").unwrap().sha256(), Some("abc"));
        }
        assert_eq!(answers(&["=sum abc  /gone"]).path("/gone"), None);
    }

    #[test]
    fn a_text_may_be_empty_and_its_path_may_hold_blanks() {
        let said = answers(&["=text aGVsbG8K /a b", "=text  /empty", "=text ! /broken"]);
        assert_eq!(said.text("/a b"), Some("hello\n"));
        assert_eq!(said.text("/empty"), Some(""));
        assert_eq!(said.text("/broken"), None);
    }

    #[test]
    fn noise_is_no_answer_and_each_word_has_its_own() {
        let said = answers(&["Last login: today", "=unit", "=unit a.service enabled active", "=user a"]);
        assert_eq!(said.lines("unit").collect::<Vec<_>>(), ["a.service enabled active"]);
        assert!(said.has("user", "a") && !said.has("user", "b"));
    }

    #[test]
    fn a_name_is_not_the_beginning_of_a_longer_one() {
        let said = answers(&["=node 70011 x", "=node 7001 y"]);
        assert_eq!(said.of("node", "7001").collect::<Vec<_>>(), ["y"]);
    }
}
