//! A systemd unit that must be enabled and running.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Observed, Questions, Script, quote};

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub name: String,
}

impl Kind for Unit {
    fn title(&self) -> String {
        format!("unit {}", self.name)
    }

    fn ask(&self, questions: &mut Questions) {
        questions.unit(&self.name);
    }

    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        let Some(state) = seen.units.get(&self.name) else {
            return Some(Difference::new(Action::Start, "systemd does not know it yet"));
        };
        let running = state.active == "active" && matches!(state.enabled.as_str(), "enabled" | "static");
        (!running)
            .then(|| Difference::new(Action::Start, format!("it is {} and {}", state.enabled, state.active)))
    }

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        let name = quote(&self.name);
        script.push(&format!(
            "was=\"$(systemctl is-enabled {name} 2>/dev/null || :) $(systemctl is-active {name} 2>/dev/null || :)\""
        ));
        script.push(&Entry::started_unit(&self.name));
        script.push(&format!("systemctl daemon-reload; systemctl enable --now {name}"));
        Ok(())
    }
}

/// Stops and disables what was neither running nor enabled before.
pub(super) fn undo(name: &str, was: &str) -> String {
    let name = quote(name);
    let (enabled, active) = was.split_once(' ').unwrap_or((was, ""));
    let mut lines = Vec::new();
    if active != "active" {
        lines.push(format!("systemctl stop {name} 2>/dev/null || :"));
    }
    if enabled != "enabled" {
        lines.push(format!("systemctl disable {name} 2>/dev/null || :"));
    }
    lines.push(":".to_owned());
    lines.join("\n")
}
