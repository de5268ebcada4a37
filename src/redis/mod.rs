//! One Redis or Valkey server: how to talk to it ([`Servers`]), and the texts it answers with.
//!
//! The only room that knows the `redis` crate.

mod cluster_nodes;
mod protocol;
mod slots;

pub use cluster_nodes::{Listing, Malformed, Row, parse as parse_nodes};
pub(crate) use protocol::words;
pub use protocol::{Command, Error, Reply, Servers};
pub use slots::{SLOTS, SlotRange, of_key as slot_of_key};
pub(crate) use slots::{count as count_slots, join as join_slots, ranges as slot_ranges, show as show_slots};
