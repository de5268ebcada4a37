//! The proof: look at everything at once, write a probe key through every master, and check each numbered
//! invariant. It is gentle: one look, and then at most one a second while something may still converge.

mod check;
mod config_file;
mod details;
mod evidence;
mod host_checks;
mod host_looks;
mod invariants;
mod mode;
mod node_config;
mod reading;
mod record;
mod redirect;
mod syncs;
mod verification;
mod write_probe;

use std::collections::BTreeMap;

pub(super) use self::reading::broken_by_reading;
use self::verification::Verification;
pub use self::{
    evidence::{Evidence, Invariant, Status},
    host_checks::HostCheckTarget,
    mode::ProofMode,
};
use crate::{inventory::Fleet, redis::NodeReader, units::HostName};

/// Checks every invariant. On a healthy cluster this takes a few round trips and no sleep; what may still
/// converge is checked again, once a second, until it holds or 20 s have passed. `targets` by the host's
/// name.
pub async fn verify(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    targets: &BTreeMap<HostName, HostCheckTarget>,
    mode: ProofMode,
) -> Evidence {
    Verification::new(reader, fleet, targets, mode).run().await
}
