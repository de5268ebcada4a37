//! `provision exec`: a command on many hosts at once, each line of its output after the host's name.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;

use super::{
    args::{Exec, Inventory},
    exit::{Exit, Failure},
    inventory_arg::resolve,
    session::connect,
    unreachable::reporting_unreachable,
};
use crate::{
    host::{Probe, quote},
    inventory::{self, Fleet, Fold, select},
    report::{self, HostOutput},
    units::HostName,
};

/// How long a command may print nothing: it is the user's own, and Ctrl-C ends it.
const SILENCE_TIMEOUT: Duration = Duration::from_hours(24);

/// A line that is not shown: it only proves that the connection is still open.
const HEARTBEAT: &str = "\u{1}";

pub(super) async fn run(args: Exec) -> Result<Exit, Failure> {
    let fleet = selected(&args.inventory, &args.limit)?;
    let script = script(&args.command);
    reporting_unreachable(async |unreachable| {
        let probes = connect(&fleet, args.inventory.trust, unreachable).await?;
        let runs = probes.into_iter().map(|(host, probe)| (host, (probe, script.clone()))).collect();
        let exit = run_on_all(runs, args.json).await;
        Ok(unreachable.exit(exit, None))
    })
    .await
}

/// One word is a line of shell, as with ssh; several words stay several words.
fn script(command: &[String]) -> String {
    let line = match command {
        [line] => line.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    };
    // Incomplete syntax must fail by itself, and not swallow what the shell reads next.
    format!("eval {}", quote(&line))
}

/// The fleet with the hosts of the limit only.
pub(super) fn selected(args: &Inventory, limit: &[String]) -> Result<Fleet, Failure> {
    let fold = if args.single_host { Fold::SingleHost } else { Fold::AsWritten };
    let mut fleet = inventory::load(&resolve(args.path.as_deref())?, fold)?;
    if !limit.is_empty() {
        let chosen = select(&fleet, limit)?;
        fleet.hosts.retain(|host| chosen.contains(&host.name));
    }
    Ok(fleet)
}

/// Runs a script on each host at the same time; a host whose script fails makes the whole a failure.
pub(super) async fn run_on_all(runs: BTreeMap<HostName, (Probe, String)>, json: bool) -> Exit {
    let width = runs.keys().map(|host| host.len()).max().unwrap_or(0);
    let runs = runs.into_values().map(|(probe, script)| run_on_host(probe, script, width, json));
    if join_all(runs).await.into_iter().all(|good| good) { Exit::Done } else { Exit::Failed }
}

async fn run_on_host(probe: Probe, script: String, width: usize, json: bool) -> bool {
    let host = probe.name().clone();
    let mut show = |line: &str| {
        if line != HEARTBEAT {
            report::host_output(&host, &HostOutput::Line(line), width, json);
        }
    };
    match probe.command(&script, SILENCE_TIMEOUT, &mut show).await {
        Ok(status) => {
            report::host_output(&host, &HostOutput::Status(status), width, json);
            status == 0
        }
        Err(error) => {
            report::failure(&error.into());
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> String {
        script(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn one_word_is_a_line_of_shell_and_several_are_a_command() {
        assert_eq!(words(&["uptime; df -h /"]), format!("eval {}", quote("uptime; df -h /")));
        let command = ["echo", "a  b"].map(quote).join(" ");
        assert_eq!(words(&["echo", "a  b"]), format!("eval {}", quote(&command)));
    }
}
