//! What users write: inventories and playbooks, right and wrong. No host, no root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a scenario ends where an expectation fails, and acts on the machine as its user would"
)]

mod inventory;
mod playbook;
