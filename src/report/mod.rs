//! Turns what happened into text and JSON. Results go to stdout; progress and diagnostics go to stderr.

mod connect;
mod evidence;
mod failure;
mod host_key;
mod host_output;
mod html;
mod journal;
mod junit;
mod names;
mod plan;
mod progress;
#[cfg(test)]
mod samples;
mod schema;
mod status;
mod terminal;
#[cfg(test)]
mod tests;

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::mpsc::UnboundedReceiver, task::JoinHandle, time::timeout};

pub use connect::how_to_connect;
pub use evidence::table as evidence_table;
pub use failure::failure;
pub use host_key::{HostKey, host_key};
pub use host_output::{HostOutput, host_output};
pub use html::html;
pub use journal::Journal;
pub use junit::junit;
pub use plan::Detail;
pub use schema::schema;
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

/// A consumer of events; the time is given, so that tests need none.
trait Consumer: Send {
    fn event(&mut self, event: &Event, now: Instant);
    /// Time has passed.
    fn tick(&mut self, _now: Instant) {}
    fn end(&mut self) {}
}

/// How often running times and spinners move.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

/// Consumes events until the run is finished, on a thread of its own: a slow terminal must not slow the work.
/// Returns those that a report shows.
pub fn follow(
    mut events: UnboundedReceiver<Event>,
    style: Style,
    mut journal: Option<Journal>,
) -> JoinHandle<Vec<Event>> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut consumer: Box<dyn Consumer> = match style {
            Style::Bars => Box::new(progress::Bars::default()),
            Style::Plain => Box::new(progress::Plain::default()),
            Style::Json => Box::new(JsonLines),
        };
        let (mut reported_events, mut ticked) = (Vec::new(), Instant::now());
        loop {
            let next = runtime.block_on(async { timeout(TICK_INTERVAL, events.recv()).await });
            let now = Instant::now();
            if now.duration_since(ticked) >= TICK_INTERVAL {
                consumer.tick(now);
                ticked = now;
            }
            let event = match next {
                Err(_) => continue,
                Ok(None) => break,
                Ok(Some(event)) => event,
            };
            if let Some(journal) = &mut journal {
                journal.write(&event);
            }
            consumer.event(&event, now);
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
    fn event(&mut self, event: &Event, _: Instant) {
        json_line(event);
    }
}

/// A result: text on stdout, without colours where they are not wanted. A reader that went away is no error.
pub fn result(text: &str) {
    print(&mut anstream::stdout(), text, terminal::width(std::io::stdout()));
}

/// A note on stderr.
pub fn note(text: &str) {
    print(&mut anstream::stderr(), text, terminal::width(std::io::stderr()));
}

/// The one way text goes to a stream: without what could harm a terminal, and broken between words where it
/// is one.
fn print(stream: &mut impl Write, text: &str, width: Option<usize>) {
    let text = terminal::safe(text.trim_end());
    let text = width.map_or_else(|| text.clone(), |width| terminal::wrapped(&text, width));
    let _ = writeln!(stream, "{text}");
}

/// A value as one line of JSON on stdout.
pub fn json_line(value: &impl serde::Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        let _ = writeln!(std::io::stdout(), "{}", terminal::safe_json(&line));
    }
}

/// A value as indented JSON on stdout.
pub fn json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        let _ = writeln!(std::io::stdout(), "{}", terminal::safe_json(&text));
    }
}

/// `1.23s`, `45ms`.
fn took(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms}ms"),
        _ => format!("{}.{:02}s", ms / 1000, ms % 1000 / 10),
    }
}
