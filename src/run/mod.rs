//! Running a plan: the only code that changes anything.

mod cancel;
mod directives;
mod error;
mod executor;
mod flow;
mod hosts;
mod journal;
mod nodes;
mod supply;
mod track;

pub use cancel::Cancel;
pub use error::Error;
pub use executor::{Executor, Outcome};
pub use journal::Journal;
