//! Forming the cluster: look, decide, tell, look again, until nothing is missing. It starts from whatever is there, so
//! a formation that was interrupted anywhere is simply continued.

pub(super) mod commands;
pub(super) mod gaps;
pub(super) mod target;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use self::{
    commands::Step,
    gaps::{Gap, Kind},
};
use super::{Observed, SafetyViolation, State, Topology, state};
use crate::{
    event::StepEvents,
    inventory::Fleet,
    redis::{Command, Reply, Servers},
};

/// How often the nodes are asked whether they answer yet.
const START_POLL: Duration = Duration::from_millis(10);
/// How often they are asked how far they are.
const POLL: Duration = Duration::from_millis(20);
/// How long nodes that do not answer are waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// A MEET that led to nothing is sent again: the engine drops a failed handshake in silence.
const MEET_AGAIN: Duration = Duration::from_secs(1);
/// How long news of roles and slots may take by itself. The packet that ends a handshake carries none, and the next one
/// goes out within 0.1 s with `cluster-ping-interval 100`, and within seconds where the engine does not have that.
const NEWS: Duration = Duration::from_millis(400);
const NEWS_WITHOUT_INTERVAL: Duration = Duration::from_millis(60);
/// How often a pair that knows each other is introduced again for the sake of its news.
const NEWS_AGAIN: Duration = Duration::from_millis(300);
/// `CLUSTER_WRITABLE_DELAY`: a master that starts says `cluster_state:fail` for this long, whatever its peers say.
const WRITABLE_FLOOR: Duration = Duration::from_secs(2);

/// Why there is no cluster.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] SafetyViolation),
    #[error("no answer from {} within {}s:{}", names(nodes), after.as_secs(), lines(nodes.values()))]
    #[diagnostic(help(
        "see in the node's log why it does not run, mend that, then run the same command again"
    ))]
    NoAnswer { nodes: BTreeMap<SocketAddr, String>, after: Duration },
    #[error("the cluster was not formed within {}s; still missing:{}", after.as_secs(), lines(missing))]
    #[diagnostic(help(
        "pairs that have not met need their client and bus ports open in both directions; a replica without a link says \
         why in its log. Then run the same command again: it continues here"
    ))]
    Unfinished { missing: Vec<String>, after: Duration },
}

fn names(nodes: &BTreeMap<SocketAddr, String>) -> String {
    nodes.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first ten, a line each.
fn lines<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let mut all: Vec<String> = texts.into_iter().cloned().collect();
    let more = all.len().saturating_sub(10);
    all.truncate(10);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    format!("\n  {}", all.join("\n  "))
}

/// How the formation went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formed {
    /// What was waited for, and when it had been reached, counted from the start; empty if nothing was missing.
    pub reached: Vec<(&'static str, Duration)>,
    /// Commands that changed a node; zero where there was nothing to do.
    pub commands: usize,
}

/// Makes the nodes one cluster. `started` is when their processes were started, if this run did that: waits are
/// reported from there.
pub async fn form(
    servers: &Servers,
    fleet: &Fleet,
    topology: &Topology,
    started: Option<Instant>,
    events: &StepEvents,
) -> Result<Formed, Error> {
    let before = servers.changes_sent();
    let observed = answers(servers).await?;
    state::refuse_observed(fleet, &observed)?;
    let mut forming = Forming::new(servers, fleet, topology, started, events);
    let result = forming.run(observed).await;
    if result.is_err() {
        forming.put_back(&servers.observe().await).await;
    }
    result?;
    Ok(Formed { reached: forming.report(started), commands: servers.changes_sent() - before })
}

