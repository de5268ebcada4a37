//! Files a verb writes for the user: whole or not at all.

use std::{io, path::Path};

use miette::miette;

use super::exit::Failure;
use crate::atomic_file::{self, Mode};

/// Refuses a file that cannot be written while nothing is done yet.
pub(super) fn writable(what: &str, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    if file.is_dir() {
        let help = "name a file in it";
        return Err(Failure::usage(miette!(
            help = help,
            "{what} is a file, and {} a folder",
            file.display()
        )));
    }
    write_error(what, file, atomic_file::check_writable(file)).map_err(Failure::usage)
}

/// Writes a file atomically; `what` names it in the error.
pub(super) fn write(what: &str, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_error(what, file, atomic_file::write(file, bytes, Mode::Private)).map_err(Failure::failed)
}

fn write_error(what: &str, file: &Path, result: io::Result<()>) -> miette::Result<()> {
    let help = "see that the folder exists and is writable";
    result.map_err(|error| miette!(help = help, "could not write {what} to {}: {error}", file.display()))
}
