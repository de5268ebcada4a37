//! One step that many hosts go through, each at its own rollout: when it began, what it changed, when the last was done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::{sync::OnceCell, time::Instant};

use crate::event::StepEvents;

pub(super) struct StepProgress {
    events: StepEvents,
    /// Hosts that have yet to finish it, or to give it up.
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

    /// A host is done with it.
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
