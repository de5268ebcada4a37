//! The probe: all questions about a host in one read-only script, its answers a line each.
//!
//! Kinds share what several of them ask: one `stat` and one `sha256sum` serve all paths, because each process
//! makes a run without changes slower. What only one kind asks is a group of its own: a shell fragment for
//! all its items.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::quote;
use crate::host::{Facts, buffer_output, minify};

/// What is to be asked.
#[derive(Debug, Default)]
pub struct ProbeScript {
    /// Paths whose type, mode, owner and size are asked.
    paths: BTreeSet<String>,
    /// Files whose SHA-256 is asked.
    digests: BTreeSet<String>,
    /// Files whose text is asked, unless `known` has the beginning of their SHA-256.
    texts: BTreeSet<String>,
    known: BTreeSet<String>,
    /// Files with a digest cache, and where it is.
    digest_caches: BTreeMap<String, String>,
    /// The groups of questions that only one kind asks, by the word of their answers.
    groups: BTreeMap<&'static str, Group>,
}

/// The questions of one kind. The fragment prints lines `=WORD ANSWER`.
#[derive(Debug)]
struct Group {
    fragment: Fragment,
    items: BTreeSet<String>,
}

/// Makes the shell fragment that asks for all items of a group.
type Fragment = fn(&BTreeSet<String>, &Facts) -> String;

/// What changes whenever a file is written or replaced: inode, size, and the time of change, which cannot be
/// set.
pub(super) const TOUCHED: &str = "stat -c '%i %s %z'";

const FILES: &str = include_str!("files.sh");

impl ProbeScript {
    /// Asks what stands at a path.
    pub fn path(&mut self, path: &str) {
        self.paths.insert(path.to_owned());
    }

    /// Asks for a file's digest.
    pub fn digest(&mut self, path: &str) {
        self.path(path);
        self.digests.insert(path.to_owned());
    }

    /// Asks for a file's digest, and for its text where the digest is not the one given. Long texts are not
    /// sent.
    pub fn text(&mut self, path: &str, unless: Option<&str>) {
        self.digest(path);
        self.texts.insert(path.to_owned());
        // Enough of it to decide whether a text is sent: every run sends this to every host.
        self.known.extend(unless.and_then(|sha256| sha256.get(..16)).map(str::to_owned));
    }

    /// Asks for a large file's digest, which [`Script::cache_digest`](super::Script::cache_digest) has
    /// written into another file: the large one is read again only where it was touched since.
    pub fn cached_digest(&mut self, path: &str, cache: &str) {
        self.path(path);
        self.digest_caches.insert(path.to_owned(), cache.to_owned());
    }

    /// Adds an item to the group of questions whose answers begin with `word`; the group has one fragment.
    pub fn group(&mut self, word: &'static str, fragment: Fragment, item: impl Into<String>) {
        let group = self.groups.entry(word).or_insert(Group { fragment, items: BTreeSet::new() });
        group.items.insert(item.into());
    }

    /// The script; its answers are for [`Observed::read`](super::Observed::read).
    pub fn script(&self, facts: &Facts) -> String {
        let mut text = String::from("set -u\nexec 2>/dev/null\n");
        if !self.paths.is_empty() {
            let _ = writeln!(text, "stat -c '=path %F|%a|%U|%G|%u|%g|%s|%n' -- {}", words(&self.paths));
        }
        self.ask_digests(&mut text);
        for group in self.groups.values() {
            text.push_str(&(group.fragment)(&group.items, facts));
        }
        text.push_str("true\n");
        buffer_output(&text)
    }

    fn ask_digests(&self, text: &mut String) {
        if self.digests.is_empty() && self.digest_caches.is_empty() {
            return;
        }
        text.push_str(&minify(FILES));
        for (path, cache) in &self.digest_caches {
            let _ = writeln!(text, "cached_digest {} {}", quote(path), quote(cache));
        }
        let known: Vec<_> = self.known.iter().map(String::as_str).collect();
        let untold: Vec<_> = self.digests.difference(&self.texts).map(String::as_str).collect();
        let untold = quote(&format!("|{}|", untold.join("|")));
        let _ = writeln!(text, "known=' {} ' untold={untold}", known.join(" "));
        let _ = writeln!(text, "digests {}", words(&self.digests));
    }
}

/// Shell words.
pub(super) fn words<'a>(items: impl IntoIterator<Item = &'a String>) -> String {
    items.into_iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::facts;

    fn fragment(items: &BTreeSet<String>, _: &Facts) -> String {
        format!("ask {}\n", words(items))
    }

    #[test]
    fn one_stat_and_one_sum_serve_all_kinds() {
        let mut probe = ProbeScript::default();
        probe.path("/a");
        probe.digest("/b");
        probe.text("/c d", Some("0123456789abcdef0123456789abcdef"));
        let script = probe.script(&facts());
        assert_eq!(script.matches("=path").count(), 1);
        assert!(script.contains("-- /a /b '/c d'\n"), "{script}");
        assert!(script.contains("known=' 0123456789abcdef ' untold='|/b|'\ndigests /b '/c d'\n"), "{script}");
    }

    #[test]
    fn what_only_one_kind_asks_is_one_fragment() {
        let mut probe = ProbeScript::default();
        probe.group("own", fragment, "one");
        probe.group("own", fragment, "t wo");
        probe.group("own", fragment, "one");
        let script = probe.script(&facts());
        assert!(script.contains("\nask one 't wo'\ntrue\n"), "{script}");
        assert!(!script.contains("sha256sum") && !script.contains("stat"), "{script}");
    }

    #[test]
    fn a_digest_cache_is_asked_with_its_file() {
        let mut probe = ProbeScript::default();
        probe.cached_digest("/bin/server", "/bin/seen");
        let script = probe.script(&facts());
        assert!(script.contains("cached_digest /bin/server /bin/seen\n"), "{script}");
        assert!(script.contains("%n' -- /bin/server\n"), "{script}");
    }
}
