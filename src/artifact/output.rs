//! The output of the build script, read line by line: progress while it runs, facts for afterwards.

use crate::event::StepEvents;

/// The output so far.
pub(super) struct BuildOutput<'a> {
    events: &'a StepEvents,
    cores: u64,
    /// Every line, markers too.
    pub(super) log: Vec<String>,
    /// Compilations that were started, and how many there will be, where that is known.
    started: u64,
    total: Option<u64>,
    /// The compiler's own first line.
    pub(super) compiler: String,
    /// The tarball carries no jemalloc that can be configured.
    without_jemalloc: bool,
    /// Engine and version of the source.
    pub(super) found: String,
    /// Tools that are not installed.
    pub(super) missing: Vec<String>,
    /// The server's own answer to `--version`.
    pub(super) version: String,
}

/// What lines for provision begin with.
const MARKER: &str = "provision: ";

impl<'a> BuildOutput<'a> {
    pub(super) fn new(events: &'a StepEvents, cores: u32) -> Self {
        Self {
            events,
            cores: cores.into(),
            log: Vec::new(),
            started: 0,
            total: None,
            compiler: String::new(),
            without_jemalloc: false,
            found: String::new(),
            missing: Vec::new(),
            version: String::new(),
        }
    }

    /// Takes in a line.
    pub(super) fn feed(&mut self, line: &str) {
        self.log.push(line.to_owned());
        if let Some(text) = line.strip_prefix(MARKER) {
            return self.parse_marker(text);
        }
        match object(line) {
            Some(object) => {
                self.started += 1;
                self.events.log(&format!("CC {object}"));
                self.progress();
            }
            None => self.events.log(line),
        }
    }

    fn parse_marker(&mut self, text: &str) {
        let (key, value) = text.split_once(' ').unwrap_or((text, ""));
        match key {
            "compiler" => value.clone_into(&mut self.compiler),
            "found" => value.clone_into(&mut self.found),
            "without-jemalloc" => {
                self.without_jemalloc = true;
                self.events.notice(
                    "this packing of the source lacks a part of jemalloc; the server is built with the C library's \
                     allocator, which fragments more and cannot defragment itself",
                );
            }
            "missing" => self.missing = value.split_whitespace().map(str::to_owned).collect(),
            "version" => value.clone_into(&mut self.version),
            "objects" => {
                self.total = value.parse().ok();
                self.progress();
            }
            _ => {}
        }
    }

    /// The variables of make, as the script has used them.
    pub(super) fn flags(&self, mut flags: Vec<String>) -> Vec<String> {
        for flag in flags.iter_mut().filter(|flag| self.without_jemalloc && flag.starts_with("MALLOC=")) {
            "MALLOC=libc".clone_into(flag);
        }
        flags
    }

    /// The last line that is not a marker: the message of the tool that failed.
    pub(super) fn last_line(&self) -> String {
        self.log.iter().rfind(|line| !line.starts_with(MARKER)).cloned().unwrap_or_default()
    }

    /// A line means that a compiler was started: as many as there are cores may still be running.
    fn progress(&self) {
        let done = self.started.saturating_sub(self.cores);
        self.events.progress("objects", self.total.map_or(done, |total| done.min(total)), self.total);
    }

    /// The build has succeeded: what was started is done.
    pub(super) fn finished(&mut self) {
        self.total = Some(self.started);
        self.events.progress("objects", self.started, self.total);
    }
}

/// The source a compiler's command line names, without its folders.
fn object(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.clone().any(|word| word == "-c").then_some(())?;
    let source = words.rfind(|word| [".c", ".cc", ".cpp"].iter().any(|end| word.ends_with(end)))?;
    source.rsplit('/').next()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::event::{Event, Events};

    #[test]
    fn only_compilations_name_an_object() {
        assert_eq!(object("cc -pedantic -O2 -MMD -o adlist.o -c adlist.c"), Some("adlist.c"));
        assert_eq!(object("gcc -std=gnu99 -c -Iinclude -o src/arena.sym.o src/arena.c"), Some("arena.c"));
        assert_eq!(object("cc -Wall -Os -g -c linenoise.c"), Some("linenoise.c"));
        assert_eq!(object("checking whether gcc understands -c and -o together... yes"), None);
        assert_eq!(object("cc -MM acl.c adlist.c > Makefile.dep"), None);
        assert_eq!(object("ar rcs libhiredis.a alloc.o net.o"), None);
    }

    /// What is counted while lines are fed, as (done, total).
    fn counts(output: &mut BuildOutput<'_>, events: &mut UnboundedReceiver<Event>, lines: &[&str]) -> Counts {
        for line in lines {
            output.feed(line);
        }
        output.finished();
        std::iter::from_fn(|| events.try_recv().ok())
            .filter_map(|event| match event {
                Event::Progress { what, done, total, .. } if what == "objects" => Some((done, total)),
                _ => None,
            })
            .collect()
    }

    type Counts = Vec<(u64, Option<u64>)>;

    #[test]
    fn progress_lags_behind_by_what_may_still_compile() {
        let (events, mut heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        let mut output = BuildOutput::new(&step, 2);
        let lines = ["provision: objects 4", "cc -c a.c", "cc -c b.c", "cc -c c.c", "LINK x", "cc -c d.c"];
        let expected = [0, 0, 0, 1, 2, 4].map(|done| (done, Some(4)));
        assert_eq!(counts(&mut output, &mut heard, &lines), expected);
    }

    #[test]
    fn more_compilations_than_announced_never_exceed_the_total() {
        let (events, mut heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        let mut output = BuildOutput::new(&step, 0);
        let lines = ["provision: objects 1", "cc -c a.c", "cc -c b.c"];
        let counts = counts(&mut output, &mut heard, &lines);
        assert!(counts.iter().all(|(done, total)| Some(*done) <= *total), "{counts:?}");
        assert_eq!(counts.last(), Some(&(2, Some(2))));
    }

    #[test]
    fn markers_become_facts_and_everything_is_in_the_log() {
        let (events, _heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        let mut output = BuildOutput::new(&step, 1);
        for line in [
            "provision: compiler cc (Debian 12.2.0) 12.2.0",
            "provision: found redis 7.0.15",
            "provision: missing make g++",
            "provision: version Redis server v=7.0.15 sha=0",
            "provision: something newer",
            "tar: This does not look like a tar archive",
            "provision: objects many",
        ] {
            output.feed(line);
        }
        assert_eq!(output.compiler, "cc (Debian 12.2.0) 12.2.0");
        assert_eq!(output.found, "redis 7.0.15");
        assert_eq!(output.missing, ["make", "g++"]);
        assert_eq!(output.version, "Redis server v=7.0.15 sha=0");
        assert_eq!(output.log.len(), 7);
        assert_eq!(output.last_line(), "tar: This does not look like a tar archive");
    }

    #[test]
    fn a_source_without_jemalloc_is_recorded_in_the_flags_and_said() {
        let (events, mut heard) = Events::channel();
        let step = events.step(&"build".into(), None);
        let mut output = BuildOutput::new(&step, 1);
        let flags = || vec!["OPTIMIZATION=-O2".to_owned(), "MALLOC=jemalloc".to_owned()];
        assert_eq!(output.flags(flags()), flags());
        output.feed("provision: without-jemalloc");
        assert_eq!(output.flags(flags()), ["OPTIMIZATION=-O2", "MALLOC=libc"]);
        assert!(matches!(heard.try_recv(), Ok(Event::Notice { text, .. }) if text.contains("jemalloc")));
    }
}
