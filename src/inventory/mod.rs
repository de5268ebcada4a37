//! The inventory: TOML types, loading with spanned errors, and resolution into a [`Fleet`].
//!
//! `parse` reads as much of the file as can be read, `raw` is what is written, `resolve` is what it means.
//! All three go on after a problem, so that one run shows all of them.

mod directives;
mod endpoints;
mod engine;
mod fleet;
mod hints;
mod one_or_many;
mod parse;
mod ports;
mod problem;
mod project_files;
mod range;
mod raw;
mod resolve;
mod schema;
mod select;
mod source;
mod spanned;

use std::path::Path;

pub use crate::event::Environment;

pub use self::{
    directives::refused,
    endpoints::{Endpoints, NodeRef},
    engine::{Engine, Version},
    fleet::{Address, Directives, Fleet, Fold, Host, Node, Ssh},
    ports::bus_port,
    problem::{LoadError, Problem},
    project_files::{LAB_STATE, ProjectFiles},
    schema::schema,
    select::{UnknownHost, select},
    source::{Source, SourceKind},
};
pub(crate) use self::{
    hints::{did_you_mean, suggest},
    one_or_many::{Item, OneOrMany},
    parse::{Read, read},
    select::glob,
    spanned::Spanned,
};

/// Loads an inventory file.
pub fn load(path: &Path, fold: Fold) -> Result<Fleet, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|cause| LoadError::unreadable(path, &cause))?;
    // A plan that is saved here may be applied from another folder.
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    fleet(&path.display().to_string(), &file, &text, fold)
}

/// Parses an inventory. `name` is what messages call it, and the file that relative paths start from.
pub fn parse(name: &str, text: &str, fold: Fold) -> Result<Fleet, LoadError> {
    fleet(name, Path::new(name), text, fold)
}

fn fleet(name: &str, file: &Path, text: &str, fold: Fold) -> Result<Fleet, LoadError> {
    let read = parse::read::<raw::Inventory>(text);
    let mut problems = read.problems;
    let context = resolve::ResolveContext { file, fold, removed: &read.removed };
    match read.value.map(|inventory| resolve::resolve(&inventory, &context)) {
        Some(Ok(fleet)) if problems.is_empty() => return Ok(fleet),
        Some(Err(more)) => problems.extend(more),
        Some(Ok(_)) | None => {}
    }
    Err(LoadError::new(name, text, problems))
}
