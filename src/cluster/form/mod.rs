//! Forming the cluster: observe, decide, send commands, observe again, until nothing is missing. It starts
//! from any state, so a formation that was interrupted anywhere is simply continued.

mod commands;
mod deadline;
mod error;
pub(super) mod gaps;
mod pacing;
pub(super) mod target;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};

use self::{
    commands::Step,
    deadline::ProgressDeadline,
    gaps::{Gap, GapKind},
    pacing::Pacing,
};
use super::{
    manifest::Manifest,
    observe::{Activity, Observed, observe},
    premises::Premises,
    safety,
    topology::Topology,
};
use crate::{
    event::StepEvents,
    inventory::NodeRef,
    redis::{Command, NodeReader, NodeWriter, Reply},
};

pub use error::Error;

/// How often the nodes are asked whether they answer yet.
const START_INTERVAL: Duration = Duration::from_millis(10);
/// How often they are asked what is still missing. Where a look takes longer, as long is left to the nodes: a
/// cluster that answers questions all the time does not get on.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(20);
/// How long nodes may give no answer, and load nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// `CLUSTER_WRITABLE_DELAY`: a master that starts says `cluster_state:fail` for this long, whatever its peers
/// say.
const WRITABLE_DELAY: Duration = Duration::from_secs(2);

/// How the formation went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formed {
    /// What had to be reached, and when it was, counted from the start; empty if nothing was missing.
    pub reached: Vec<(&'static str, Duration)>,
    /// Commands that changed a node; zero where there was nothing to do.
    pub commands: usize,
    /// What hosts must keep of it.
    pub manifest: Option<Manifest>,
}

/// Makes the nodes one cluster. `started` is when their processes were started, if this run did that: times
/// are reported from there.
pub async fn form(
    writer: &NodeWriter<'_>,
    premises: &Premises<'_>,
    topology: &Topology,
    started: Option<Instant>,
    events: &StepEvents,
) -> Result<Formed, Error> {
    let before = writer.changes_sent();
    let observed = wait_for_answers(writer.reader()).await?;
    let mut forming = Forming {
        writer,
        premises,
        topology,
        events,
        began: started.unwrap_or_else(Instant::now),
        pacing: Pacing::default(),
        refused: BTreeMap::new(),
        open: BTreeMap::new(),
    };
    let result = forming.run(observed).await;
    if result.is_err() {
        forming.restore(&observe(writer.reader()).await).await;
    }
    let manifest = result?;
    Ok(Formed { reached: forming.report(started), commands: writer.changes_sent() - before, manifest })
}

/// Waits until every node answers as a cluster node and has loaded its data.
async fn wait_for_answers(reader: &NodeReader<'_>) -> Result<Observed, Error> {
    let (mut progressed, mut last) = (Instant::now(), (0, Activity::default()));
    loop {
        let observed = observe(reader).await;
        let nodes: BTreeMap<_, _> =
            observed.down().map(|(node, why)| (node, format!("{node}: {why}"))).collect();
        if nodes.is_empty() {
            return Ok(observed);
        }
        let progress = (observed.views().count(), Activity::of(&observed));
        if progress.0 > last.0 || progress.1 != last.1 {
            (progressed, last) = (Instant::now(), progress);
        }
        if progressed.elapsed() > ANSWER_TIMEOUT {
            return Err(Error::NoAnswer { nodes, after: ANSWER_TIMEOUT });
        }
        sleep(START_INTERVAL).await;
    }
}

struct Forming<'a> {
    writer: &'a NodeWriter<'a>,
    premises: &'a Premises<'a>,
    topology: &'a Topology,
    events: &'a StepEvents,
    began: Instant,
    pacing: Pacing,
    /// What nodes refused, for the error at the end.
    refused: BTreeMap<NodeRef, String>,
    /// When a kind of gap was last seen.
    open: BTreeMap<GapKind, Instant>,
}

