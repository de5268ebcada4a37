//! What runs at the moment.

use std::time::{Duration, Instant};

use super::{
    line::{Line, Wait},
    merged::Merged,
};
use crate::{
    event::Event,
    units::{HostName, StepName},
};

/// How many hosts are shown by name.
const SHOWN_HOSTS: usize = 3;
/// The characters of a bar.
const BAR: usize = 20;

/// All running steps.
#[derive(Debug, Default)]
pub(super) struct Board {
    steps: Vec<Step>,
    merged: Merged,
}

/// A running step.
#[derive(Debug)]
struct Step {
    name: StepName,
    began: Instant,
    /// Whether its end will be told; what comes after the end of a step is shown until the next one begins.
    is_open: bool,
    running: Vec<Running>,
    /// Hosts that are done with it.
    done: usize,
    /// What the step does as a whole.
    doing: Doing,
    slowest_wait: Option<Wait>,
}

/// A host in a step.
#[derive(Debug)]
struct Running {
    host: HostName,
    began: Instant,
    doing: Doing,
}

/// The latest news of a host or a step.
#[derive(Debug, Default)]
struct Doing {
    amount: Option<Amount>,
    text: String,
}

/// How much of something is done.
#[derive(Debug)]
struct Amount {
    what: String,
    done: u64,
    total: Option<u64>,
}

impl Board {
    /// Takes an event in; returns the lines that stay on the screen because of it.
    pub(super) fn event(&mut self, event: &Event, now: Instant) -> Vec<Line> {
        match event {
            Event::RunStarted { verb, cluster, environment, version } => {
                let what = format!("{verb} {cluster} {environment} (provision {version})");
                return vec![Line::Started { what }];
            }
            Event::StepStarted { step, host } => self.started(step, host.as_ref(), now),
            Event::Progress { step, host, what, done, total } => {
                let amount = Amount { what: what.clone(), done: *done, total: *total };
                self.doing(step, host.as_ref(), now).amount = Some(amount);
            }
            Event::Changed { step, host: Some(host), what } if !self.step(step, now).is_open => {
                let step = self.step(step, now);
                step.done += 1;
                step.doing.says(&format!("{host}: {what}"));
            }
            Event::Log { step, host, line: what } | Event::Changed { step, host, what } => {
                self.doing(step, host.as_ref(), now).says(what);
            }
            Event::Waited { step, what, took_ms, floor_ms } => {
                let slowest = &mut self.step(step, now).slowest_wait;
                if slowest.as_ref().is_none_or(|other| other.took_ms <= *took_ms) {
                    *slowest = Some(Wait { what: what.clone(), took_ms: *took_ms, floor_ms: *floor_ms });
                }
            }
            Event::Notice { host, text } => self.merged.note(host.as_ref(), text, now),
            Event::StepFinished { step, host: Some(host), .. } => self.host_left(step, host, now).done += 1,
            Event::StepFinished { step, host: None, changed, took_ms } => {
                let mut lines = self.merged.take();
                let at = self.steps.iter().position(|other| other.name == *step);
                let wait = at.and_then(|at| self.steps.remove(at).slowest_wait);
                lines.push(Line::Finished { step: step.clone(), changed: *changed, took_ms: *took_ms, wait });
                return lines;
            }
            Event::StepFailed { step, host, .. } => {
                match host {
                    Some(host) => drop(self.host_left(step, host, now)),
                    None => self.steps.retain(|other| other.name != *step),
                }
                // A step that failed on a host is never finished: it is there while other hosts are at it.
                self.steps.retain(|other| other.name != *step || !other.running.is_empty());
                self.merged.failure(host.as_ref(), step, now);
            }
            Event::RunFinished { ok, changed, took_ms } => {
                let mut lines = self.merged.take();
                lines.extend(ok.then_some(Line::Ended { changed: *changed, took_ms: *took_ms }));
                return lines;
            }
        }
        Vec::new()
    }

