//! A host, as two capabilities: [`Probe`] may ask, [`LockedHost`] may act. Planning code only ever holds a
//! `Probe`.
//!
//! All questions and changes are `sh` scripts that go through one long-lived shell per host, so that a run
//! costs one connection and one exec whatever it asks. The transports differ; the scripts do not.
//!
//! This file only declares and re-exports. No file of this room imports from it.

mod connect_error;
mod connector;
mod detached_job;
mod environment;
mod error;
mod facts;
mod host_shell;
mod known_hosts;
mod local;
mod locked;
mod once_map;
mod probe;
mod prompt;
mod put;
mod shell;
mod ssh;
mod ssh_config;
mod stream;
mod transport;
mod upload;

pub(crate) use self::error::Result;
pub use self::{
    connect_error::Phase,
    connector::Connector,
    error::Error,
    facts::{Facts, InitSystem},
    known_hosts::{Decision, Key, KnownHosts, ScannedKey, pin},
    locked::LockedHost,
    probe::Probe,
    prompt::{NoPrompt, Prompt},
    shell::{buffer_output, minify, quote, with_parameters},
    ssh::Pool,
    stream::Stream,
    upload::Upload,
};

#[cfg(test)]
mod tests;