impl Forming<'_> {
    /// Refuses in every round what must not be touched: a node of another cluster may appear in between.
    async fn run(&mut self, mut observed: Observed) -> Result<Option<Manifest>, Error> {
        let Premises { fleet, disk, .. } = *self.premises;
        let (mut deadline, mut look) = (ProgressDeadline::new(&observed), Instant::now());
        loop {
            safety::check_members(fleet, &observed, disk)?;
            let target = target::decide(self.premises, self.topology, &observed);
            if let Some(refusal) = target.refuse_loss(fleet).filter(|_| observed.all_up()) {
                return Err(refusal.into());
            }
            let gaps = gaps::find(fleet, &observed, &target);
            self.note(&gaps);
            let steps = commands::close(&observed);
            if gaps.is_empty() && steps.is_empty() && self.restore(&observed).await == 0 {
                return Ok(Manifest::of(fleet, &observed, disk.manifest.as_ref()));
            }
            self.send(&observed, steps).await;
            if observed.all_up() && !gaps.is_empty() {
                let steps = commands::next(fleet, &observed, &target);
                let due = self.pacing.due(&observed, steps, Instant::now());
                self.send(&observed, due).await;
            }
            if let Some(after) = deadline.passed(&observed, gaps.len(), Instant::now()) {
                return Err(self.unfinished(gaps, after));
            }
            sleep(OBSERVE_INTERVAL.max(look.elapsed())).await;
            look = Instant::now();
            observed = observe(self.writer.reader()).await;
        }
    }

    /// Puts the directives back that formation changed; returns how many.
    async fn restore(&mut self, observed: &Observed) -> usize {
        let steps = commands::restore(self.premises.fleet, observed);
        let count = steps.len();
        self.send(observed, steps).await;
        count
    }

    fn note(&mut self, gaps: &[Gap]) {
        let now = Instant::now();
        for kind in GapKind::ALL {
            if gaps.iter().any(|gap| gap.kind == kind) {
                self.open.insert(kind, now);
            }
        }
        let done = GapKind::ALL.iter().filter(|kind| !gaps.iter().any(|gap| gap.kind == **kind)).count();
        let what = gaps.first().map_or("formed", |gap| gap.kind.reached());
        self.events.progress(what, done as u64, Some(GapKind::ALL.len() as u64));
    }

    /// One pipeline a node, all at the same time. A node that fails here is seen as down in the next look.
    async fn send(&mut self, observed: &Observed, steps: Vec<(NodeRef, Step)>) {
        let mut pipelines: BTreeMap<NodeRef, Vec<Command>> = BTreeMap::new();
        for (node, step) in steps {
            pipelines.entry(node).or_default().extend(commands::commands(&step, observed.view(node)));
        }
        for (node, replies) in self.writer.write_each(pipelines.into_iter().collect()).await {
            let refused = match replies {
                Ok(replies) => first_error(&replies),
                Err(error) => Some(error.to_string()),
            };
            if let Some(text) = refused {
                self.refused.insert(node, text);
            }
        }
    }

    fn unfinished(&self, gaps: Vec<Gap>, after: Duration) -> Error {
        let refused = self.refused.iter().map(|(node, text)| format!("{node} answered: {text}"));
        // The later kinds wait for the first.
        let first = gaps.first().map(|gap| gap.kind);
        let missing =
            gaps.into_iter().filter(|gap| Some(gap.kind) == first).map(|gap| gap.finding.to_string());
        // A pair that was introduced several times is still one pair.
        let mut missing: Vec<String> = missing.chain(refused).collect();
        missing.dedup();
        Error::Unfinished { missing, after }
    }

    fn report(&self, started: Option<Instant>) -> Vec<(&'static str, Duration)> {
        let mut reached = Vec::new();
        for (kind, last) in &self.open {
            let took = (*last + OBSERVE_INTERVAL).duration_since(self.began);
            let floor = (*kind == GapKind::State && started.is_some()).then_some(WRITABLE_DELAY);
            self.events.waited(kind.reached(), took, floor);
            reached.push((kind.reached(), took));
        }
        reached
    }
}

/// An error among replies, also inside the reply of an EXEC. "Unknown node" is none: the node is still being
/// introduced.
fn first_error(replies: &[Reply]) -> Option<String> {
    replies.iter().find_map(|reply| match reply {
        Reply::Error(text) if !text.contains("Unknown node") => Some(text.clone()),
        Reply::List(items) => first_error(items),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_exec_is_found_and_an_unknown_node_is_none() {
        let error = |text: &str| Reply::Error(text.to_owned());
        let queued = Reply::Text("QUEUED".to_owned());
        let exec = Reply::List(vec![Reply::Text("OK".to_owned()), error("ERR Slot 5 is already busy")]);
        assert_eq!(first_error(&[queued.clone(), exec]).as_deref(), Some("ERR Slot 5 is already busy"));
        assert_eq!(first_error(&[queued, error("ERR Unknown node id-1")]), None);
    }
}
