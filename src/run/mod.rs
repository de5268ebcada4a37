//! Running a plan: the only code that changes anything.

mod cancel;
mod error;
mod event;
mod executor;
mod hosts;
mod journal;
mod nodes;

pub use cancel::Cancel;
pub use error::Error;
pub use event::{Event, Events, StepEvents, millis};
pub use executor::{Executor, Outcome};
pub use journal::Journal;
