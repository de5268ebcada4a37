//! Scenarios on loopback: real servers and sshds that each test starts for itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a scenario ends where an expectation fails, and acts on the machine as its user would"
)]

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod live;
mod proof;
mod servers;
mod slow;
mod ssh;