/// Waits until every node answers as a cluster node and has loaded its data.
async fn answers(servers: &Servers) -> Result<Observed, Error> {
    let (mut heard, mut last) = (Instant::now(), 0);
    loop {
        let observed = servers.observe().await;
        let nodes: BTreeMap<_, _> =
            observed.down().map(|(node, why)| (node, format!("{node}: {why}"))).collect();
        if nodes.is_empty() {
            return Ok(observed);
        }
        let progress = loaded(&observed) + observed.views().count() as u64;
        if progress > last {
            (heard, last) = (Instant::now(), progress);
        }
        if heard.elapsed() > ANSWER {
            return Err(Error::NoAnswer { nodes, after: ANSWER });
        }
        sleep(START_POLL).await;
    }
}

fn loaded(observed: &Observed) -> u64 {
    let bytes = |state: &State| if let State::Loading(bytes) = state { *bytes } else { 0 };
    observed.nodes.iter().map(|(_, state)| bytes(state)).sum()
}

struct Forming<'a> {
    servers: &'a Servers,
    fleet: &'a Fleet,
    topology: &'a Topology,
    events: &'a StepEvents,
    began: Instant,
    /// When each step was first target, and last sent.
    wanted_since: HashMap<(SocketAddr, Step), Instant>,
    sent: HashMap<(SocketAddr, Step), Instant>,
    /// What nodes refused, for the error at the end.
    refused: BTreeMap<SocketAddr, String>,
    /// When a kind of gap was last seen.
    open: BTreeMap<Kind, Instant>,
}

