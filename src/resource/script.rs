//! Building the one script that changes a host: fragments with a begin and an end mark, the functions they
//! call, and the handlers they name.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    Content, Entry, Handler, KnownFolders, Layout,
    probe_script::{TOUCHED, words},
    quote,
};
use crate::{host::minify, secret::Error};

/// A script under construction.
#[derive(Debug)]
pub struct Script {
    parts: Vec<Part>,
    /// The folders in which it makes something, and those above them.
    folders: BTreeSet<String>,
    known: KnownFolders,
    /// The programs whose functions it has.
    functions: BTreeSet<&'static str>,
    /// The handlers that are due.
    handlers: BTreeSet<Handler>,
    is_long: bool,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// What looks at all folders, before anything is made in them.
    Folders,
    /// A file whose content is secret: it is read when the script is sent.
    Secret {
        write: String,
        content: Content,
    },
}

/// The functions all fragments may call.
const PRELUDE: &str = include_str!("prelude.sh");

/// The functions that undo changes.
const UNDO: &str = include_str!("undo.sh");

impl Script {
    pub fn new(layout: &Layout) -> Self {
        let (state, ledger) = (quote(&layout.state), quote(&layout.ledger()));
        let account = quote(layout.account.as_deref().unwrap_or(""));
        let (parts, folders) = (Vec::new(), BTreeSet::new());
        let (functions, handlers) = (BTreeSet::new(), BTreeSet::new());
        let known = KnownFolders::default();
        let mut script = Self { parts, folders, known, functions, handlers, is_long: false };
        script.push(&format!("state={state} ledger={ledger} account={account} me={}", layout.uid));
        script.needs(PRELUDE);
        script.parts.push(Part::Folders);
        script
    }

    /// A script that undoes changes: what cannot be undone safely is left, and named.
    pub fn undoing(layout: &Layout) -> Self {
        let mut script = Self::new(layout);
        script.needs(UNDO);
        script
    }

    /// The same, with what the look at the host has shown of its folders.
    pub fn knowing(layout: &Layout, known: &KnownFolders) -> Self {
        Self { known: known.clone(), ..Self::new(layout) }
    }

    /// It takes long, and must not be cut off in the middle with the link.
    pub fn takes_long(&mut self) {
        self.is_long = true;
    }

    pub fn is_long(&self) -> bool {
        self.is_long
    }

    /// Adds the functions of a program, once.
    pub fn needs(&mut self, program: &'static str) {
        if self.functions.insert(program) {
            self.push(&minify(program));
        }
    }

    /// Lines of shell, taken as they are.
    pub fn push(&mut self, lines: &str) {
        self.parts.push(Part::Text(format!("{lines}\n")));
    }

    /// The same, unless the script has these lines already.
    pub fn push_once(&mut self, lines: &str) {
        let has = |part: &Part| matches!(part, Part::Text(text) if text.trim_end() == lines);
        if !self.parts.iter().any(has) {
            self.push(lines);
        }
    }

    /// Names a handler; see [`Handler`] for when it runs.
    pub fn notify(&mut self, handler: Handler) {
        let line = handler.line();
        if self.handlers.insert(handler) {
            self.push(&line);
        }
    }

    /// Runs the handlers that are due: what follows starts something.
    pub fn run_handlers(&mut self) {
        if !self.handlers.is_empty() {
            self.handlers.clear();
            self.push("run_handlers");
        }
    }

    /// Writes the digest of a file into its digest cache, together with what the file looks like now.
    pub fn cache_digest(&mut self, path: &str, sha256: &str, cache: &str) {
        self.makes(cache);
        let (path, cache) = (quote(path), quote(cache));
        self.push(&format!("write {cache} 0644 '' \"$({TOUCHED} -- {path}) {sha256}\n\""));
    }

    /// Marks where the change number `index` begins; see [`mark`].
    pub fn begin(&mut self, index: usize) {
        self.push(&format!("echo '@begin {index}'"));
    }

