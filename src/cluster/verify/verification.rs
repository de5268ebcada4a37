//! One run of the proof: what it has seen so far, and when it looks again.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    details::{self, Details},
    evidence::Evidence,
    host_checks::{self, HostCheckTarget, HostFacts},
    host_looks::HostLooks,
    invariants::{Converges, Facts, TABLE},
    mode::ProofMode,
    node_config::{self, NodeConfig},
    record::{Judged, Record},
    redirect::{self, Redirect},
    syncs::SyncWatch,
    write_probe::{Prober, WriteProbe},
};
use crate::{
    cluster::{
        observe::{Observed, State, observe},
        topology::Topology,
    },
    inventory::{Fleet, NodeRef},
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
    configs: BTreeMap<NodeRef, NodeConfig>,
    /// The latest probe of each master.
    probes: BTreeMap<NodeRef, WriteProbe>,
    syncs: SyncWatch,
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
            host_looks: HostLooks::default(),
            configs: BTreeMap::new(),
            probes: BTreeMap::new(),
            syncs: SyncWatch::default(),
        }
    }

    /// Looks until nothing more can be expected of another look.
    pub(super) async fn run(mut self) -> Evidence {
        let (mut record, mut open) = (Record::default(), Vec::new());
        loop {
            let began = Instant::now();
            let (judged, last) = self.look(&open).await;
            record.note(&judged, self.began.elapsed());
            open = judged
                .iter()
                .filter(|(_, check)| check.is_open())
                .map(|(check, _)| check.converges)
                .collect();
            if last || !(open.contains(&Converges::AtNodes) || self.host_looks.may_help(&open)) {
                return record.evidence(self.fleet.environment, judged, self.began.elapsed());
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
        let (details, redirects) = self.ask(&observed, open, last).await;
        (self.judge(&observed, &details, &redirects), last)
    }

    /// Asks and keeps what the view of the nodes does not have: all of it at the same time.
    async fn ask(
        &mut self,
        observed: &Observed,
        open: &[Converges],
        last: bool,
    ) -> (BTreeMap<NodeRef, Details>, BTreeMap<NodeRef, Redirect>) {
        let keys = self.prober.keys(observed);
        let due = self.due_probes(observed, &keys, last);
        let hosts_are_due = self.host_looks.are_due(observed.all_up(), open, last);
        let (details, redirects, probes, hosts) = tokio::join!(
            details::ask(self.reader, observed),
            redirect::ask(self.reader, observed, &keys),
            self.prober.probe(observed, due.into_iter()),
            self.ask_hosts(observed, hosts_are_due),
        );
        self.probes.extend(probes);
        if let Some((hosts, configs)) = hosts {
            (self.hosts, self.configs) = (hosts, configs);
            self.host_looks.count();
        }
        let counts = details.iter().filter_map(|(node, details)| Some((*node, details.sync_full?)));
        self.syncs.note(counts, Instant::now());
        (details, redirects)
    }

    fn judge(
        &self,
        observed: &Observed,
        details: &BTreeMap<NodeRef, Details>,
        redirects: &BTreeMap<NodeRef, Redirect>,
    ) -> Vec<Judged> {
        let facts = Facts {
            fleet: self.fleet,
            topology: &self.topology,
            observed,
            details,
            syncs: &self.syncs.counts(Instant::now()),
            probes: (self.mode == ProofMode::WriteProbes).then_some(&self.probes),
            redirects,
            hosts: &self.hosts,
            configs: &self.configs,
        };
        TABLE.iter().map(|invariant| (invariant, (invariant.check)(&facts))).collect()
    }

    /// Masters whose probe has not shown yet all that it can show. One whose replicas are not online is
    /// probed in the last look: WAIT would wait for them.
    fn due_probes(
        &self,
        observed: &Observed,
        keys: &BTreeMap<NodeRef, ProbeKey>,
        last: bool,
    ) -> Vec<(NodeRef, ProbeKey)> {
        if self.mode == ProofMode::ReadOnly {
            return Vec::new();
        }
        let is_ready = |master: NodeRef| {
            let Some(view) = observed.view(master) else { return false };
            let mut replicas = observed.replicas_of(&view.id);
            view.cluster.is_ok()
                && replicas.all(|(replica, _)| view.info.replication.has_online(replica.address()))
        };
        let is_due = |master: &NodeRef| {
            !self.probes.get(master).is_some_and(WriteProbe::is_fine) && (last || is_ready(*master))
        };
        keys.iter().filter(|(master, _)| is_due(master)).map(|(master, key)| (*master, key.clone())).collect()
    }

    async fn ask_hosts(
        &self,
        observed: &Observed,
        due: bool,
    ) -> Option<(HostFacts, BTreeMap<NodeRef, NodeConfig>)> {
        if !due {
            return None;
        }
        let hosts = host_checks::ask(self.reader, self.fleet, observed, self.targets).await;
        let configs = node_config::ask(self.reader, self.fleet, observed, &hosts).await;
        Some((hosts, configs))
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

    #[test]
    fn a_node_that_loads_is_waited_for_and_a_dead_one_is_not() {
        assert!(!is_hopeless(&cluster("7001 master\n7002 loading 5\n")));
        assert!(is_hopeless(&cluster("7001 master\n7002 down refused\n")));
        assert!(is_hopeless(&cluster("7001 master\n7002 rejected NOAUTH\n")));
    }
}
