//! `provision` turns bare machines, or this one, into a Redis or Valkey Cluster whose replication is proven.
//!
//! `ARCHITECTURE.md` is the map of these rooms: what flows where, which room may use which, and which file to
//! change for what. `tests/architecture.rs` holds it.

pub mod artifact;
pub mod atomic_file;
pub mod cache_dir;
pub mod cli;
pub mod cluster;
pub mod digest;
pub mod distro;
pub mod event;
pub mod hashed_copy;
pub mod host;
pub mod inspect;
pub mod inventory;
pub mod lab;
#[cfg(test)]
mod mutated;
pub mod plan;
pub mod playbook;
pub mod redis;
pub mod report;
pub mod resource;
pub mod run;
pub mod secret;
pub mod units;
