//! One line an event: for logs, pipes and CI.

use super::{Consumer, at, harmless, remark, took, waited};
use crate::run::Event;

pub(super) struct Plain;

impl Consumer for Plain {
    fn event(&mut self, event: &Event) {
        let line = match event {
            Event::RunStarted { verb, cluster, version } => format!("{verb} {cluster} (provision {version})"),
            Event::StepStarted { step, host } => format!("{}{step}", at(host.as_ref())),
            Event::Log { host, line, .. } => format!("  {}| {}", at(host.as_ref()), harmless(line)),
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
            // The plan above has told what changes; the journal has when.
            Event::Changed { .. } | Event::Progress { .. } | Event::RunFinished { ok: false, .. } => return,
        };
        remark(&line);
    }
}
