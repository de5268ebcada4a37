//! The cluster itself: what it should be ([`Topology`]), what it is ([`Observed`], [`assess()`]), how it gets there
//! ([`form()`]) and the proof ([`verify()`]). Commands travel as RESP through each host's own connection.
//!
//! Nodes are named by their client address everywhere in here: it is the only name that is unique in a fleet.

mod auth_mismatch;
mod connectivity;
mod drift;
mod form;
mod observe;
mod rolling;
mod state;
mod topology;
mod verify;

pub use auth_mismatch::{AuthMismatch, auth_mismatch};
pub use connectivity::{BlockedPath, ConnectivityError, check_connectivity};
pub use form::{Error as FormError, Formed, form};
pub use observe::{Observed, State, View};
pub use rolling::{Error as RollingError, HandOver, hand_over, order, settled, survives};
pub use state::{ClusterState, SafetyViolation, assess};
pub use topology::{Shard, Topology};
pub use verify::{Evidence, HostCheckTarget, Invariant, Status, verify};
