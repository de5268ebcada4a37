//! Building the one script that changes a host: fragments with a begin and an end mark, and the functions they use.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Entry, Layout, PathState, questions::TOUCHED, quote};

/// A script under construction.
#[derive(Debug)]
pub struct Script {
    text: String,
    is_long: bool,
}

/// The functions fragments call, with as few processes as can be: on a host they are what takes the time. `ledger` begins a
/// line of its own, since a power cut may have torn the last one; `backup` and `write` are atomic, so that what is there is
/// whole. `write` is the atomic put for small files; its temporary name is fixed, so that an interrupted write leaves at most
/// one file, which the next one overwrites.
const PRELUDE: &str = r#"
set -eu
umask 022
open=
ledger() {
  if [ -z "$open" ]; then
    [ -d "$state" ] || mkdir -p "$state"
    umask 077
    if [ -s "$ledger" ]; then echo >>"$ledger"; else : >>"$ledger"; fi
    umask 022
    open=1
  fi
  printf '%s\n' "$1" >>"$ledger"
}
sum() { if [ -f "$1" ]; then s=$(sha256sum <"$1"); echo "${s%% *}"; else echo none; fi; }
same() { case $2 in none) [ ! -f "$1" ] ;; *) [ "$(sum "$1")" = "$2" ] ;; esac; }
unchanged() { same "$@" || { echo "$1 was changed by somebody else since the plan was made"; exit 1; }; }
backup() {
  [ -d "$state" ] || mkdir -p "$state"
  ( umask 077; mkdir -p "$state/backup" )
  [ -e "$state/backup/$2" ] || { cp -p -- "$1" "$state/backup/.new"; mv -f -- "$state/backup/.new" "$state/backup/$2"; }
}
own() { [ -z "$2" ] || chown "$2" "$1"; }
folder() {
  if [ -d "$1" ]; then chmod "$2" "$1"; own "$1" "$3"
  elif [ -z "$3" ]; then mkdir -p -m "$2" -- "$1"
  else case $3 in *:*) install -d -m "$2" -o "${3%:*}" -g "${3#*:}" -- "$1" ;; *) install -d -m "$2" -o "$3" -- "$1" ;; esac
  fi
}
reload() { case $1 in /etc/systemd/system/*) [ ! -d /run/systemd/system ] || systemctl daemon-reload ;; esac; }
context() { ! command -v restorecon >/dev/null 2>&1 || restorecon "$1" || :; }
write() {
  umask 077; base64 -d >"$1.provision-new"; umask 022
  own "$1.provision-new" "$3"; chmod "$2" "$1.provision-new"; mv -f -- "$1.provision-new" "$1"; context "$1"; reload "$1"
}
"#;

impl Script {
    pub fn new(layout: &Layout) -> Self {
        let (state, ledger) = (quote(&layout.state), layout.ledger());
        Self { text: format!("state={state}\nledger={}\n{PRELUDE}", quote(&ledger)), is_long: false }
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
        let _ = writeln!(
            self.text,
            "echo \"$({TOUCHED} -- {path}) {sha256}\" >{seal}.new; mv -f -- {seal}.new {seal}"
        );
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

    /// Refuses to go on where a file is not what the plan saw.
    pub fn unchanged(&mut self, path: &str, before: Option<&PathState>) {
        let sum = match before {
            Some(PathState::File { sha256, .. }) => sha256.as_str(),
            _ => "none",
        };
        let _ = writeln!(self.text, "unchanged {} {sum}", quote(path));
    }

    /// Writes a file atomically; the content travels inside the script, on standard input, never in an argument.
    pub fn write(&mut self, path: &str, content: &[u8], mode: u32, owner: Option<&str>) {
        let path = quote(path);
        let owner = quote(owner.unwrap_or(""));
        let body = BASE64_STANDARD.encode(content);
        let _ = writeln!(self.text, "write {path} {mode:04o} {owner} <<'END'");
        for line in body.as_bytes().chunks(76) {
            let _ = writeln!(self.text, "{}", String::from_utf8_lossy(line));
        }
        self.text.push_str("END\n");
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A mark in a script's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Begin(usize),
    End(usize),
}

/// The mark a line of output is, if it is one.
pub fn mark(line: &str) -> Option<Mark> {
    let (word, index) = line.strip_prefix('@')?.split_once(' ')?;
    match (word, index.parse().ok()?) {
        ("begin", index) => Some(Mark::Begin(index)),
        ("end", index) => Some(Mark::End(index)),
        _ => None,
    }
}
