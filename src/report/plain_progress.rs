//! One line an event: for logs, pipes and CI.

use std::collections::HashMap;

use super::{Consumer, at, note, took, waited};
use crate::event::Event;

#[derive(Default)]
pub(super) struct Plain {
    /// The tenth of the running work that was told last, by host.
    tenths: HashMap<Option<String>, u64>,
}

impl Plain {
    /// Whether another tenth is done.
    fn is_due(&mut self, host: Option<&String>, done: u64, total: u64) -> bool {
        let tenth = done.saturating_mul(10).checked_div(total).unwrap_or(0);
        self.tenths.insert(host.cloned(), tenth) != Some(tenth) && tenth > 0
    }
}

impl Consumer for Plain {
    fn event(&mut self, event: &Event) {
        let line = match event {
            Event::RunStarted { verb, cluster, environment, version } => {
                format!("{verb} {cluster} {environment} (provision {version})")
            }
            Event::StepStarted { step, host } => format!("{}{step}", at(host.as_ref())),
            Event::Progress { host, what, done, total: Some(total), .. }
                if self.is_due(host.as_ref(), *done, *total) =>
            {
                format!("  {}{what}: {done} of {total}", at(host.as_ref()))
            }
            Event::Waited { what, took_ms, floor_ms, .. } => {
                format!("  {}", waited(what, *took_ms, *floor_ms))
            }
            Event::Notice { host, text } => format!("note: {}{text}", at(host.as_ref())),
            Event::StepFinished { step, host, changed, took_ms } => {
                format!("{}{step} done, {changed} changed, {}", at(host.as_ref()), took(*took_ms))
            }
            Event::StepFailed { step, host, .. } => format!("{}{step} failed", at(host.as_ref())),
            Event::RunFinished { changed, took_ms, ok: true } => {
                format!("done, {changed} changed, {}", took(*took_ms))
            }
            // The plan has told what changes, an error has the lines that matter, and the journal has all of it.
            Event::Changed { .. }
            | Event::Log { .. }
            | Event::Progress { .. }
            | Event::RunFinished { ok: false, .. } => return,
        };
        note(&line);
    }
}
