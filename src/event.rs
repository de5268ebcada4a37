//! What happened, as data. Work code emits events; only `report/` turns them into text.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::units::{HostName, StepName};

/// What the hosts of a fleet are: what holds in a lab need not hold on machines that fail independently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// All nodes on this machine.
    SingleHost,
    /// Hosts that `provision lab` simulates on this machine.
    Lab,
    RealHosts,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingleHost => "on a single host",
            Self::Lab => "in a lab",
            Self::RealHosts => "on real hosts",
        })
    }
}

/// One fact about a run. An event is complete in itself: a consumer needs no earlier one to print it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run began.
    RunStarted { verb: String, cluster: String, environment: Environment, version: String },
    /// A step of the playbook began on a host (or on the cluster as a whole: no host).
    StepStarted { step: StepName, host: Option<HostName> },
    /// The progress of the running step: `done` of `total`, in units the `what` names ("objects", "bytes").
    Progress { step: StepName, host: Option<HostName>, what: String, done: u64, total: Option<u64> },
    /// A line of output of a command that runs on a host.
    Log { step: StepName, host: Option<HostName>, line: String },
    /// One resource was changed.
    Changed { step: StepName, host: Option<HostName>, what: String },
    /// A wait ended: what for, how long it took, and the engine's own lower bound for it where there is one.
    Waited { step: StepName, what: String, took_ms: u64, floor_ms: Option<u64> },
    /// Something a user should know that does not stop the run.
    Notice { host: Option<HostName>, text: String },
    /// A step succeeded; `changed` resources in it differed.
    StepFinished { step: StepName, host: Option<HostName>, changed: usize, took_ms: u64 },
    /// A step failed; the run ends with this error.
    StepFailed { step: StepName, host: Option<HostName>, error: String },
    /// The run ended.
    RunFinished { ok: bool, changed: usize, took_ms: u64 },
}

/// The sending end of the event stream; cheap to clone. Sending never fails and never blocks.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A stream and its receiving end.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends one event; the work goes on where the consumer has ended.
    pub fn emit(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// A handle that stamps its events with a step and a host.
    pub fn step(&self, step: &StepName, host: Option<&HostName>) -> StepEvents {
        StepEvents { events: self.clone(), step: step.clone(), host: host.cloned() }
    }
}

/// The events of one step on one host.
#[derive(Debug, Clone)]
pub struct StepEvents {
    events: Events,
    step: StepName,
    host: Option<HostName>,
}

impl StepEvents {
    pub fn started(&self) {
        self.events.emit(Event::StepStarted { step: self.step.clone(), host: self.host.clone() });
    }

    pub fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        let (step, host) = (self.step.clone(), self.host.clone());
        self.events.emit(Event::Progress { step, host, what: what.to_owned(), done, total });
    }

    pub fn log(&self, line: &str) {
        let (step, host) = (self.step.clone(), self.host.clone());
        self.events.emit(Event::Log { step, host, line: line.to_owned() });
    }

    pub fn changed(&self, what: &str) {
        let (step, host) = (self.step.clone(), self.host.clone());
        self.events.emit(Event::Changed { step, host, what: what.to_owned() });
    }

    pub fn waited(&self, what: &str, took: Duration, floor: Option<Duration>) {
        self.events.emit(Event::Waited {
            step: self.step.clone(),
            what: what.to_owned(),
            took_ms: millis(took),
            floor_ms: floor.map(millis),
        });
    }

    pub fn notice(&self, text: impl Into<String>) {
        self.events.emit(Event::Notice { host: self.host.clone(), text: text.into() });
    }

    pub fn finished(&self, changed: usize, took: Duration) {
        let (step, host) = (self.step.clone(), self.host.clone());
        self.events.emit(Event::StepFinished { step, host, changed, took_ms: millis(took) });
    }

    pub fn failed(&self, error: &str) {
        let (step, host) = (self.step.clone(), self.host.clone());
        self.events.emit(Event::StepFailed { step, host, error: error.to_owned() });
    }
}

/// Whole milliseconds; a run never lasts long enough to overflow.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_line_of_json_are_plain_text() {
        let (events, mut receiver) = Events::channel();
        events.step(&"install".into(), Some(&"redis-1".into())).started();
        let json = serde_json::to_string(&receiver.try_recv().unwrap()).unwrap();
        assert_eq!(json, r#"{"event":"step-started","step":"install","host":"redis-1"}"#);
        let host = Some("redis-1".into());
        assert_eq!(
            serde_json::from_str::<Event>(&json).unwrap(),
            Event::StepStarted { step: "install".into(), host }
        );
    }
}
