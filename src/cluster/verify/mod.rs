//! The proof: look at everything at once, write a probe key through every master, and check each numbered
//! invariant.

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
    host_checks::Scope,
    invariants::{Facts, InvariantCheck, TABLE},
    write_probe::WriteProbe,
};
pub use self::{
    evidence::{Evidence, Invariant, Status},
    host_checks::HostCheckTarget,
};
use super::{
    form::{gaps, target},
    observe::{Observed, observe},
    topology::Topology,
};
use crate::{
    event::millis,
    inventory::{Environment, Fleet},
    redis::NodeReader,
    units::HostName,
};

/// How long gossip may take to make an invariant hold. A master that was away is called failed for twice the
/// node timeout after it is back (`CLUSTER_FAIL_UNDO_TIME_MULT`).
const CONVERGE_TIMEOUT: Duration = Duration::from_secs(20);
/// The fewest looks before the proof gives up, however slow each is.
const MIN_LOOKS: u32 = 3;
const LOOK_INTERVAL: Duration = Duration::from_millis(30);

/// Checks every invariant. On a healthy cluster this takes a few round trips and no sleep; what may still
/// converge is checked again until it holds or 20 s have passed. `targets` by the host's name.
pub async fn verify(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    targets: &BTreeMap<HostName, HostCheckTarget>,
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
        let facts = Facts {
            fleet,
            topology: &topology,
            observed: &observed,
            details,
            probes,
            hosts,
            scope: Scope::of(targets),
        };
        let judged = judge(&facts);
        let now = millis(began.elapsed());
        for (invariant, check) in &judged {
            if !matches!(check, Check::Fail(_)) {
                held.entry(invariant.id).or_insert(now);
            }
        }
        let hopeless = !observed.all_up() || !judged.iter().any(may_converge);
        if hopeless || (looks >= MIN_LOOKS && began.elapsed() > CONVERGE_TIMEOUT) {
            return evidence(fleet.environment, judged, &held, millis(began.elapsed()));
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// An invariant, and what its check found.
type Judged = (&'static InvariantCheck, Check);

fn may_converge((invariant, check): &Judged) -> bool {
    invariant.converges && matches!(check, Check::Fail(_))
}

fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    TABLE.iter().map(|invariant| (invariant, (invariant.check)(facts))).collect()
}

fn evidence(
    environment: Environment,
    judged: Vec<Judged>,
    held: &HashMap<&str, u64>,
    took_ms: u64,
) -> Evidence {
    let invariants = judged.into_iter().map(|(InvariantCheck { id, title, .. }, check)| {
        let (status, evidence) = match check {
            Check::Pass(text) => (Status::Pass, text),
            Check::Fail(text) => (Status::Fail, text),
            Check::NotApplicable(text) => (Status::NotApplicable, text),
        };
        let took_ms = if status == Status::Fail { took_ms } else { held.get(id).copied().unwrap_or(took_ms) };
        Invariant { id: (*id).to_owned(), title: (*title).to_owned(), status, evidence, took_ms }
    });
    Evidence { environment, invariants: invariants.collect(), took_ms }
}

/// A probe waits up to two seconds for replicas, so none is written before replication is up. Where nodes are
/// down, which waiting does not change, the remaining masters are probed.
async fn probe_if_replicating(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    topology: &Topology,
    observed: &Observed,
) -> BTreeMap<SocketAddr, WriteProbe> {
    if observed.all_up() && !is_complete(fleet, topology, observed) {
        return BTreeMap::new();
    }
    write_probe::run(reader, observed).await
}

/// Whether formation would find nothing left to do, above all no replica that is not online.
fn is_complete(fleet: &Fleet, topology: &Topology, observed: &Observed) -> bool {
    let target = target::decide(&crate::cluster::Premises::of(fleet), topology, observed);
    gaps::find(fleet, observed, &target).is_empty()
}
