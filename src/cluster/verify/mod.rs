//! The proof: look at everything at once, write a write probe through every master, and judge each numbered invariant.

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
use super::{Observed, Topology, drift};
use crate::{
    event::millis,
    inventory::{Environment, Fleet},
    redis::{Command, Reply, Servers, words},
};

/// How long what gossip still has to tell is waited for. A master that was away is called failed for twice the node timeout
/// after it is back (`CLUSTER_FAIL_UNDO_TIME_MULT`).
const CONVERGE: Duration = Duration::from_secs(20);
/// So often at least, however slow a look is.
const LOOKS: u32 = 3;
const POLL: Duration = Duration::from_millis(30);

/// What a node says about itself beyond [`View`](super::View).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Details {
    /// `ROLE`'s first word.
    pub(super) role: String,
    /// How many links `to` and `from` each id; `None` where the engine does not tell.
    pub(super) links: Option<HashMap<String, (usize, usize)>>,
    pub(super) sync_full: String,
    /// `CONFIG GET` of the directives the inventory manages.
    pub(super) config: BTreeMap<String, String>,
}

/// Judges every invariant. On a healthy cluster this takes a few round trips and no sleep; what may still converge is
/// looked at again until it holds or twenty seconds have passed. `targets` by the host's name.
pub async fn verify(
    servers: &Servers,
    fleet: &Fleet,
    targets: &BTreeMap<String, HostCheckTarget>,
) -> Evidence {
    let began = Instant::now();
    let topology = Topology::place(fleet);
    let mut held: HashMap<&str, u64> = HashMap::new();
    let mut looks = 0;
    loop {
        looks += 1;
        let observed = servers.observe().await;
        let (details, hosts, probes) = tokio::join!(
            details(servers, fleet, &observed),
            host_checks::ask(servers, fleet, &observed, targets),
            probe_if_replicating(servers, fleet, &topology, &observed),
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
    servers: &Servers,
    fleet: &Fleet,
    topology: &Topology,
    observed: &Observed,
) -> BTreeMap<SocketAddr, write_probe::WriteProbe> {
    let complete = observed.down().next().is_none();
    if complete && !invariants::replicas_are_up(fleet, topology, observed) {
        return BTreeMap::new();
    }
    write_probe::run(servers, observed).await
}

async fn details(servers: &Servers, fleet: &Fleet, observed: &Observed) -> BTreeMap<SocketAddr, Details> {
    let asked = fleet.nodes().filter(|node| observed.view(node.address).is_some()).map(|node| {
        let managed = drift::managed(fleet, node);
        let config = managed.keys().map(|name| vec!["CONFIG".to_owned(), "GET".to_owned(), name.clone()]);
        let fixed = ["ROLE", "CLUSTER LINKS", "INFO stats"].map(words);
        (node.address, fixed.into_iter().chain(config).collect::<Vec<Command>>())
    });
    let answers = servers.read_each(asked.collect()).await;
    let read = |(node, replies): (SocketAddr, Result<Vec<Reply>, _>)| Some((node, read(&replies.ok()?)));
    answers.into_iter().filter_map(read).collect()
}

fn read(replies: &[Reply]) -> Details {
    let [role, links, stats, config @ ..] = replies else { return Details::default() };
    let sync_full = stats.text().lines().find_map(|line| line.trim().strip_prefix("sync_full:"));
    let config = config.iter().filter_map(|reply| {
        let name = reply.list().first()?.text().to_owned();
        Some((name, reply.config_value()?.to_owned()))
    });
    Details {
        role: role.list().first().map_or("", Reply::text).to_owned(),
        links: links.error().is_none().then(|| count_links(links)),
        sync_full: sync_full.unwrap_or_default().to_owned(),
        config: config.collect(),
    }
}

/// Each link is a flat list of `name, value` pairs.
fn count_links(reply: &Reply) -> HashMap<String, (usize, usize)> {
    let mut links: HashMap<String, (usize, usize)> = HashMap::new();
    for link in reply.list() {
        let field = |name: &str| {
            let pairs = link.list().chunks_exact(2);
            pairs.filter(|pair| pair[0].text() == name).map(|pair| pair[1].text()).next().unwrap_or_default()
        };
        let (to, from) = links.entry(field("node").to_owned()).or_default();
        if field("direction") == "to" { *to += 1 } else { *from += 1 }
    }
    links
}
