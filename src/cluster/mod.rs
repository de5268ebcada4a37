//! The cluster itself: what it should be ([`Topology`]), what it is ([`Observed`], [`assess()`]), how it gets there
//! ([`form()`]) and the proof ([`verify()`]). Commands travel as RESP through each host's own connection.
//!
//! Nodes are named by their client address everywhere in here: it is the only name that is unique in a fleet.

mod assess;
mod canary;
mod drift;
mod evidence;
mod form;
mod gaps;
mod hostside;
mod invariants;
mod locked;
mod nodes;
mod observe;
mod reach;
mod resp;
mod rolling;
mod slots;
mod steps;
mod topology;
mod verify;
mod wanted;
mod words;

pub use assess::{Refusal, Standing, assess};
pub use evidence::{Evidence, Invariant, Status};
pub use form::{Error as FormError, Formed, form};
pub use hostside::HostSide;
pub use locked::{Locked, locked};
pub use nodes::{Listing, Malformed, Row, parse as parse_nodes};
pub use observe::{Observed, State, View};
pub use reach::{Closed, Unreached, reach};
pub use resp::{Command, Error, Reply, Servers};
pub use rolling::{Error as RollingError, HandOver, hand_over, order, settled, survives};
pub(crate) use slots::show as show_slots;
pub use slots::{SlotRange, of_key as slot_of_key};
pub use topology::{Shard, Topology};
pub use verify::verify;
