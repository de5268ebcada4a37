//! The cluster itself: what it should be ([`Topology`]), what it is ([`Observed`], [`assess()`]), how it gets there
//! ([`form()`]) and the proof ([`verify()`]). Commands travel as RESP through each host's own connection.
//!
//! Nodes are named by their client address everywhere in here: it is the only name that is unique in a fleet.

mod assess;
mod form;
mod gaps;
mod nodes;
mod observe;
mod resp;
mod slots;
mod steps;
mod topology;
mod wanted;

pub use assess::{Refusal, Standing, assess};
pub use form::{Error as FormError, Formed, form};
pub use nodes::{Listing, Malformed, Row, parse as parse_nodes};
pub use observe::{Observed, State, View};
pub use resp::{Command, Error, Reply, Servers};
pub use slots::{SlotRange, of_key as slot_of_key};
pub use topology::{Shard, Topology};
