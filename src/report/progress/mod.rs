//! Progress while a run goes on: what is running, for how long, and which hosts are the slowest. The state is
//! pure: events and the time go in, lines come out.

mod bars;
mod board;
mod line;
mod merged;
mod plain;
#[cfg(test)]
mod tests;

pub(super) use bars::Bars;
pub(super) use plain::Plain;
