//! What the build script says, understood line by line: progress while it runs, facts for afterwards.

use crate::event::StepEvents;

/// What the script said so far.
pub(super) struct BuildOutput<'a> {
    events: &'a StepEvents,
    cores: u64,
    pub(super) log: Vec<String>,
    started: u64,
    total: Option<u64>,
    pub(super) compiler: String,
    /// The tarball carries no jemalloc that can be configured.
    without_jemalloc: bool,
    pub(super) found: String,
    pub(super) missing: Vec<String>,
    pub(super) version: String,
}

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

    pub(super) fn feed(&mut self, line: &str) {
        self.log.push(line.to_owned());
        if let Some(text) = line.strip_prefix("provision: ") {
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

    pub(super) fn flags(&self, mut flags: Vec<String>) -> Vec<String> {
        for flag in flags.iter_mut().filter(|flag| self.without_jemalloc && flag.starts_with("MALLOC=")) {
            "MALLOC=libc".clone_into(flag);
        }
        flags
    }

    /// A line tells that a compiler was started: as many as there are cores may still be running.
    fn progress(&self) {
        let done = self.started.saturating_sub(self.cores);
        self.events.progress("objects", self.total.map_or(done, |total| done.min(total)), self.total);
    }

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
    use super::*;

    #[test]
    fn compilations_are_told_from_everything_else() {
        assert_eq!(object("cc -pedantic -O2 -MMD -o adlist.o -c adlist.c"), Some("adlist.c"));
        assert_eq!(object("gcc -std=gnu99 -c -Iinclude -o src/arena.sym.o src/arena.c"), Some("arena.c"));
        assert_eq!(object("cc -Wall -Os -g -c linenoise.c"), Some("linenoise.c"));
        assert_eq!(object("checking whether gcc understands -c and -o together... yes"), None);
        assert_eq!(object("cc -MM acl.c adlist.c > Makefile.dep"), None);
        assert_eq!(object("ar rcs libhiredis.a alloc.o net.o"), None);
    }
}
