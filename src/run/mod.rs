//! Running a plan: the only code that starts changes.
//!
//! `executor` → `host_pipelines`, `rolling_restart` → `host_run` → `context`, `ready`.

mod binary_distribution;
mod cancel;
mod context;
mod directives;
mod error;
mod executor;
mod foreign_servers;
mod guarded_starts;
mod host_pipelines;
mod host_run;
mod not_ended;
mod ready;
mod refused_config;
mod rolling_restart;
mod step_progress;
#[cfg(test)]
mod tests;

pub use cancel::Cancel;
pub use context::RunContext;
pub use directives::try_here;
pub use error::Error;
pub use executor::{Outcome, execute};
pub use foreign_servers::foreign_servers;
pub use refused_config::RefusedConfig;
