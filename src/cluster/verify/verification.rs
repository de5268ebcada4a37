//! One run of the proof: what it has seen so far, and when it looks again.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    check::Check,
    details,
    evidence::{Evidence, Invariant, Status},
    host_checks::{self, HostCheckTarget, HostFacts},
    invariants::{Converges, Facts, InvariantCheck, TABLE},
    mode::ProofMode,
    node_config::{self, NodeConfig},
    redirect,
    syncs::SyncWatch,
    write_probe::{Prober, WriteProbe},
};
use crate::{
    cluster::{
        observe::{Observed, State, observe},
        topology::Topology,
    },
    event::millis,
    inventory::Fleet,
    redis::{NodeReader, ProbeKey},
    units::HostName,
};

/// How long gossip may take to make an invariant hold. A master that was away is called failed for twice the
/// node timeout after it is back (`CLUSTER_FAIL_UNDO_TIME_MULT`).
const CONVERGE_TIMEOUT: Duration = Duration::from_secs(20);
/// The fewest looks before the proof gives up, however slow each is.
const MIN_LOOKS: u32 = 3;
/// A cluster under load must not notice the proof.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Nodes have written what was still to be heard in the first look when the hosts are asked for the second
/// time; more often would only read their logs again.
const MAX_HOST_LOOKS: u32 = 2;

/// How often the hosts were asked.
#[derive(Debug, Clone, Copy)]
struct HostLooks(u32);

impl HostLooks {
    /// The hosts are asked in the first look in which all nodes answer, and once more after all else has
    /// converged, where what is on their disks did not. `open` has what did not hold before.
    fn are_due(self, all_up: bool, open: &[Converges], last: bool) -> bool {
        match self.0 {
            0 => last || all_up,
            _ => self.may_help(open) && (last || !open.contains(&Converges::AtNodes)),
        }
    }

    /// Whether asking once more may make something hold.
    fn may_help(self, open: &[Converges]) -> bool {
        self.0 < MAX_HOST_LOOKS && open.contains(&Converges::OnHosts)
    }
}

/// An invariant, and what its check found.
type Judged = (&'static InvariantCheck, Check);

/// One run of the proof.
pub(super) struct Verification<'a> {
    reader: &'a NodeReader<'a>,
    fleet: &'a Fleet,
    targets: &'a BTreeMap<HostName, HostCheckTarget>,
    mode: ProofMode,
    prober: Prober<'a>,
    topology: Topology,
    began: Instant,
    looks: u32,
    /// What hosts were asked for, how often, and the configurations that were read there.
    hosts: HostFacts,
    host_looks: HostLooks,
    configs: BTreeMap<SocketAddr, NodeConfig>,
    /// The latest probe of each master.
    probes: BTreeMap<SocketAddr, WriteProbe>,
    syncs: SyncWatch,
    /// The first moment of each invariant's present result.
    since: HashMap<&'static str, (Status, u64)>,
}

impl<'a> Verification<'a> {
    pub(super) fn new(
        reader: &'a NodeReader<'a>,
        fleet: &'a Fleet,
        targets: &'a BTreeMap<HostName, HostCheckTarget>,
        mode: ProofMode,
    ) -> Self {
        Self {
            reader,
            fleet,
            targets,
            mode,
            prober: Prober::new(reader),
            topology: Topology::place(fleet),
            began: Instant::now(),
            looks: 0,
            hosts: HostFacts::new(),
            host_looks: HostLooks(0),
            configs: BTreeMap::new(),
            probes: BTreeMap::new(),
            syncs: SyncWatch::default(),
            since: HashMap::new(),
        }
    }

    /// Looks until nothing more can be expected of another look.
    pub(super) async fn run(mut self) -> Evidence {
        let mut open = Vec::new();
        loop {
            let began = Instant::now();
            let (judged, last) = self.look(&open).await;
            self.note(&judged);
            open = judged
                .iter()
                .filter(|(_, check)| check.is_open())
                .map(|(check, _)| check.converges)
                .collect();
            if last || !(open.contains(&Converges::AtNodes) || self.host_looks.may_help(&open)) {
                return self.evidence(judged);
            }
            sleep(LOOK_INTERVAL.saturating_sub(began.elapsed())).await;
        }
    }

    /// One look, and whether it is the last one. `open` has what did not hold in the one before.
    async fn look(&mut self, open: &[Converges]) -> (Vec<Judged>, bool) {
        self.looks += 1;
        let observed = observe(self.reader).await;
        let timed_out = self.looks >= MIN_LOOKS && self.began.elapsed() > CONVERGE_TIMEOUT;
        let last = timed_out || is_hopeless(&observed);
        let keys = self.prober.keys(&observed);
        let slots = keys.iter().map(|(master, key)| (*master, (key.slot(), key.name().to_owned())));
        let slots = slots.collect();
        let due = self.due_probes(&observed, &keys, last);
        let hosts_are_due = self.host_looks.are_due(observed.all_up(), open, last);
        let (details, redirects, probes, hosts) = tokio::join!(
            details::ask(self.reader, &observed),
            redirect::ask(self.reader, &observed, &slots),
            self.prober.probe(&observed, due.into_iter()),
            self.ask_hosts(&observed, hosts_are_due),
        );
        self.probes.extend(probes);
        if let Some((hosts, configs)) = hosts {
            (self.hosts, self.configs) = (hosts, configs);
            self.host_looks.0 += 1;
        }
        let now = Instant::now();
        let counts = details.iter().filter_map(|(node, details)| Some((*node, details.sync_full?)));
        self.syncs.note(counts, now);
        let facts = Facts {
            fleet: self.fleet,
            topology: &self.topology,
            observed: &observed,
            details: &details,
            syncs: &self.syncs.counts(now),
            probes: (self.mode == ProofMode::WriteProbes).then_some(&self.probes),
            redirects: &redirects,
            hosts: &self.hosts,
            configs: &self.configs,
        };
        (TABLE.iter().map(|invariant| (invariant, (invariant.check)(&facts))).collect(), last)
    }

