//! The cluster itself: what it should be ([`Topology`]), what it is ([`Observed`], [`assess()`]), how it gets
//! there ([`form()`]) and the proof ([`verify()`]). Commands travel as RESP through each host's own
//! connection.
//!
//! This room names nodes by their client address, the only name that is unique in a fleet.

mod auth_mismatch;
mod connectivity;
mod drift;
mod form;
mod observe;
mod rolling;
mod safety;
mod state;
#[cfg(test)]
mod testing;
mod topology;
mod tunable;
mod tuning;
mod verify;

pub use auth_mismatch::{AuthMismatch, auth_mismatch};
pub use connectivity::{BlockedPath, ConnectivityError, check_connectivity};
pub use form::{Error as FormError, Formed, form};
pub use observe::{Observed, State, View, observe};
pub use rolling::{Error as RollingError, HandOver, hand_over, order, settled, survives};
pub use safety::SafetyViolation;
pub use state::{ClusterState, assess};
pub use topology::{Shard, Topology};
pub use tunable::{Tunable, Tuning};
pub use verify::{Evidence, HostCheckTarget, Invariant, ProofMode, Status, verify};
