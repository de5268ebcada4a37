//! Progress for logs, pipes and CI: a line a step, and one where ten seconds have passed without any.

use std::time::{Duration, Instant};

use super::board::Board;
use crate::{
    event::Event,
    report::{Consumer, note},
};

/// How long a log may be silent while a run goes on.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(in crate::report) struct Plain {
    board: Board,
    /// When something was printed last.
    printed: Option<Instant>,
}

impl Plain {
    /// The lines an event gives.
    pub(super) fn of_event(&mut self, event: &Event, now: Instant) -> Vec<String> {
        let lines: Vec<String> = self.board.event(event, now).iter().map(super::line::Line::plain).collect();
        if !lines.is_empty() || self.printed.is_none() {
            self.printed = Some(now);
        }
        lines
    }

    /// The lines the time gives.
    pub(super) fn of_time(&mut self, now: Instant) -> Vec<String> {
        let mut lines: Vec<String> = self.board.tick(now).iter().map(super::line::Line::plain).collect();
        let silent = self.printed.is_some_and(|printed| now.duration_since(printed) >= HEARTBEAT_INTERVAL);
        if lines.is_empty() && silent {
            lines.extend(self.board.summary(now).map(|summary| format!("  {summary}")));
        }
        if !lines.is_empty() {
            self.printed = Some(now);
        }
        lines
    }
}

impl Consumer for Plain {
    fn event(&mut self, event: &Event, now: Instant) {
        self.of_event(event, now).iter().for_each(|line| note(line));
    }

    fn tick(&mut self, now: Instant) {
        self.of_time(now).iter().for_each(|line| note(line));
    }
}
