//! Live progress on a terminal: a line for each host plus one for the running step; what is done scrolls by above.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

use super::{Consumer, at, harmless, took, waited};
use crate::event::Event;

#[derive(Default)]
pub(super) struct Bars {
    screen: MultiProgress,
    /// By host; the empty name is the running step.
    lines: BTreeMap<String, ProgressBar>,
}

impl Bars {
    fn line(&mut self, host: Option<&String>) -> &ProgressBar {
        let screen = &self.screen;
        self.lines.entry(host.cloned().unwrap_or_default()).or_insert_with(|| {
            let bar = screen.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_style(spinner());
            bar
        })
    }

    fn print(&self, line: &str) {
        let _ = self.screen.println(line);
    }

    fn clear(&mut self) {
        for bar in std::mem::take(&mut self.lines).into_values() {
            bar.finish_and_clear();
        }
    }
}

impl Consumer for Bars {
    fn event(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step, host } => self.line(host.as_ref()).set_message(step.clone()),
            Event::Progress { host, what, done, total, .. } => {
                let bar = self.line(host.as_ref());
                if let Some(total) = total {
                    bar.set_style(counted());
                    bar.set_length(*total);
                }
                bar.set_position(*done);
                bar.set_message(format!("{}{what}", at(host.as_ref())));
            }
            Event::Log { host, line, .. } => {
                let text = format!("{}{}", at(host.as_ref()), harmless(line));
                self.line(host.as_ref()).set_message(text);
            }
            Event::Changed { host, what, .. } => {
                let text = format!("{}{what}", at(host.as_ref()));
                self.line(host.as_ref()).set_message(text);
            }
            Event::Waited { what, took_ms, floor_ms, .. } => {
                self.print(&format!("  {}", waited(what, *took_ms, *floor_ms).dimmed()));
            }
            Event::Notice { host, text } => {
                self.print(&format!("{} {}{text}", "note:".yellow(), at(host.as_ref())));
            }
            Event::StepFinished { step, changed, took_ms, .. } => {
                self.clear();
                let count = format!("{changed} changed, {}", took(*took_ms));
                self.print(&format!("{} {step} {}", "✓".green(), count.dimmed()));
            }
            Event::StepFailed { step, host, .. } => {
                self.clear();
                self.print(&format!("{} {}{step}", "✗".red(), at(host.as_ref())));
            }
            Event::RunStarted { .. } | Event::RunFinished { .. } => {}
        }
    }

    fn end(&mut self) {
        self.clear();
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn counted() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {elapsed:>4} [{bar:30}] {pos}/{len} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
