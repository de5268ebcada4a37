//! The journal: one file a run, one JSON event a line, kept in the user's cache.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{cache_dir::CacheDir, event::Event};

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

/// A line: when, and what.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

impl Journal {
    /// Starts the journal of a run of `cluster` in the cache.
    pub fn create(cache: &CacheDir, cluster: &str) -> io::Result<Self> {
        let folder = cache.journal(cluster);
        std::fs::create_dir_all(&folder)?;
        let name = Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
        let path = folder.join(format!("{name}-{}.jsonl", std::process::id()));
        // Commands say what they like, and all of it is in here.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an event. A full disk must not stop the work it tells of.
    pub fn write(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(&Line { at: Timestamp::now(), event }) {
            let _ = writeln!(self.file, "{line}");
        }
    }
}
