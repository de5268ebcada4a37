//! Hosts over SSH: real sshds of OpenSSH on this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test ends where an expectation fails, and acts on the machine as its user would"
)]

mod support;

#[path = "loopback/ssh/mod.rs"]
mod ssh;
