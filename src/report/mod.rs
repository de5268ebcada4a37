//! Telling people and programs what happened. Results go to stdout; progress and diagnostics go to stderr.

mod connect;
mod evidence;
mod failure;
mod host_key;
mod host_output;
mod html;
mod journal;
mod junit;
mod placement;
mod plain_progress;
mod plan;
mod progress_bars;
mod status;

use std::io::{IsTerminal, Write};

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle};

pub use connect::how_to_connect;
pub use evidence::table as evidence_table;
pub use failure::failure;
pub use host_key::{HostKey, host_key};
pub use host_output::{HostOutput, host_output};
pub use html::html;
pub use journal::Journal;
pub use junit::junit;
pub use plan::Detail;
pub use status::{NodeStatus, Status, status};

use crate::event::Event;

/// How progress is shown; decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Live lines on a terminal.
    Bars,
    /// One line an event, for logs and pipes.
    Plain,
    /// One JSON object a line, on stdout.
    Json,
}

impl Style {
    pub fn choose(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Bars,
            (false, false) => Self::Plain,
        }
    }
}

/// A consumer of events.
trait Consumer: Send {
    fn event(&mut self, event: &Event);
    fn end(&mut self) {}
}

/// Consumes events until the run is finished, on a thread of its own: a slow terminal must not slow the work. Returns
/// the ones a report tells of.
pub fn follow(
    mut events: UnboundedReceiver<Event>,
    style: Style,
    mut journal: Option<Journal>,
) -> JoinHandle<Vec<Event>> {
    tokio::task::spawn_blocking(move || {
        let mut consumer: Box<dyn Consumer> = match style {
            Style::Bars => Box::new(progress_bars::Bars::default()),
            Style::Plain => Box::new(plain_progress::Plain::default()),
            Style::Json => Box::new(JsonLines),
        };
        let mut reported_events = Vec::new();
        while let Some(event) = events.blocking_recv() {
            if let Some(journal) = &mut journal {
                journal.write(&event);
            }
            consumer.event(&event);
            let last = matches!(event, Event::RunFinished { .. });
            if !matches!(event, Event::Log { .. } | Event::Progress { .. } | Event::Changed { .. }) {
                reported_events.push(event);
            }
            if last {
                break;
            }
        }
        consumer.end();
        reported_events
    })
}

struct JsonLines;

impl Consumer for JsonLines {
    fn event(&mut self, event: &Event) {
        json_line(event);
    }
}

/// A result: text on stdout, without colours where they are not wanted. A reader that went away is no error.
pub fn result(text: &str) {
    let _ = writeln!(anstream::stdout(), "{}", text.trim_end());
}

/// A note on stderr.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", text.trim_end());
}

/// A value as one line of JSON on stdout.
pub fn json_line(value: &impl serde::Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// A value as indented JSON on stdout.
pub fn json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

/// A line a host printed, safe for a terminal: control characters could move the cursor or worse.
fn harmless(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `1.23s`, `45ms`.
fn took(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms}ms"),
        _ => format!("{}.{:02}s", ms / 1000, ms % 1000 / 10),
    }
}

/// `host: ` or nothing.
fn at(host: Option<&String>) -> String {
    host.map_or_else(String::new, |host| format!("{host}: "))
}

/// `writable after 2.04s (the engine's own floor is 2.00s)`.
fn waited(what: &str, took_ms: u64, floor_ms: Option<u64>) -> String {
    let floor =
        floor_ms.map_or_else(String::new, |floor| format!(" (the engine's own floor is {})", took(floor)));
    format!("{what} after {}{floor}", took(took_ms))
}
