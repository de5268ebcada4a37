//! Running a plan: the only code that changes anything.

mod binary_distribution;
mod cancel;
mod directives;
mod error;
mod executor;
mod host_pipelines;
mod host_run;
mod rolling_restart;
mod step_progress;

pub use cancel::Cancel;
pub use error::Error;
pub use executor::{Executor, Outcome};
