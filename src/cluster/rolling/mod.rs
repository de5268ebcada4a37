//! Restarting nodes of a live cluster without losing a key: replicas first, and a master only after it has
//! handed its slots over.

mod error;
mod hand_over;
mod leader;
mod order;
mod settled;
mod spread_masters;
mod survival;
mod trouble;

pub use error::Error;
pub use hand_over::{HandOver, hand_over};
pub use leader::leader;
pub use order::order;
pub use settled::settled;
pub use spread_masters::spread_masters;
pub use survival::survives;
pub use trouble::Trouble;
