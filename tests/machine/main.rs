//! Scenarios that need this machine for themselves: as root, with real hosts, builds, package managers and
//! servers.
//!
//! `support::Sandbox` and `support::lab::Lab` let one at a time act.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a scenario ends where an expectation fails, and acts on the machine as its user would"
)]

#[path = "../http/mod.rs"]
mod http;
#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod build;
mod data_safety;
mod endpoints;
mod fleet;
mod lab;
mod live;
mod passwords;
mod random_life;
mod restarts;
mod secrets;
mod single_host;
mod steps;
mod systemd;
mod undo;
