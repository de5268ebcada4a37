//! Live progress on a terminal: what is done scrolls by above, what runs stands below and moves.

use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

use super::{board::Board, line::Line};
use crate::{
    event::Event,
    report::{Consumer, terminal},
};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

#[derive(Default)]
pub(in crate::report) struct Bars {
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
    board: Board,
    /// Which picture of the spinner comes next.
    turn: usize,
}

impl Bars {
    fn print(&self, lines: &[Line]) {
        for line in lines.iter().filter_map(Line::coloured) {
            let _ = self.screen.println(terminal::safe(&line));
        }
    }

    fn draw(&mut self, now: Instant) {
        let texts = live(&self.board, self.turn, now);
        while self.lines.len() > texts.len() {
            if let Some(bar) = self.lines.pop() {
                bar.finish_and_clear();
                self.screen.remove(&bar);
            }
        }
        while self.lines.len() < texts.len() {
            let bar = self.screen.add(ProgressBar::new_spinner());
            // It cuts what is wider than the terminal.
            bar.set_style(
                ProgressStyle::with_template("{wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            self.lines.push(bar);
        }
        for (bar, text) in self.lines.iter().zip(texts) {
            bar.set_message(text);
        }
    }
}

/// What stands below: a spinner before each step, hosts indented.
pub(super) fn live(board: &Board, turn: usize, now: Instant) -> Vec<String> {
    let spinner = SPINNER[turn % SPINNER.len()];
    let mut lines = Vec::new();
    for line in board.lines(true, now) {
        let line = terminal::harmless(&line);
        lines.push(if line.starts_with(' ') {
            line.dimmed().to_string()
        } else {
            format!("{spinner} {line}")
        });
    }
    lines
}

impl Consumer for Bars {
    fn event(&mut self, event: &Event, now: Instant) {
        let lines = self.board.event(event, now);
        if !lines.is_empty() {
            self.draw(now);
        }
        self.print(&lines);
    }

    fn tick(&mut self, now: Instant) {
        let lines = self.board.tick(now);
        self.print(&lines);
        self.turn += 1;
        self.draw(now);
    }

    fn end(&mut self) {
        for bar in self.lines.drain(..) {
            bar.finish_and_clear();
        }
    }
}
