//! Running a plan: the only code that changes anything.

mod event;

pub use event::{Event, Events, StepEvents, millis};