    /// Masters whose probe has not shown yet all that it can show. One whose replicas are not online is
    /// probed in the last look: WAIT would wait for them.
    fn due_probes(
        &self,
        observed: &Observed,
        keys: &BTreeMap<SocketAddr, ProbeKey>,
        last: bool,
    ) -> Vec<(SocketAddr, ProbeKey)> {
        if self.mode == ProofMode::ReadOnly {
            return Vec::new();
        }
        let is_ready = |master: SocketAddr| {
            let Some(view) = observed.view(master) else { return false };
            let mut replicas = observed.replicas_of(&view.id);
            view.cluster.is_ok() && replicas.all(|(replica, _)| view.info.replication.has_online(replica))
        };
        let is_due = |master: &SocketAddr| {
            !self.probes.get(master).is_some_and(WriteProbe::is_fine) && (last || is_ready(*master))
        };
        keys.iter().filter(|(master, _)| is_due(master)).map(|(master, key)| (*master, key.clone())).collect()
    }

    async fn ask_hosts(
        &self,
        observed: &Observed,
        due: bool,
    ) -> Option<(HostFacts, BTreeMap<SocketAddr, NodeConfig>)> {
        if !due {
            return None;
        }
        let hosts = host_checks::ask(self.reader, self.fleet, observed, self.targets).await;
        let configs = node_config::ask(self.reader, self.fleet, observed, &hosts).await;
        Some((hosts, configs))
    }

    fn note(&mut self, judged: &[Judged]) {
        let now = millis(self.began.elapsed());
        for (invariant, check) in judged {
            let status = status(check);
            let since = self.since.entry(invariant.id).or_insert((status, now));
            if since.0 != status {
                *since = (status, now);
            }
        }
    }

    fn evidence(self, judged: Vec<Judged>) -> Evidence {
        let took_ms = millis(self.began.elapsed());
        let invariants = judged.into_iter().map(|(InvariantCheck { id, title, .. }, check)| {
            let status = status(&check);
            let by_choice = matches!(check, Check::NotAsked(_));
            let (Check::Holds(evidence)
            | Check::Broken(evidence)
            | Check::NotApplicable(evidence)
            | Check::NotProven(evidence)
            | Check::NotAsked(evidence)) = check;
            let settled = matches!(status, Status::Holds | Status::NotApplicable) || by_choice;
            let since = self.since.get(id).map_or(took_ms, |(_, since)| *since);
            let took_ms = if settled { since } else { took_ms };
            Invariant {
                id: (*id).to_owned(),
                title: (*title).to_owned(),
                status,
                by_choice,
                evidence,
                took_ms,
            }
        });
        Evidence { environment: self.fleet.environment, invariants: invariants.collect(), took_ms }
    }
}

fn status(check: &Check) -> Status {
    match check {
        Check::Holds(_) => Status::Holds,
        Check::Broken(_) => Status::Broken,
        Check::NotApplicable(_) => Status::NotApplicable,
        Check::NotProven(_) | Check::NotAsked(_) => Status::NotProven,
    }
}

/// Whether a node is down, which waiting does not change. One that loads its data will answer.
fn is_hopeless(observed: &Observed) -> bool {
    observed.nodes.iter().any(|(_, state)| matches!(state, State::Down(_) | State::AuthRejected(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::cluster;
    use Converges::{AtNodes, Never, OnHosts};

    #[test]
    fn hosts_are_asked_once_while_nodes_converge() {
        assert!(HostLooks(0).are_due(true, &[], false));
        for open in [&[AtNodes][..], &[AtNodes, OnHosts], &[Never]] {
            assert!(!HostLooks(1).are_due(true, open, false), "{open:?}");
        }
        assert!(!HostLooks(1).are_due(true, &[AtNodes], true), "nothing on the hosts is open");
    }

    #[test]
    fn what_disks_lacked_is_asked_for_once_more_after_all_else() {
        assert!(HostLooks(1).are_due(true, &[OnHosts], false));
        assert!(HostLooks(1).are_due(true, &[AtNodes, OnHosts], true));
        assert!(!HostLooks(2).are_due(true, &[OnHosts], true) && !HostLooks(2).may_help(&[OnHosts]));
    }

    #[test]
    fn hosts_are_asked_when_all_nodes_answer_or_none_more_will() {
        assert!(!HostLooks(0).are_due(false, &[], false));
        assert!(HostLooks(0).are_due(false, &[], true));
    }

    #[test]
    fn a_node_that_loads_is_waited_for_and_a_dead_one_is_not() {
        assert!(!is_hopeless(&cluster("7001 master\n7002 loading 5\n")));
        assert!(is_hopeless(&cluster("7001 master\n7002 down refused\n")));
        assert!(is_hopeless(&cluster("7001 master\n7002 rejected NOAUTH\n")));
    }
}
