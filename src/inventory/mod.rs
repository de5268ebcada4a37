//! The inventory: TOML types, loading with spanned errors, and resolution into a [`Fleet`].
//!
//! `parse` reads as much of the file as can be read, `written` holds what stands there, `resolve` says what it
//! means. All three go on after a problem, so that one run shows them all.

mod directives;
mod environment;
mod fleet;
mod hints;
mod parse;
mod ports;
mod problem;
mod range;
mod raw;
mod resolve;
mod schema;
mod select;
mod spanned;

use std::path::Path;

pub use self::{
    environment::{Environment, LAB_STATE},
    fleet::{Address, Directives, Engine, Fleet, Host, Node, Source, SourceKind, Ssh, Version},
    problem::{LoadError, Problem},
    schema::schema,
    select::{UnknownHost, select},
};
pub(crate) use self::{
    hints::{did_you_mean, suggest},
    parse::{Read, read},
    select::glob,
    spanned::Spanned,
};

/// Whether the fleet stays as it is written, or all its nodes are put onto this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    #[default]
    AsWritten,
    /// `--single-host`.
    SingleHost,
}

/// Loads an inventory file.
pub fn load(path: &Path, fold: Fold) -> Result<Fleet, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|cause| LoadError::unreadable(path, &cause))?;
    // A plan that is saved here may be applied from another folder.
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    fleet(&path.display().to_string(), &file, &text, fold)
}

/// Parses an inventory that `name` stands for: in messages, and as the file relative paths start from.
pub fn parse(name: &str, text: &str, fold: Fold) -> Result<Fleet, LoadError> {
    fleet(name, Path::new(name), text, fold)
}

fn fleet(name: &str, file: &Path, text: &str, fold: Fold) -> Result<Fleet, LoadError> {
    let read = parse::read::<raw::Inventory>(text);
    let mut problems = read.problems;
    let setting = resolve::ResolveContext { file, fold, removed: &read.removed };
    match read.value.map(|inventory| resolve::resolve(&inventory, &setting)) {
        Some(Ok(fleet)) if problems.is_empty() => return Ok(fleet),
        Some(Err(more)) => problems.extend(more),
        Some(Ok(_)) | None => {}
    }
    Err(LoadError::new(name, text, problems))
}
