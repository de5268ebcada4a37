//! Files a verb writes for the user: whole or not at all.

use std::{io::Write, path::Path};

use miette::{IntoDiagnostic, WrapErr};

use super::exit::Failure;

/// Writes a file atomically; `what` names it in the error.
pub(super) fn write(what: &str, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut temporary = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        temporary.write_all(bytes)?;
        temporary.persist(file)?;
        Ok(())
    };
    let written =
        write().into_diagnostic().wrap_err_with(|| format!("could not write {what} to {}", file.display()));
    written.map_err(Failure::usage)
}
