//! The answer of `ssh -G`: a line `key value` for each setting.

use std::collections::HashMap;

/// Values by setting, in the order of the lines.
pub(super) struct Answer<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Answer<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let mut map: HashMap<&str, Vec<&str>> = HashMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            map.entry(key).or_default().push(value.trim());
        }
        Self(map)
    }

    /// The first value of a setting, as it is written.
    pub(super) fn first(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(|all| all.first()).copied()
    }

    /// The first value of a setting; `none` is no value.
    pub(super) fn one(&self, key: &str) -> Option<&'a str> {
        self.first(key).filter(|value| *value != "none")
    }

    /// The values of a setting that has a line for each; they may contain blanks.
    pub(super) fn lines(&self, key: &str, default: &[&'a str]) -> Vec<&'a str> {
        self.0.get(key).cloned().unwrap_or_else(|| default.to_vec())
    }

    /// The values of a setting that has all of them on one line.
    pub(super) fn words(&self, key: &str, default: &'a str) -> Vec<&'a str> {
        self.lines(key, &[default]).into_iter().flat_map(str::split_whitespace).collect()
    }

    /// The chain of `ProxyJump`, the nearest first.
    pub(super) fn jump_hosts(&self) -> Vec<String> {
        let chain = self.one("proxyjump").into_iter().flat_map(|chain| chain.split(','));
        chain.map(|jump| jump.trim_start_matches("ssh://").to_owned()).collect()
    }
}
