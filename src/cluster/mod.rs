//! The cluster itself: what it should be ([`Topology`]), what it is ([`Observed`], [`assess()`]), how it gets
//! there ([`form()`]) and the proof ([`verify()`]). Commands travel as RESP through each host's own
//! connection.
//!
//! A node is known by its name in the fleet (`NodeRef`), and in the cluster by its id. Its addresses are
//! attributes.

mod auth_mismatch;
mod close;
mod config_change;
mod connectivity;
mod domains;
mod drift;
mod finding;
mod form;
mod live;
mod manifest;
mod membership;
mod observe;
mod on_disk;
mod op;
mod open_slot;
mod premises;
mod rolling;
mod safety;
mod spread;
mod state;
#[cfg(test)]
mod testing;
mod topology;
mod tunable;
mod tuning;
mod verify;

pub use auth_mismatch::{AuthMismatch, auth_mismatch};
pub use close::close_slots;
pub use config_change::{ConfigChange, Setting};
pub use connectivity::{BlockedPath, ConnectivityError, check_connectivity};
pub use finding::{Finding, FindingKind, Severity, Subject, finding_sentences};
pub use form::{Error as FormError, Formed, form};
pub use live::{LiveError, set_live};
pub use manifest::{Manifest, TwoManifests};
pub use membership::{Member, MemberState, Relation, members};
pub use observe::{Observed, State, View, observe, observe_with_config};
pub use on_disk::{OnDisk, StoppedNode};
pub use op::{Op, sentences};
pub use open_slot::{OpenSlot, Side};
pub use premises::{Consent, Premises};
pub use rolling::{
    Error as RollingError, HandOver, Trouble, hand_over, leader, order, settled, spread_masters, survives,
};
pub use safety::{NextStart, Persistence, SafetyViolation, StartRule, start_rules};
pub use state::{Assessment, ClusterState, assess};
pub use topology::{Shard, Topology};
pub use tunable::{Tunable, Tuning};
pub use verify::{Evidence, HostCheckTarget, Invariant, ProofMode, Status, verify};
