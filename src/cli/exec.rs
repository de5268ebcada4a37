//! `provision exec` and `provision logs`: a command on many hosts at once, each line under its host's name.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;

use super::{
    args::{Exec, Inventory, Logs},
    exit::{Exit, Failure},
    session::{Connected, connect, facts},
};
use crate::{
    host::{Probe, quote},
    inventory::{self, Fleet, Fold, Host, select},
    report::{self, HostOutput},
    resource::Layout,
};

/// How long a command may print nothing: it is the user's own, and Ctrl-C ends it.
const SILENCE: Duration = Duration::from_hours(24);

pub(super) async fn exec(args: Exec) -> Result<Exit, Failure> {
    let (_, connected) = reach(&args.inventory, &args.limit).await?;
    // As ssh does it; but what is meant as several words stays several words.
    let line = match &args.command[..] {
        [line] => line.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    };
    // What is not whole must be an error of its own, and not wait for the rest of it in what comes after.
    let script = format!("eval {}", quote(&line));
    let lines = connected.probes.keys().map(|host| (host.clone(), script.clone())).collect();
    let ended = run_on_all(&connected, lines, args.json).await;
    Ok(connected.exit(ended, None))
}

pub(super) async fn logs(args: Logs) -> Result<Exit, Failure> {
    let (fleet, connected) = reach(&args.inventory, &args.limit).await?;
    let facts = facts(&connected.probes).await?;
    let scripts = fleet.hosts.iter().filter_map(|host| {
        let layout = Layout::new(&fleet, facts.get(&host.name)?);
        Some((host.name.clone(), tail(host, &layout, args.lines, args.follow)))
    });
    let ended = run_on_all(&connected, scripts.collect(), args.json).await;
    Ok(connected.exit(ended, None))
}

/// The fleet, and a connection to each host that is meant.
async fn reach(args: &Inventory, limit: &[String]) -> Result<(Fleet, Connected), Failure> {
    let fold = if args.single_host { Fold::SingleHost } else { Fold::AsWritten };
    let mut fleet = inventory::load(&args.path, fold)?;
    if !limit.is_empty() {
        let chosen = select(&fleet, limit)?;
        fleet.hosts.retain(|host| chosen.contains(&host.name));
    }
    let connected = connect(&fleet, args.trust).await?;
    Ok((fleet, connected))
}

/// Prints the ends of the logs of a host's nodes, each line under its node's name.
fn tail(host: &Host, layout: &Layout, lines: u32, follow: bool) -> String {
    let tails = host.nodes.iter().map(|node| {
        let (log, name) = (quote(&layout.node(node).log), quote(&format!("{}: ", node.name)));
        let how = if follow { format!("-n {lines} -F") } else { format!("-n {lines}") };
        format!(
            "tail {how} -- {log} 2>&1 | while IFS= read -r line; do printf '%s%s\\n' {name} \"$line\"; done"
        )
    });
    if follow {
        tails.collect::<Vec<_>>().join(" &\n") + HEARTBEAT_SCRIPT
    } else {
        tails.collect::<Vec<_>>().join("\n")
    }
}

/// A log may be silent for days. Beats find out that nobody listens any more, and end all that was started for it.
const HEARTBEAT_SCRIPT: &str =
    " &\ntrap '' PIPE\nwhile printf '\\001\\n'; do sleep 5; done 2>/dev/null\nkill 0";
const HEARTBEAT: &str = "\u{1}";

/// Runs a script on each host at the same time; a host whose script fails makes the whole a failure.
async fn run_on_all(connected: &Connected, scripts: BTreeMap<String, String>, json: bool) -> Exit {
    let width = scripts.keys().map(String::len).max().unwrap_or(0);
    let runs = scripts.into_iter().filter_map(|(host, script)| {
        let probe = connected.probes.get(&host)?.clone();
        Some(run_on_host(probe, script, width, json))
    });
    if join_all(runs).await.into_iter().all(|good| good) { Exit::Done } else { Exit::Failed }
}

async fn run_on_host(probe: Probe, script: String, width: usize, json: bool) -> bool {
    let host = probe.name().to_owned();
    let mut say = |line: &str| {
        if line != HEARTBEAT {
            report::host_output(&host, &HostOutput::Line(line), width, json);
        }
    };
    match probe.command(&script, SILENCE, &mut say).await {
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
