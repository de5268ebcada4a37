//! A systemd unit that must be enabled and running.

use std::{collections::BTreeSet, fmt::Write};

use serde::{Deserialize, Serialize};

use super::{Action, Answers, Difference, Handler, ProbeScript, ResourceKind, Script, quote};
use crate::host::{Facts, InitSystem};

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub name: String,
}

/// What systemd says of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitState {
    enabled: String,
    active: String,
}

const START: &str = include_str!("unit.sh");

fn question(units: &BTreeSet<String>, facts: &Facts) -> String {
    let mut text = String::new();
    for unit in units.iter().filter(|_| facts.init == InitSystem::Systemd).map(|unit| quote(unit)) {
        let states = format!("$(systemctl is-enabled {unit}) $(systemctl is-active {unit})");
        let _ = writeln!(text, "echo '=unit '{unit}\" {states}\"");
    }
    text
}

impl ResourceKind for Unit {
    /// `None` where systemd does not know it, or another system is in charge.
    type Answer = Option<UnitState>;

    fn title(&self) -> String {
        format!("unit {}", self.name)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.group("unit", question, &self.name);
    }

    fn read(&self, answers: &Answers) -> Option<UnitState> {
        let (enabled, active) = answers.of("unit", &self.name).find_map(|states| states.split_once(' '))?;
        Some(UnitState { enabled: enabled.to_owned(), active: active.to_owned() })
    }

    fn compare(&self, state: &Option<UnitState>, _: &BTreeSet<String>) -> Option<Difference> {
        let Some(state) = state else {
            return Some(Difference::new(Action::Start, "systemd does not know it yet"));
        };
        let running = state.active == "active" && matches!(state.enabled.as_str(), "enabled" | "static");
        (!running)
            .then(|| Difference::new(Action::Start, format!("it is {} and {}", state.enabled, state.active)))
    }

    fn change(&self, _: &Difference, script: &mut Script) {
        // Its file may come from a command or a package of a step before.
        script.notify(Handler::DaemonReload);
        script.run_handlers();
        script.needs(START);
        script.push(&format!("start_unit {}", quote(&self.name)));
    }
}

/// Stops and disables what was neither running nor enabled before.
pub(super) fn undo(name: &str, was: &str, script: &mut Script) {
    let name = quote(name);
    let (enabled, active) = was.split_once(' ').unwrap_or((was, ""));
    if active != "active" {
        script.push(&format!("systemctl stop {name} 2>/dev/null || :"));
    }
    if enabled != "enabled" {
        script.push(&format!("systemctl disable {name} 2>/dev/null || :"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        answers::tests::answers,
        testing::{facts, layout, lines},
    };

    fn unit() -> Unit {
        Unit { name: "chrony.service".into() }
    }

    fn compare(said: &[&str]) -> Option<String> {
        unit().compare(&unit().read(&answers(said)), &BTreeSet::new()).map(|difference| difference.why)
    }

    #[test]
    fn a_unit_must_be_enabled_and_active() {
        assert_eq!(compare(&["=unit chrony.service enabled active"]), None);
        assert_eq!(compare(&["=unit chrony.service static active"]), None);
        let why = compare(&["=unit chrony.service disabled inactive"]);
        assert_eq!(why.unwrap(), "it is disabled and inactive");
        assert!(compare(&["=unit chrony.service  inactive"]).is_some());
        assert!(compare(&[]).is_some());
    }

    #[test]
    fn only_systemd_is_asked_for_units() {
        let mut probe = ProbeScript::default();
        unit().ask(&mut probe);
        assert!(!probe.script(&facts()).contains("systemctl"));
        let systemd = Facts { init: InitSystem::Systemd, ..facts() };
        assert!(probe.script(&systemd).contains("systemctl is-enabled chrony.service"));
    }

    #[test]
    fn systemd_reads_its_files_before_the_unit_starts() {
        let mut script = Script::new(&layout());
        unit().change(&Difference::new(Action::Start, ""), &mut script);
        let all = lines(&script);
        let at = |line: &str| all.iter().rposition(|other| other == line).unwrap();
        assert!(at("run_handlers") < at("start_unit chrony.service"));
        assert_eq!(all.last().unwrap(), "start_unit chrony.service");
    }

    #[test]
    fn a_unit_goes_back_to_what_it_was() {
        let undo = |was: &str| {
            let mut script = Script::new(&layout());
            super::undo("a", was, &mut script);
            lines(&script).iter().filter(|line| line.starts_with("systemctl ")).count()
        };
        assert_eq!(undo("enabled active"), 0);
        assert_eq!(undo("disabled active"), 1);
        assert_eq!(undo("disabled inactive"), 2);
    }
}