    /// Marks where it ended well.
    pub fn end(&mut self, index: usize) {
        self.push(&format!("echo '@end {index}'"));
    }

    /// Records a change before it is made, so that whatever is on the host can be undone.
    pub fn record(&mut self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap_or_default();
        self.push(&format!("ledger {}", quote(&line)));
    }

    /// Sees that a folder is there, with its mode and owner if they are given.
    pub fn folder(&mut self, path: &str, mode: Option<u32>, owner: Option<&str>) {
        self.makes(path);
        // Five digits: with fewer, chmod leaves the set-group-ID bit of a folder as it is.
        let mode = mode.map_or_else(|| "''".to_owned(), |mode| format!("{mode:05o}"));
        self.push(&format!("folder {} {mode} {}", quote(path), quote(owner.unwrap_or(""))));
    }

    /// Notes that something is made at a path.
    fn makes(&mut self, path: &str) {
        self.folders.extend(path.match_indices('/').map(|(end, _)| path[..end.max(1)].to_owned()));
    }

    /// Writes a file atomically. The content travels inside the script, on standard input: never in an
    /// argument of a process, nor in a here-document, which shells keep in /tmp.
    pub fn write(&mut self, path: &str, content: &Content, mode: u32, owner: Option<&str>) {
        let write = format!("write {} {mode:04o} {}", quote(path), quote(owner.unwrap_or("")));
        self.makes(path);
        match content {
            // No shell can hold it in a word.
            Content::Text(text) if text.contains('\0') => {
                let why = format!("{path} was to get a text with a NUL character: remove it from the text");
                self.push(&format!("echo {}; exit 1", quote(&why)));
            }
            Content::Text(text) => self.push(&format!("{write} {}", quote(text))),
            Content::Password(_) => self.parts.push(Part::Secret { write, content: content.clone() }),
        }
        Handler::of_file(path).for_each(|handler| self.notify(handler));
    }

    /// What tells which folders are closed: the look at the host, or a look of the script's own.
    fn folders_line(&self) -> String {
        match self.known.closed_of(&self.folders) {
            Some(closed) => {
                let closed: String = closed.into_iter().map(|folder| format!("{folder}//")).collect();
                format!("closed={}\n", quote(&format!("//{closed}")))
            }
            None => format!("learn {}\n", words(&self.folders)),
        }
    }

