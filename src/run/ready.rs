//! Waiting for nodes that were started: a start counts when the node accepts connections.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::Error;
use crate::{
    host::{Probe, minify},
    resource::{Process, quote},
};

/// How long a started node may take to accept connections. It does so before it loads its data.
const ACCEPT_TIMEOUT: Duration = Duration::from_mins(1);
/// The pause after the first refused connection, which grows up to [`DIAL_INTERVAL`].
const FIRST_DIAL_INTERVAL: Duration = Duration::from_millis(5);
const DIAL_INTERVAL: Duration = Duration::from_millis(100);
/// How often the process of a node that does not accept is checked: it may have ended.
const PROCESS_INTERVAL: Duration = Duration::from_millis(500);

/// What servers of all versions log when the AOF cannot be read to its end (aof.c).
const BROKEN_AOF: [&str; 3] = [
    "Bad file format reading the append only file",
    "Unexpected end of file reading the append only file",
    "Unrecoverable error reading the append only file",
];

/// Waits until all of these nodes accept connections, of clients and of other nodes. One that ended instead
/// is an error with the end of its log.
pub(super) async fn wait_ready(probe: &Probe, processes: &[&Process]) -> Result<(), Error> {
    try_join_all(processes.iter().map(|process| wait_accepting(probe, process))).await.map(drop)
}

async fn wait_accepting(probe: &Probe, process: &Process) -> Result<(), Error> {
    let began = Instant::now();
    let (mut pause, mut check_at) = (FIRST_DIAL_INTERVAL, PROCESS_INTERVAL);
    // The bus comes last, and the other nodes need it.
    for port in [process.port, process.bus_port] {
        while probe.dial((process.ip, port).into()).await.is_err() {
            let late = began.elapsed() > ACCEPT_TIMEOUT;
            if late || began.elapsed() > check_at {
                check_at += PROCESS_INTERVAL;
                refuse_ended(probe, process, late).await?;
            }
            tokio::time::sleep(pause).await;
            // Each refused attempt is a line in the log of the host's sshd.
            pause = (pause * 3 / 2).min(DIAL_INTERVAL);
        }
    }
    Ok(())
}

/// Refuses a node whose process has ended, and one that is `late`.
async fn refuse_ended(probe: &Probe, process: &Process, late: bool) -> Result<(), Error> {
    let (runs, lines) = process_state(probe, process).await?;
    let (host, node, log) = (probe.name().to_owned(), process.name().clone(), process.log.clone());
    if !runs {
        return Err(ended(probe, process, lines));
    }
    if late {
        return Err(Error::NodeSilent { host, node, log, seconds: ACCEPT_TIMEOUT.as_secs(), lines });
    }
    Ok(())
}

/// The error of a node that has ended: an AOF that cannot be read has a way out of its own.
fn ended(probe: &Probe, process: &Process, lines: Vec<String>) -> Error {
    let (host, node, log) = (probe.name().to_owned(), process.name().clone(), process.log.clone());
    let broken = lines.iter().find(|line| BROKEN_AOF.iter().any(|words| line.contains(words)));
    match broken {
        Some(line) => {
            let (line, data) = (line.trim().to_owned(), process.data.clone());
            Error::BrokenAof { host, node, data, line }
        }
        None => Error::NodeEnded { host, node, log, lines },
    }
}

/// The error of the first of these nodes whose process has ended since it was started; `None` where all run.
pub(super) async fn find_ended(probe: &Probe, processes: &[&Process]) -> Result<Option<Error>, Error> {
    for process in processes {
        let (runs, lines) = process_state(probe, process).await?;
        if !runs {
            return Ok(Some(ended(probe, process, lines)));
        }
    }
    Ok(None)
}

/// Whether the process that was started still runs, and the end of its output. It need not be the server yet:
/// systemd first sets up the sandbox, which takes time on a busy host, and a user's drop-in may put a wrapper
/// in between.
async fn process_state(probe: &Probe, process: &Process) -> Result<(bool, Vec<String>), Error> {
    let script = format!(
        "{}\n{}\nnode_state {} {} {}\n",
        Process::probe(),
        minify(include_str!("ready.sh")),
        quote(&process.started),
        quote(&process.log),
        quote(process.unit.as_deref().unwrap_or(""))
    );
    Ok(parse(probe.ask("the state of a node", &script).await?))
}

fn parse(mut lines: Vec<String>) -> (bool, Vec<String>) {
    let runs = lines.first().is_some_and(|line| line == "@runs");
    lines.retain(|line| line != "@runs");
    (runs, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_whether_the_process_runs_and_the_others_are_its_log() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parse(lines("@runs\nloading\nready")), (true, lines("loading\nready")));
        assert_eq!(parse(lines("Fatal: out of disk")), (false, lines("Fatal: out of disk")));
        // A log that quotes the marker later on is no sign of life.
        assert!(!parse(lines("Fatal\n@runs")).0);
        assert_eq!(parse(Vec::new()), (false, Vec::new()));
    }
}
