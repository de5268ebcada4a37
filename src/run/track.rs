//! One step that many hosts go through, each at its own pace: when it began, what it changed, when the last was done.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{sync::OnceCell, time::Instant};

use super::StepEvents;

pub(super) struct Track {
    events: StepEvents,
    /// Hosts that have yet to finish it.
    left: AtomicUsize,
    changed: AtomicUsize,
    began: OnceCell<Instant>,
}

impl Track {
    pub(super) fn new(events: StepEvents, hosts: usize) -> Self {
        Self { events, left: AtomicUsize::new(hosts), changed: AtomicUsize::new(0), began: OnceCell::new() }
    }

    /// A host begins it.
    pub(super) async fn begin(&self) {
        let first = || async {
            self.events.started();
            Instant::now()
        };
        self.began.get_or_init(first).await;
    }

    /// A host is done with it.
    pub(super) fn end(&self, changed: usize) {
        self.changed.fetch_add(changed, Ordering::Relaxed);
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let took = self.began.get().map(Instant::elapsed).unwrap_or_default();
            self.events.finished(self.changed.load(Ordering::Relaxed), took);
        }
    }

    pub(super) fn changed(&self) -> usize {
        self.changed.load(Ordering::Relaxed)
    }
}
