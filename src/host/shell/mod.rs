//! One long-lived `sh -s` a host: scripts go in one after the other, lines come out.

mod framing;
mod lock;
mod script;
mod waiting_lines;

pub use self::script::{buffer_output, minify, quote, with_parameters};
pub(super) use self::{
    framing::Shell,
    lock::Retake,
    script::{one_line, sentinel},
};

#[cfg(test)]
mod tests;
