//! What a user sees besides plans and progress, as snapshots. `INSTA_UPDATE=always cargo test --lib report::`
//! writes them anew; `git diff` then shows what has changed for users.

mod errors;
mod tables;
