//! One step that many hosts run, each at its own pace: when it began, what it changed, when the last host
//! finished.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::{sync::OnceCell, time::Instant};

use crate::event::StepEvents;

pub(super) struct StepProgress {
    events: StepEvents,
    /// Hosts that have neither finished nor left the step.
    left: AtomicUsize,
    failed: AtomicBool,
    changed: AtomicUsize,
    began: OnceCell<Instant>,
}

impl StepProgress {
    pub(super) fn new(events: StepEvents, hosts: usize) -> Self {
        let (left, changed) = (AtomicUsize::new(hosts), AtomicUsize::new(0));
        Self { events, left, failed: AtomicBool::new(false), changed, began: OnceCell::new() }
    }

    /// A host begins it.
    pub(super) async fn host_started(&self) {
        let first = || async {
            self.events.started();
            Instant::now()
        };
        self.began.get_or_init(first).await;
    }

    /// A host has finished it.
    pub(super) fn host_finished(&self, changed: usize) {
        self.changed.fetch_add(changed, Ordering::Relaxed);
        self.host_left();
    }

    /// A host failed in it: it is never finished.
    pub(super) fn host_failed(&self) {
        self.failed.store(true, Ordering::Release);
        self.host_left();
    }

    /// A host takes no part in it any more.
    pub(super) fn host_left(&self) {
        let was_last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        if let Some(began) = self.began.get().filter(|_| was_last && !self.failed.load(Ordering::Acquire)) {
            self.events.finished(self.changed.load(Ordering::Relaxed), began.elapsed());
        }
    }

    pub(super) fn changed(&self) -> usize {
        self.changed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::event::{Event, Events};

    fn step(hosts: usize) -> (StepProgress, UnboundedReceiver<Event>) {
        let (events, receiver) = Events::channel();
        (StepProgress::new(events.step(&"install".into(), None), hosts), receiver)
    }

    /// What was emitted: `started`, or the number of changes of a finished step.
    fn emitted(receiver: &mut UnboundedReceiver<Event>) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            all.push(match event {
                Event::StepStarted { .. } => "started".to_owned(),
                Event::StepFinished { changed, .. } => format!("{changed} changed"),
                other => panic!("{other:?}"),
            });
        }
        all
    }

    #[tokio::test]
    async fn it_starts_with_the_first_host_and_finishes_with_the_last() {
        let (step, mut events) = step(3);
        assert!(emitted(&mut events).is_empty());
        step.host_started().await;
        step.host_started().await;
        assert_eq!(emitted(&mut events), ["started"]);
        step.host_finished(2);
        step.host_finished(3);
        assert!(emitted(&mut events).is_empty(), "one host has not finished");
        step.host_started().await;
        step.host_finished(0);
        assert_eq!(emitted(&mut events), ["5 changed"]);
        assert_eq!(step.changed(), 5);
    }

    #[tokio::test]
    async fn hosts_that_left_are_not_waited_for() {
        let (step, mut events) = step(2);
        step.host_started().await;
        step.host_finished(1);
        step.host_left();
        assert_eq!(emitted(&mut events), ["started", "1 changed"]);
    }

    #[tokio::test]
    async fn one_failure_and_it_is_never_finished() {
        let (step, mut events) = step(2);
        step.host_started().await;
        step.host_failed();
        step.host_finished(1);
        assert_eq!(emitted(&mut events), ["started"]);
        assert_eq!(step.changed(), 1, "what the other host changed counts");
    }

    #[tokio::test]
    async fn a_step_no_host_has_begun_emits_nothing() {
        let (step, mut events) = step(2);
        step.host_left();
        step.host_left();
        assert!(emitted(&mut events).is_empty());
    }
}
