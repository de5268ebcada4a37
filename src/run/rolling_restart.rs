//! Starting and restarting nodes: a start counts when the node answers, a restart when the cluster has it back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;

use super::{Error, executor::Executor};
use crate::{
    cluster::{self, HandOver, RollingError},
    host::Probe,
    inspect,
    inventory::Fleet,
    plan::{HostChanges, Planned},
    redis::Servers,
    resource::{Action, Process, Resource, Script, quote},
};

/// How long a started node may take to accept connections. It does so before it loads its data.
const ACCEPTS: Duration = Duration::from_mins(1);
/// How long a restarted node may take to be a settled member again; loading a large data set is the longest part.
const SETTLES: Duration = Duration::from_mins(10);
/// The same in a cluster that was not healthy before.
const SETTLES_BROKEN: Duration = Duration::from_secs(5);
/// How long a master is waited for that has no online replica, in a cluster where each had one.
const REPLICA_WAIT_TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);
/// How often a node that does not accept is looked at: it may have ended.
const LOOK: Duration = Duration::from_millis(500);

/// Restarts within one stage.
pub(super) struct RollingRestart<'a> {
    pub(super) executor: &'a Executor<'a>,
    pub(super) fleet: &'a Fleet,
    pub(super) step: &'a str,
    /// Whether nothing was missing in the cluster when the plan was made.
    pub(super) was_healthy: bool,
    /// Whether hosts cannot be reached: nobody knows how the cluster stands there.
    pub(super) partial: bool,
}

impl RollingRestart<'_> {
    /// Restarts nodes one at a time, replicas before masters; a master first hands over to a replica.
    pub(super) async fn restart(&self, hosts: &[HostChanges]) -> Result<usize, Error> {
        let due: Vec<(&str, &Planned, &Process)> = hosts.iter().flat_map(due).collect();
        if due.is_empty() {
            return Ok(0);
        }
        let servers = inspect::servers(self.fleet, &self.executor.probes())?;
        for address in cluster::order(&servers.observe().await) {
            let node = |process: &Process| (process.ip, process.port) == (address.ip(), address.port());
            let Some((host, planned, process)) = due.iter().find(|(_, _, process)| node(process)) else {
                continue;
            };
            if self.executor.cancel.is_raised() {
                return Err(Error::Interrupted { after: self.step.to_owned() });
            }
            self.hand_over(&servers, address).await?;
            self.restart_node(host, planned, process).await?;
            self.wait_rejoined(&servers, address).await?;
        }
        Ok(due.len())
    }

    /// Sees that a restart loses nothing. In a cluster that was not healthy, the restart may be what lets replicas attach:
    /// there a master goes without a hand-over, if its keys are on disk. So it does in a fleet without replicas.
    async fn hand_over(&self, servers: &Servers, address: SocketAddr) -> Result<(), Error> {
        let began = Instant::now();
        while cluster::hand_over(servers, address).await? == HandOver::NoReplica {
            if self.partial && self.fleet.replicas > 0 {
                return Err(RollingError::CandidateUnreachable { node: address }.into());
            }
            if !self.was_healthy || self.fleet.replicas == 0 {
                return Ok(cluster::survives(servers, self.fleet, address).await?);
            }
            if began.elapsed() > REPLICA_WAIT_TIMEOUT {
                return Err(
                    RollingError::NoFailoverCandidate { node: address, after: REPLICA_WAIT_TIMEOUT }.into()
                );
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until the cluster has the node back. In a cluster that was not healthy to begin with, the restart may be
    /// what makes it healthy, further on: there the wait is short and not held against the run.
    async fn wait_rejoined(&self, servers: &Servers, address: SocketAddr) -> Result<(), Error> {
        if self.was_healthy && !self.partial {
            cluster::settled(servers, address, SETTLES).await?;
            return Ok(());
        }
        if let Err(error) = cluster::settled(servers, address, SETTLES_BROKEN).await {
            self.executor.events.step(self.step, None).notice(format!("going on although {error}"));
        }
        Ok(())
    }

    async fn restart_node(&self, host: &str, planned: &Planned, process: &Process) -> Result<(), Error> {
        let Some(run) = self.executor.host(self.fleet, self.step, host) else { return Ok(()) };
        let mut script = Script::new(&run.layout);
        script.begin(0);
        process.stop(&mut script);
        planned.resource.change(&planned.difference, &mut script);
        script.end(0);
        run.run(&script, &[format!("{} restarted", planned.resource.title())]).await?;
        wait_ready(run.change.probe(), &[process]).await
    }
}

fn due(host: &HostChanges) -> impl Iterator<Item = (&str, &Planned, &Process)> {
    host.changes.iter().filter_map(|planned| match &planned.resource {
        Resource::Process(process) if planned.difference.action == Action::Restart => {
            Some((host.host.as_str(), planned, process))
        }
        _ => None,
    })
}

/// Waits until all of these nodes accept connections, of clients and of other nodes. One that ended instead is named with the end of its log.
pub(super) async fn wait_ready(probe: &Probe, processes: &[&Process]) -> Result<(), Error> {
    try_join_all(processes.iter().map(|process| wait_accepting(probe, process))).await.map(drop)
}

async fn wait_accepting(probe: &Probe, process: &Process) -> Result<(), Error> {
    let began = Instant::now();
    let (mut pause, mut look_at) = (Duration::from_millis(5), LOOK);
    // The bus comes last, and the other nodes will want it.
    for port in [process.port, process.bus_port] {
        while probe.dial((process.ip, port).into()).await.is_err() {
            let late = began.elapsed() > ACCEPTS;
            if late || began.elapsed() > look_at {
                look_at += LOOK;
                let (runs, lines) = process_state(probe, process).await?;
                let (host, node, log) = (probe.name().to_owned(), process.node.clone(), process.log.clone());
                if !runs {
                    return Err(Error::NodeEnded { host, node, log, lines });
                }
                if late {
                    return Err(Error::NodeSilent { host, node, log, seconds: ACCEPTS.as_secs(), lines });
                }
            }
            tokio::time::sleep(pause).await;
            // Each refused attempt is a line in the log of the host's sshd.
            pause = (pause * 3 / 2).min(POLL);
        }
    }
    Ok(())
}

/// Whether what was started runs, and the end of what it said. It need not be the server yet: systemd first sets up the
/// sandbox, which takes its time on a busy host, and a user's drop-in may put a wrapper in between.
async fn process_state(probe: &Probe, process: &Process) -> Result<(bool, Vec<String>), Error> {
    let unit = quote(process.unit.as_deref().unwrap_or(""));
    // What a server says before it has opened its log is in the journal where systemd started it.
    let script = format!(
        "{}\nfind_started {} {unit} && echo @runs\ntail -q -n 20 {} {}.out 2>/dev/null\n\
         [ -z {unit} ] || {{ journalctl --sync; journalctl --quiet --no-pager -o cat -n 20 -u {unit}; }} 2>/dev/null\ntrue",
        Process::probe(),
        quote(&process.started),
        quote(&process.log),
        quote(&process.started)
    );
    let mut lines = probe.ask("the state of a node", &script).await?;
    let runs = lines.first().is_some_and(|line| line == "@runs");
    lines.retain(|line| line != "@runs");
    Ok((runs, lines))
}
