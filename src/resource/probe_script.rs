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
    /// Folders of which it is asked whether they are there.
    above: BTreeSet<String>,
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

    /// Asks whether a folder is there, for [`Answers::above`](super::Answers::above): what stands below it
    /// tells that already, and where nothing is missing it is not asked for.
    pub fn above(&mut self, path: &str) {
        self.above.insert(path.to_owned());
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
    /// written into the file `cache` beside it: the large one is read again only where it was touched since.
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
        self.ask_paths(&mut text);
        self.ask_digests(&mut text);
        for group in self.groups.values() {
            text.push_str(&(group.fragment)(&group.items, facts));
        }
        text.push_str("true\n");
        buffer_output(&text)
    }

    fn ask_paths(&self, text: &mut String) {
        let has_below = |folder: &String| {
            let below = format!("{folder}/");
            self.paths.range(below.clone()..).next().is_some_and(|path| path.starts_with(&below))
        };
        let (told, untold): (Vec<_>, Vec<_>) =
            self.above.difference(&self.paths).partition(|it| has_below(it));
        let paths: BTreeSet<&String> = self.paths.difference(&self.digests).chain(untold).collect();
        if self.paths.is_empty() && paths.is_empty() {
            return;
        }
        text.push_str("paths() { stat -c '=path %F|%a|%U|%G|%u|%g|%s|%n' -- \"$@\"; }\n");
        // The files whose digests are asked, too: every run sends this to every host.
        let _ = write!(text, "set -- {}\npaths \"$@\" {}", words(&self.digests), words(paths));
        if !told.is_empty() {
            let _ = write!(text, " || paths {}", words(told));
        }
        text.push('\n');
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
        text.push_str("digests \"$@\"\n");
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
        assert!(script.contains("\nset -- /b '/c d'\npaths \"$@\" /a\n"), "{script}");
        assert!(script.contains("known=' 0123456789abcdef ' untold='|/b|'\ndigests \"$@\"\n"), "{script}");
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
        probe.cached_digest("/bin/server", "seen");
        let script = probe.script(&facts());
        assert!(script.contains("cached_digest /bin/server seen\n"), "{script}");
        assert!(script.contains("\npaths \"$@\" /bin/server\n"), "{script}");
    }

    #[test]
    fn a_folder_is_asked_for_only_where_something_below_it_may_be_missing() {
        let mut probe = ProbeScript::default();
        probe.path("/srv/a/b");
        for folder in ["/srv", "/srv/a", "/srv/a-c", "/srv/a/b"] {
            probe.above(folder);
        }
        let script = probe.script(&facts());
        assert!(script.contains("\npaths \"$@\" /srv/a-c /srv/a/b || paths /srv /srv/a\n"), "{script}");
    }
}
