//! What of a changed unit matters to a process that runs, and what systemd takes up when it reads the unit
//! again.

use crate::resource::{Observed, Process, Resource};

/// Properties that systemd itself looks up when it stops a process or starts it again. Any other is taken for
/// one that a process gets at its start.
const REREAD: [&str; 18] = [
    "After",
    "Before",
    "Description",
    "Documentation",
    "FinalKillSignal",
    "KillMode",
    "KillSignal",
    "Restart",
    "RestartSec",
    "SendSIGHUP",
    "SendSIGKILL",
    "StartLimitBurst",
    "StartLimitInterval",
    "StartLimitIntervalSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "WantedBy",
    "Wants",
];

/// The unit of a process, where it differs from what is desired and in nothing that a process gets at its
/// start.
pub(super) fn reread<'a>(
    process: &'a Process,
    observed: &Observed,
    mut desired: impl Iterator<Item = &'a Resource>,
) -> Option<&'a str> {
    // It comes last: the files that the server reads come before it.
    let unit = process.unit.as_ref().and(process.config.last())?;
    let new = desired.find_map(|resource| match resource {
        Resource::File(file) if file.path == *unit => file.content.text(),
        _ => None,
    })?;
    at_start(observed.text(unit)?).eq(at_start(new)).then_some(unit)
}

/// The lines of a unit that a process gets at its start.
fn at_start(unit: &str) -> impl Iterator<Item = &str> {
    let lines = unit.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines.filter(|line| !line.split_once('=').is_some_and(|(name, _)| REREAD.contains(&name.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "\
        [Unit]\nDescription=a node\n\n[Service]\n# why\nExecStart=/bin/redis-server conf\nTimeoutStopSec=300\n\
        LimitNOFILE=65536\n";

    fn is_same(old: &str, new: &str) -> bool {
        at_start(old).eq(at_start(new))
    }

    #[test]
    fn how_a_node_is_stopped_and_what_a_unit_says_of_itself_is_read_again() {
        let new = UNIT.replace("=300", "=0\nSendSIGKILL=no\nRestartSec=15").replace("# why", "; because");
        assert!(is_same(UNIT, &new.replace("a node", "another")));
    }

    #[test]
    fn what_a_process_gets_at_its_start_is_not() {
        for new in [
            UNIT.replace("65536", "4096"),
            UNIT.replace("/bin/redis", "/opt/redis"),
            UNIT.replace("LimitNOFILE=65536", "# LimitNOFILE=65536"),
            format!("{UNIT}ProtectClock=yes\n"),
            format!("{UNIT}[Install]\n"),
        ] {
            assert!(!is_same(UNIT, &new), "{new}");
        }
    }
}