    /// The whole script, with the secrets it sends and the handlers that are due at its end.
    pub fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(lines) => text.push_str(lines),
                Part::Folders if self.folders.is_empty() => {}
                Part::Folders => text.push_str(&self.folders_line()),
                Part::Secret { write, content } => {
                    let _ = writeln!(text, "{write} {}", quote(&content.revealed()?));
                }
            }
        }
        if !self.handlers.is_empty() {
            text.push_str("run_handlers\n");
        }
        Ok(text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{resource::testing::layout, secret::SecretSource};

    /// What comes after the functions and the look at the folders.
    fn body(script: &Script, functions: &str) -> String {
        let text = script.text().unwrap();
        let body = text.split_once(&minify(functions)).unwrap().1.trim_start();
        body.strip_prefix("learn ").map_or(body, |rest| rest.split_once('\n').unwrap().1).to_owned()
    }

    fn script() -> Script {
        Script::new(&layout())
    }

    #[test]
    fn a_script_knows_where_the_ledger_is_and_whose_servers_it_changes() {
        let text = script().text().unwrap();
        let first = text.lines().next().unwrap();
        let state = "/var/lib/provision/orders";
        assert_eq!(first, format!("state={state} ledger={state}/ledger.jsonl account=provision-redis me=0"));
    }

    #[test]
    fn a_handler_runs_once_at_the_end() {
        let mut script = script();
        script.notify(Handler::DaemonReload);
        script.push("one");
        script.notify(Handler::DaemonReload);
        assert_eq!(body(&script, PRELUDE), "reload_due=1\none\nrun_handlers\n");
    }

    #[test]
    fn handlers_run_before_a_start_and_again_only_where_something_is_due() {
        let mut script = script();
        script.run_handlers();
        script.notify(Handler::DaemonReload);
        script.run_handlers();
        script.push("start");
        assert_eq!(body(&script, PRELUDE), "reload_due=1\nrun_handlers\nstart\n");
        script.notify(Handler::DaemonReload);
        assert!(body(&script, PRELUDE).ends_with("start\nreload_due=1\nrun_handlers\n"));
    }

    #[test]
    fn functions_are_sent_once_and_without_their_comments() {
        let mut script = script();
        script.needs("# why\nf() { :; }\n");
        script.needs("# why\nf() { :; }\n");
        assert_eq!(body(&script, PRELUDE).trim_end(), "f() { :; }");
    }

    #[test]
    fn all_folders_are_looked_at_once_each_after_the_one_above_it() {
        let mut script = script();
        script.folder("/srv/a b", Some(0o755), None);
        script.write("/etc/motd", &Content::Text(String::new()), 0o644, None);
        script.write("/etc/b/c", &Content::Text(String::new()), 0o644, None);
        let text = script.text().unwrap();
        let looks: Vec<&str> = text.lines().filter(|line| line.starts_with("learn /")).collect();
        assert_eq!(looks, ["learn / /etc /etc/b /srv"]);
        assert!(text.find("\nlearn /").unwrap() < text.find("\nfolder '/srv/a b' 00755 ''\n").unwrap());
    }

    #[test]
    fn content_is_no_here_document_and_its_words_are_quoted() {
        let mut script = script();
        script.write("/a b", &Content::Text("it's\n".into()), 0o640, Some("root:redis"));
        let body = body(&script, PRELUDE);
        assert!(body.starts_with("write '/a b' 0640 root:redis \"it's\n\"\n"), "{body}");
        assert!(!script.text().unwrap().contains("<<"));
    }

    #[test]
    fn a_text_that_no_shell_can_hold_is_refused() {
        let mut script = script();
        script.write("/a", &Content::Text("a\0b".into()), 0o640, None);
        let body = body(&script, PRELUDE);
        assert!(body.starts_with("echo '/a was to get a text with a NUL character"), "{body}");
        assert!(body.contains("; exit 1\n"), "{body}");
    }

    #[test]
    fn a_secret_is_read_when_the_script_is_sent_and_shown_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        let mut script = script();
        script.write("/p", &Content::Password(SecretSource::File(path.clone())), 0o640, None);
        assert!(script.text().is_err());
        crate::atomic_file::write(&path, b"open sesame\n", crate::atomic_file::Mode::Private).unwrap();
        assert!(script.text().unwrap().contains("requirepass \"open sesame\""));
        assert!(!format!("{script:?}").contains("sesame"));
    }

    #[test]
    fn an_entry_is_recorded_as_one_word() {
        let mut script = script();
        script.record(&Entry::RanCommand { run: "echo 'a'\necho b".into() });
        let body = body(&script, PRELUDE);
        let line = shlex::split(body.lines().next().unwrap()).unwrap();
        assert_eq!(line[0], "ledger");
        assert_eq!(Entry::read(&line[1]).unwrap(), [Entry::RanCommand { run: "echo 'a'\necho b".into() }]);
    }

    #[test]
    fn marks_are_told_from_what_commands_print() {
        assert_eq!(mark("@begin 3"), Some(Mark::Begin(3)));
        assert_eq!(mark("@end 12"), Some(Mark::End(12)));
        assert_eq!(mark("@note a b"), Some(Mark::Note("a b")));
        for line in ["begin 3", "@begin x", "@other 1", "@end"] {
            assert_eq!(mark(line), None, "{line}");
        }
    }
}
