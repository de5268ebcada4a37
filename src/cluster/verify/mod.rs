//! The proof: look at everything at once, write a write probe through every master, and judge each numbered invariant.

mod details;
mod evidence;
mod host_checks;
mod invariants;
mod write_probe;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use self::{
    evidence::Check,
    invariants::{Facts, TABLE},
};
pub use self::{
    evidence::{Evidence, Invariant, Status},
    host_checks::HostCheckTarget,
};
use super::{Observed, Topology, observe};
use crate::{
    event::millis,
    inventory::{Environment, Fleet},
    redis::NodeReader,
};

/// How long what gossip still has to tell is waited for. A master that was away is called failed for twice the node timeout
/// after it is back (`CLUSTER_FAIL_UNDO_TIME_MULT`).
const CONVERGE: Duration = Duration::from_secs(20);
/// So often at least, however slow a look is.
const LOOKS: u32 = 3;
const POLL: Duration = Duration::from_millis(30);

/// Judges every invariant. On a healthy cluster this takes a few round trips and no sleep; what may still converge is
/// looked at again until it holds or twenty seconds have passed. `targets` by the host's name.
pub async fn verify(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    targets: &BTreeMap<String, HostCheckTarget>,
) -> Evidence {
    let began = Instant::now();
    let topology = Topology::place(fleet);
    let mut held: HashMap<&str, u64> = HashMap::new();
    let mut looks = 0;
    loop {
        looks += 1;
        let observed = observe(reader).await;
        let (details, hosts, probes) = tokio::join!(
            details::ask(reader, fleet, &observed),
            host_checks::ask(reader, fleet, &observed, targets),
            probe_if_replicating(reader, fleet, &topology, &observed),
        );
        let facts =
            Facts { fleet, topology: &topology, observed: &observed, details, probes, hosts, targets };
        let judged = judge(&facts);
        let now = millis(began.elapsed());
        for (id, _, check) in &judged {
            if !matches!(check, Check::Fail(_)) {
                held.entry(id).or_insert(now);
            }
        }
        let hopeless = observed.down().next().is_some() || !judged.iter().any(may_converge);
        if hopeless || (looks >= LOOKS && began.elapsed() > CONVERGE) {
            return evidence(fleet.environment, judged, &held, millis(began.elapsed()));
        }
        sleep(POLL).await;
    }
}

/// What is judged but cannot change by waiting: binaries, logs, configuration, units.
const FIXED: [&str; 6] = ["I1", "I4", "I5", "I32", "I35", "I36"];

fn may_converge((id, _, check): &(&str, &str, Check)) -> bool {
    matches!(check, Check::Fail(_)) && !FIXED.contains(id)
}

type Judged = (&'static str, &'static str, Check);

fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    TABLE.iter().map(|(id, title, check)| (*id, *title, check(facts))).collect()
}

fn evidence(
    environment: Environment,
    judged: Vec<Judged>,
    held: &HashMap<&str, u64>,
    took_ms: u64,
) -> Evidence {
    let invariants = judged.into_iter().map(|(id, title, check)| {
        let (status, evidence) = match check {
            Check::Pass(text) => (Status::Pass, text),
            Check::Fail(text) => (Status::Fail, text),
            Check::NotApplicable(text) => (Status::NotApplicable, text),
        };
        let took_ms = if status == Status::Fail { took_ms } else { held.get(id).copied().unwrap_or(took_ms) };
        Invariant { id: id.to_owned(), title: title.to_owned(), status, evidence, took_ms }
    });
    Evidence { environment, invariants: invariants.collect(), took_ms }
}

/// Canaries wait for replicas for up to two seconds, so they run once replication is up; where nodes are down that will
/// not come by waiting, and they run over what is left.
async fn probe_if_replicating(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    topology: &Topology,
    observed: &Observed,
) -> BTreeMap<SocketAddr, write_probe::WriteProbe> {
    let complete = observed.down().next().is_none();
    if complete && !invariants::replicas_are_up(fleet, topology, observed) {
        return BTreeMap::new();
    }
    write_probe::run(reader, observed).await
}