impl<'a> Forming<'a> {
    fn new(
        servers: &'a Servers,
        fleet: &'a Fleet,
        topology: &'a Topology,
        started: Option<Instant>,
        events: &'a StepEvents,
    ) -> Self {
        Self {
            servers,
            fleet,
            topology,
            events,
            began: started.unwrap_or_else(Instant::now),
            wanted_since: HashMap::new(),
            sent: HashMap::new(),
            refused: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    async fn run(&mut self, mut observed: Observed) -> Result<(), Error> {
        let mut patience = Patience::new(&observed);
        loop {
            let target = target::decide(self.fleet, self.topology, &observed);
            let gaps = gaps::find(self.fleet, &observed, &target);
            self.note(&gaps);
            let complete = observed.down().next().is_none();
            if gaps.is_empty() && self.put_back(&observed).await == 0 {
                return Ok(());
            }
            if complete && !gaps.is_empty() {
                let steps = commands::next(self.fleet, &observed, &target);
                let due = self.due(&observed, steps);
                self.send(&observed, due).await;
            }
            if let Some(after) = patience.ends(&observed, &gaps) {
                return Err(self.unfinished(gaps, after));
            }
            sleep(POLL).await;
            observed = self.servers.observe().await;
        }
    }

    /// Puts the directives back that formation changed; returns how many.
    async fn put_back(&mut self, observed: &Observed) -> usize {
        let steps = commands::restore(self.fleet, observed);
        let count = steps.len();
        self.send(observed, steps).await;
        count
    }

    fn note(&mut self, gaps: &[Gap]) {
        let now = Instant::now();
        for kind in Kind::ALL {
            if gaps.iter().any(|gap| gap.kind == kind) {
                self.open.insert(kind, now);
            }
        }
        let done = Kind::ALL.iter().filter(|kind| !gaps.iter().any(|gap| gap.kind == **kind)).count();
        let what = gaps.first().map_or("formed", |gap| gap.kind.reached());
        self.events.progress(what, done as u64, Some(Kind::ALL.len() as u64));
    }

    /// Holds back what was sent a moment ago, and what may still come by itself.
    fn due(&mut self, observed: &Observed, steps: Vec<(SocketAddr, Step)>) -> Vec<(SocketAddr, Step)> {
        let now = Instant::now();
        let prompt = observed.views().all(|(_, view)| view.tuning.contains_key("cluster-ping-interval"));
        let patience = if prompt { NEWS } else { NEWS_WITHOUT_INTERVAL };
        let recent = |at: Option<&Instant>, pause| at.is_some_and(|at| now - *at < pause);
        self.wanted_since.retain(|key, _| steps.contains(key));
        let mut due = Vec::new();
        for key in steps {
            let since = *self.wanted_since.entry(key.clone()).or_insert(now);
            let wait = match &key.1 {
                Step::Meet(_) => recent(self.sent.get(&key), MEET_AGAIN),
                Step::MeetAgain(_) => now - since < patience || recent(self.sent.get(&key), NEWS_AGAIN),
                _ => false,
            };
            if !wait {
                self.sent.insert(key.clone(), now);
                due.push(key);
            }
        }
        due
    }

    /// One pipeline a node, all at the same time. A node that fails here is seen as down in the next look.
    async fn send(&mut self, observed: &Observed, steps: Vec<(SocketAddr, Step)>) {
        let mut pipelines: BTreeMap<SocketAddr, Vec<Command>> = BTreeMap::new();
        for (node, step) in steps {
            pipelines.entry(node).or_default().extend(commands::commands(&step, observed.view(node)));
        }
        for (node, replies) in self.servers.write_each(pipelines.into_iter().collect()).await {
            match replies {
                Ok(replies) => {
                    if let Some(text) = first_error(&replies) {
                        self.refused.insert(node, text);
                    }
                }
                Err(error) => drop(self.refused.insert(node, error.to_string())),
            }
        }
    }

    fn unfinished(&self, gaps: Vec<Gap>, after: Duration) -> Error {
        let refused = self.refused.iter().map(|(node, text)| format!("{node} answered: {text}"));
        // The first kind is what the later ones wait for.
        let first = gaps.first().map(|gap| gap.kind);
        let missing = gaps.into_iter().filter(|gap| Some(gap.kind) == first).map(|gap| gap.text);
        // A pair that was introduced several times is still one pair.
        let mut missing: Vec<String> = missing.chain(refused).collect();
        missing.dedup();
        Error::Unfinished { missing, after }
    }

    fn report(&self, started: Option<Instant>) -> Vec<(&'static str, Duration)> {
        let mut reached = Vec::new();
        for (kind, last) in &self.open {
            let took = (*last + POLL).duration_since(self.began);
            let floor = (*kind == Kind::State && started.is_some()).then_some(WRITABLE_FLOOR);
            self.events.waited(kind.reached(), took, floor);
            reached.push((kind.reached(), took));
        }
        reached
    }
}

/// An error among replies, also inside the reply of an EXEC. A node that is still being introduced is no error.
fn first_error(replies: &[Reply]) -> Option<String> {
    replies.iter().find_map(|reply| match reply {
        Reply::Error(text) if !text.contains("Unknown node") => Some(text.clone()),
        Reply::List(items) => first_error(items),
        _ => None,
    })
}

/// The deadline: without any progress for `max(20 s, 4 × node timeout)` it is over. The engine itself takes twice the node
/// timeout to forgive a master that was away.
struct Patience {
    limit: Duration,
    since: Instant,
    fewest: usize,
    synced: u64,
}

impl Patience {
    fn new(observed: &Observed) -> Self {
        let slowest = observed.views().map(|(_, view)| view.node_timeout_ms).max().unwrap_or(0);
        let limit = Duration::from_millis(slowest.saturating_mul(4)).max(Duration::from_secs(20));
        Self { limit, since: Instant::now(), fewest: usize::MAX, synced: 0 }
    }

    /// The limit, once it has passed.
    fn ends(&mut self, observed: &Observed, gaps: &[Gap]) -> Option<Duration> {
        let read = |view: &super::View| view.info("master_sync_read_bytes").parse::<u64>().unwrap_or(0);
        let synced = observed.views().map(|(_, view)| read(view)).sum::<u64>() + loaded(observed);
        if gaps.len() < self.fewest || synced > self.synced {
            self.since = Instant::now();
            self.fewest = self.fewest.min(gaps.len());
            self.synced = self.synced.max(synced);
        }
        (self.since.elapsed() > self.limit).then_some(self.limit)
    }
}
