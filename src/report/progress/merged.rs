//! Notes and failures of many hosts at about the same time, merged to one line each.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::line::Line;
use crate::units::{HostName, StepName};

/// How long a line waits for the same one of other hosts.
const MERGE_TIMEOUT: Duration = Duration::from_secs(1);

/// Lines that other hosts may still join.
#[derive(Debug, Default)]
pub(super) struct Merged {
    waiting: Vec<Line>,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Merged {
    /// Adds a note of a host, or of the run.
    pub(super) fn note(&mut self, host: Option<&HostName>, text: &str, now: Instant) {
        let same = |line: &&mut Line| matches!(line, Line::Note { text: other, .. } if other == text);
        match (self.waiting.iter_mut().find(same), host) {
            (Some(Line::Note { hosts, .. }), Some(host)) if !hosts.is_empty() => join(hosts, host),
            _ => self
                .push(Line::Note { text: text.to_owned(), hosts: host.cloned().into_iter().collect() }, now),
        }
    }

    /// Adds the failure of a step on a host, or of the step as a whole.
    pub(super) fn failure(&mut self, host: Option<&HostName>, step: &StepName, now: Instant) {
        let same = |line: &&mut Line| matches!(line, Line::Failed { step: other, .. } if other == step);
        match (self.waiting.iter_mut().find(same), host) {
            (Some(Line::Failed { hosts, .. }), Some(host)) if !hosts.is_empty() => join(hosts, host),
            _ => self
                .push(Line::Failed { step: step.clone(), hosts: host.cloned().into_iter().collect() }, now),
        }
    }

    fn push(&mut self, line: Line, now: Instant) {
        self.since.get_or_insert(now);
        self.waiting.push(line);
    }

    /// What has waited long enough.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Line> {
        match self.since {
            Some(since) if now.duration_since(since) >= MERGE_TIMEOUT => self.take(),
            _ => Vec::new(),
        }
    }

    /// All that waits.
    pub(super) fn take(&mut self) -> Vec<Line> {
        self.since = None;
        mem::take(&mut self.waiting)
    }
}

/// Hosts report in any order; shown they are in order of their names, shorter names first: n9, n10.
fn join(hosts: &mut Vec<HostName>, host: &HostName) {
    if !hosts.iter().any(|other| other == host) {
        hosts.push(host.clone());
        hosts.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    }
}
