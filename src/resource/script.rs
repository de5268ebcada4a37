//! Building the one script that changes a host: fragments with a begin and an end mark, and the functions they use.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Entry, Layout, questions::TOUCHED, quote};
use crate::host::minify;

/// A script under construction.
#[derive(Debug)]
pub struct Script {
    text: String,
    is_long: bool,
}

/// The functions fragments call.
const PRELUDE: &str = include_str!("prelude.sh");

/// The functions that undo changes.
const UNDO: &str = include_str!("undo.sh");

impl Script {
    pub fn new(layout: &Layout) -> Self {
        let (state, ledger) = (quote(&layout.state), quote(&layout.ledger()));
        let account = quote(layout.account.as_deref().unwrap_or(""));
        let prelude = minify(PRELUDE);
        let text = format!("state={state} ledger={ledger} account={account}\n{prelude}");
        Self { text, is_long: false }
    }

    /// A script that undoes changes: what cannot be undone safely is left, and named.
    pub fn undoing(layout: &Layout) -> Self {
        let mut script = Self::new(layout);
        script.push(&minify(UNDO));
        script
    }

    /// It takes long, and must not be cut off in the middle with the link.
    pub fn takes_long(&mut self) {
        self.is_long = true;
    }

    pub fn is_long(&self) -> bool {
        self.is_long
    }

    /// Lines of shell, taken as they are.
    pub fn push(&mut self, lines: &str) {
        self.text.push_str(lines);
        self.text.push('\n');
    }

    /// Writes down the digest of a file together with what the file looks like now.
    pub fn seal(&mut self, path: &str, sha256: &str, seal: &str) {
        let (path, seal) = (quote(path), quote(seal));
        let _ = writeln!(self.text, "echo \"$({TOUCHED} -- {path}) {sha256}\" | write {seal} 0644 '' raw");
    }

    /// Marks where the change number `index` begins; see [`mark`].
    pub fn begin(&mut self, index: usize) {
        let _ = writeln!(self.text, "echo '@begin {index}'");
    }

    /// Marks where it ended well.
    pub fn end(&mut self, index: usize) {
        let _ = writeln!(self.text, "echo '@end {index}'");
    }

    /// Remembers a change before it is made, so that whatever is on the host can be undone.
    pub fn remember(&mut self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap_or_default();
        let _ = writeln!(self.text, "ledger {}", quote(&line));
    }

    /// Writes a file atomically; the content travels inside the script, on standard input: never in an argument, nor in a
    /// here-document, which shells keep in /tmp.
    pub fn write(&mut self, path: &str, content: &[u8], mode: u32, owner: Option<&str>) {
        let path = quote(path);
        let owner = quote(owner.unwrap_or(""));
        let body = BASE64_STANDARD.encode(content);
        let _ = writeln!(self.text, "printf %s '{body}' | write {path} {mode:04o} {owner}");
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A mark in a script's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    Begin(usize),
    End(usize),
    /// Something a user should know.
    Note(&'a str),
}

/// The mark a line of output is, if it is one.
pub fn mark(line: &str) -> Option<Mark<'_>> {
    match line.strip_prefix('@')?.split_once(' ')? {
        ("begin", index) => index.parse().ok().map(Mark::Begin),
        ("end", index) => index.parse().ok().map(Mark::End),
        ("note", text) => Some(Mark::Note(text)),
        _ => None,
    }
}