    /// The lines that stay on the screen because time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Line> {
        self.merged.due(now)
    }

    fn started(&mut self, step: &StepName, host: Option<&HostName>, now: Instant) {
        self.steps.retain(|other| other.is_open || other.name == *step);
        self.step(step, now).is_open = true;
        if let Some(host) = host {
            self.host(step, host, now);
        }
    }

    fn doing(&mut self, step: &StepName, host: Option<&HostName>, now: Instant) -> &mut Doing {
        match host {
            Some(host) => &mut self.host(step, host, now).doing,
            None => &mut self.step(step, now).doing,
        }
    }

    fn host_left(&mut self, step: &StepName, host: &HostName, now: Instant) -> &mut Step {
        let step = self.step(step, now);
        step.running.retain(|running| running.host != *host);
        step
    }

    fn step(&mut self, name: &StepName, now: Instant) -> &mut Step {
        let at = self.steps.iter().position(|step| step.name == *name).unwrap_or_else(|| {
            self.steps.push(Step::new(name, now));
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    fn host(&mut self, step: &StepName, host: &HostName, now: Instant) -> &mut Running {
        let running = &mut self.step(step, now).running;
        let at = running.iter().position(|running| running.host == *host).unwrap_or_else(|| {
            running.push(Running { host: host.clone(), began: now, doing: Doing::default() });
            running.len() - 1
        });
        &mut running[at]
    }

    /// A line a running step, and below it the hosts that have been at it for longest; amounts as bars, if
    /// wanted.
    pub(super) fn lines(&self, bars: bool, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        let mut room = SHOWN_HOSTS;
        for step in &self.steps {
            let elapsed = lasting(now.duration_since(step.began));
            match &step.running[..] {
                [only] if step.done == 0 => {
                    let doing = [only.host.as_str(), &only.doing.text(bars)].join(": ");
                    lines.push(format!("{} {elapsed}  {}", step.name, doing.trim_end_matches(": ")));
                }
                hosts => {
                    lines.push(
                        format!("{} {elapsed}  {}", step.name, step.summary(bars)).trim_end().to_owned(),
                    );
                    for running in hosts.iter().take(room) {
                        let elapsed = lasting(now.duration_since(running.began));
                        lines.push(
                            format!("    {} {elapsed}  {}", running.host, running.doing.text(bars))
                                .trim_end()
                                .to_owned(),
                        );
                    }
                    room = room.saturating_sub(hosts.len());
                }
            }
        }
        lines
    }

    /// The same in one line, where there is anything to tell.
    pub(super) fn summary(&self, now: Instant) -> Option<String> {
        let lines: Vec<String> = self.lines(false, now).iter().map(|line| line.trim().to_owned()).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

impl Step {
    fn new(name: &StepName, began: Instant) -> Self {
        let (running, doing) = (Vec::new(), Doing::default());
        Self { name: name.clone(), began, is_open: false, running, done: 0, doing, slowest_wait: None }
    }

    fn summary(&self, bars: bool) -> String {
        match (self.running.len(), self.done) {
            (0, _) if self.is_open => self.doing.text(bars),
            (0, 0) => self.doing.text(bars),
            (0, done) => format!("{done} changed, last {}", self.doing.text(bars)),
            (running, 0) => format!("{running} hosts running"),
            (running, done) => format!("{done} of {} hosts done", running + done),
        }
    }
}

impl Doing {
    /// A line of output. What is complete is over when something else is heard.
    fn says(&mut self, line: &str) {
        line.clone_into(&mut self.text);
        self.amount.take_if(|amount| amount.total == Some(amount.done));
    }

    /// The amount, and on a screen the last line of output behind it.
    fn text(&self, bars: bool) -> String {
        match &self.amount {
            None => self.text.clone(),
            Some(amount) if bars => format!("{}  {}", amount.text(bars), self.text).trim_end().to_owned(),
            Some(amount) => amount.text(bars),
        }
    }
}

impl Amount {
    /// `[=====>              ] 120 of 342 objects`, `3.1 of 7.2 MB`.
    fn text(&self, bars: bool) -> String {
        let (unit, number): (&str, fn(u64) -> String) = match self.what.as_str() {
            "bytes" => ("MB", megabytes),
            what => (what, |number| number.to_string()),
        };
        let done = number(self.done);
        match self.total.filter(|total| *total > 0) {
            None => format!("{done} {unit}"),
            Some(total) if bars => format!("{} {done} of {} {unit}", bar(self.done, total), number(total)),
            Some(total) => format!("{done} of {} {unit}", number(total)),
        }
    }
}

/// `[=====>              ]`
fn bar(done: u64, total: u64) -> String {
    let filled = (done.min(total) * BAR as u64).checked_div(total).unwrap_or(0);
    let mut bar = "=".repeat(usize::try_from(filled).unwrap_or(0));
    if bar.len() < BAR {
        bar.push('>');
    }
    format!("[{bar:BAR$}]")
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// `9s`, `2m05s`.
fn lasting(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}
