//! What of a plan the user wants, and how it is carried out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Desired;
use crate::{cluster::Consent, units::HostName};

/// How many hosts a run changes at a time, and when it stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The number of hosts that are changed at a time; `None` means all.
    pub serial: Option<usize>,
    /// The run stops once more hosts than this have failed.
    pub max_failures: usize,
}

/// What of a plan the user wants, and how.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Steps to select, by name or tag; empty selects all.
    pub tags: Vec<String>,
    /// Hosts to change; `None` means all.
    pub limit: Option<BTreeSet<HostName>>,
    pub rollout: Rollout,
    /// What the user allows beyond what is safe.
    pub consent: Consent,
}

impl PlanOptions {
    /// Whether `--limit` includes a host.
    pub(super) fn includes(&self, host: &HostName) -> bool {
        self.limit.as_ref().is_none_or(|limit| limit.contains(host))
    }

    /// Whether `--tags` selects a step.
    pub(super) fn is_selected(&self, step: &Desired) -> bool {
        self.tags.is_empty() || self.tags.iter().any(|tag| step.answers_to(tag))
    }
}
