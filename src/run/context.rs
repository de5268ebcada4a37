//! What every part of a run needs besides its plan.

use super::Cancel;
use crate::{
    artifact::ArtifactStore,
    event::{Events, StepEvents},
    host::LockedHost,
    inspect::{LockedSessions, NoSession, Session},
    inventory::Fleet,
    redis::NodeWriter,
    secret,
    units::{HostName, StepName},
};

/// What every part of a run needs besides its plan: the sessions with the locked hosts, the cache, the stream
/// of events, and the request to stop.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    sessions: &'a LockedSessions,
    store: &'a ArtifactStore,
    events: &'a Events,
    cancel: &'a Cancel,
}

impl<'a> RunContext<'a> {
    pub fn new(
        sessions: &'a LockedSessions,
        store: &'a ArtifactStore,
        events: &'a Events,
        cancel: &'a Cancel,
    ) -> Self {
        Self { sessions, store, events, cancel }
    }

    pub(super) fn sessions(&self) -> &'a LockedSessions {
        self.sessions
    }

    /// The session with a host that the plan names; that there is none is an error of provision's own.
    pub(super) fn session(&self, host: &HostName) -> Result<&'a Session<LockedHost>, NoSession> {
        self.sessions.get(host)
    }

    pub(super) fn store(&self) -> &'a ArtifactStore {
        self.store
    }

    /// The events of a step, on one host or on the cluster as a whole.
    pub(super) fn step(&self, step: &StepName, host: Option<&HostName>) -> StepEvents {
        self.events.step(step, host)
    }

    /// Whether the user asked the run to stop.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_raised()
    }

    /// The right to change the servers of the fleet, which the locked hosts give.
    pub(super) fn writer(&self, fleet: &Fleet) -> Result<NodeWriter<'a>, secret::Error> {
        NodeWriter::new(fleet, self.sessions.locked_hosts())
    }
}
