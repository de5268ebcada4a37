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

#[cfg(test)]
mod tests {
    use super::{super::exit::Exit, *};

    #[test]
    fn a_file_that_cannot_be_written_is_refused_before_anything_is_done() {
        let folder = tempfile::tempdir().unwrap();
        assert!(writable("the plan", None).is_ok());
        assert!(writable("the plan", Some(&folder.path().join("plan.json"))).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "trying leaves nothing behind");
        for path in [folder.path().to_owned(), folder.path().join("missing/plan.json")] {
            let failure = writable("the plan", Some(&path)).err().unwrap();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.report.to_string().contains("the plan"), "{}", failure.report);
        }
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        for text in ["first and longer", "second"] {
            assert!(write("the plan", &path, text.as_bytes()).is_ok());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let failure = write("the plan", &folder.path().join("missing/x"), b"x").err().unwrap();
        assert_eq!(failure.exit, Exit::Failed);
    }
}
