//! Resources: what must be true on a host, one file a kind.

mod layout;

pub use layout::{Layout, NodePaths};
