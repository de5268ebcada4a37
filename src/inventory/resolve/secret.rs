//! Where secrets are kept.

use std::ops::Range;

use super::resolver::Resolver;
use crate::{
    inventory::{
        problem::Problem,
        raw::{Kept, SecretTable, SourceKind},
        spanned::Spanned,
    },
    secret::{Credential, SecretSource},
};

/// A key of the inventory that says where a secret is kept.
pub(super) struct Key<'a> {
    pub(super) path: &'a [&'a str],
    /// What to write instead of the secret itself: `auth = "generate"`.
    pub(super) word: &'a str,
    /// The name of a variable, for examples.
    pub(super) variable: &'a str,
}

impl Key<'_> {
    fn name(&self) -> &str {
        self.path.last().copied().unwrap_or_default()
    }

    /// A secret that stands in the inventory itself.
    pub(super) fn literal(&self, at: &Range<usize>, resolver: &mut Resolver<'_>) {
        let problem = Problem::new("a password must not stand in the inventory").hide(at);
        let help =
            format!("write {}, or say where it is: {{ env = \"NAME\" }} or {{ file = \"path\" }}", self.word);
        resolver.report(problem.at(at, "its value is hidden here").help(help));
    }

    pub(super) fn table(
        &self,
        table: &SecretTable,
        at: &Range<usize>,
        resolver: &mut Resolver<'_>,
    ) -> Option<SecretSource> {
        match (&table.env, &table.file) {
            (Some(env), None) => self.variable(env, at, resolver),
            (None, Some(file)) => {
                resolver.line("the file's name", file).map(|file| SecretSource::File(resolver.path(&file)))
            }
            _ if self.lost("env", resolver) || self.lost("file", resolver) => None,
            _ => {
                let problem =
                    Problem::new(format!("`{}` must say one place the password is kept in", self.name()));
                let help = format!("such as {{ env = \"{}\" }}", self.variable);
                resolver.report(problem.at(at, "one of `env` and `file`").help(help));
                None
            }
        }
    }

    fn lost(&self, key: &str, resolver: &Resolver<'_>) -> bool {
        resolver.was_removed(&[self.path, &[key]].concat())
    }

    fn variable(
        &self,
        env: &Spanned<String>,
        at: &Range<usize>,
        resolver: &mut Resolver<'_>,
    ) -> Option<SecretSource> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !env.is_empty() && env.chars().all(plain) && !env.starts_with(|c: char| c.is_ascii_digit()) {
            return Some(SecretSource::Env(env.value.clone()));
        }
        // Somebody may have put the password itself where the variable's name belongs.
        let what = format!("`{}.env` is not the name of an environment variable", self.name());
        let help = format!("such as {{ env = \"{}\" }}", self.variable);
        resolver.report(Problem::new(what).hide(&env.span).at(at, "letters, digits and `_`").help(help));
        None
    }
}

/// A credential of the person who runs provision.
pub(super) fn credential(
    key: &Key<'_>,
    kept: &Spanned<Kept>,
    resolver: &mut Resolver<'_>,
) -> Option<Credential> {
    match &kept.value {
        SourceKind::Word(_) => Some(Credential::Ask),
        SourceKind::Table(table) => key.table(table, &kept.span, resolver).map(Credential::Kept),
        SourceKind::Literal => {
            key.literal(&kept.span, resolver);
            None
        }
    }
}
