//! What every part of resolving shares: where problems go, and the checks that several parts make.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use crate::inventory::{
    fleet::{Fleet, Fold},
    ports::{self, BadPort},
    problem::Problem,
    project_files::ProjectFiles,
    range::BadAddress,
    spanned::Spanned,
};

/// What the meaning of an inventory depends on besides its text.
pub(in crate::inventory) struct ResolveContext<'a> {
    /// The inventory file; relative paths start from its folder.
    pub(in crate::inventory) file: &'a Path,
    pub(in crate::inventory) fold: Fold,
    /// Keys that were written but could not be read: they are not missing.
    pub(in crate::inventory) removed: &'a [Vec<String>],
}

/// Collects the problems on the way.
pub(super) struct Resolver<'a> {
    context: &'a ResolveContext<'a>,
    problems: Vec<Problem>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(context: &'a ResolveContext<'a>) -> Self {
        Self { context, problems: Vec::new() }
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// How many problems there are so far, to see whether a part added any.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn finish(self, fleet: Fleet) -> Result<Fleet, Vec<Problem>> {
        if self.problems.is_empty() { Ok(fleet) } else { Err(self.problems) }
    }

    pub(super) fn folded(&self) -> bool {
        self.context.fold == Fold::SingleHost
    }

    /// Whether a key was written, but with a value that had to be taken out.
    pub(super) fn was_removed(&self, path: &[&str]) -> bool {
        self.context.removed.iter().any(|removed| removed == path)
    }

    /// Whether anything at all under a key had to be taken out.
    pub(super) fn lost_some_of(&self, table: &str) -> bool {
        self.context.removed.iter().any(|removed| removed.first().is_some_and(|key| key == table))
    }

    /// Reports a key that must be there, unless it is there and already reported.
    pub(super) fn missing(&mut self, path: &[&str], table: &Range<usize>, help: &str) {
        if self.was_removed(path) {
            return;
        }
        let key = path.last().copied().unwrap_or_default();
        self.report(Problem::new(format!("`{key}` is missing")).at(table, "not in this table").help(help));
    }

    /// A path of the inventory, from the inventory's folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.files().relative(written)
    }

    /// The files that belong to the inventory.
    pub(super) fn files(&self) -> ProjectFiles<'_> {
        ProjectFiles::of(self.context.file)
    }

    pub(super) fn port(&mut self, port: &Spanned<i64>) -> Option<u16> {
        match ports::check(port.value) {
            Ok(port) => Some(port),
            Err(BadPort { what, why, help }) => {
                self.report(Problem::new(what).at(&port.span, why).help(help));
                None
            }
        }
    }

    /// A port that does not stand for two.
    pub(super) fn port_alone(&mut self, port: &Spanned<i64>) -> Option<u16> {
        let checked = ports::check_alone(port.value);
        checked
            .map_err(|BadPort { what, why, help }| {
                self.report(Problem::new(what).at(&port.span, why).help(help));
            })
            .ok()
    }

    pub(super) fn address<T>(&mut self, span: &Range<usize>, parsed: Result<T, BadAddress>) -> Option<T> {
        parsed
            .map_err(|BadAddress { what, help }| {
                self.report(Problem::new(what).at(span, "not an address").help(help));
            })
            .ok()
    }

    /// Text that goes into files and lists: one line, and not nothing.
    pub(super) fn line(&mut self, what: &str, text: &Spanned<String>) -> Option<String> {
        if !text.trim().is_empty() && !text.chars().any(char::is_control) {
            return Some(text.value.clone());
        }
        let problem = Problem::new(format!("{what} is empty, or more than a line of text"));
        self.report(problem.at(&text.span, "here").help("write one line of plain text, or remove the key"));
        None
    }
}
