//! Tables of the engine's directives.

use std::ops::Range;

use super::resolver::Resolver;
use crate::inventory::{
    directives::{self, DirectiveStatus},
    engine::{Engine, Version},
    fleet::Directives,
    one_or_many::OneOrMany,
    problem::Problem,
    raw::{Config, Scalar, Values},
    spanned::Spanned,
};

/// The lines of a table. Without an engine and a version, which is reported already, only the values are
/// checked.
pub(super) fn resolve(
    written: Option<&Config>,
    release: Option<(Engine, Version)>,
    resolver: &mut Resolver<'_>,
) -> Directives {
    let Some(config) = written else { return Directives::new() };
    let modules = config.0.iter().any(|(name, _)| name.value == "loadmodule");
    let mut directives = Directives::new();
    for (name, values) in &config.0 {
        if !is_plain(name) {
            let problem = Problem::new(format!("`{}` cannot be a directive", name.escape_debug()));
            let problem = problem.at(&name.span, "letters, digits, `-`, `_` and `.`");
            resolver.report(problem.help("write its name here, and its arguments as the value"));
            continue;
        }
        // The options of a loaded module are `module.option`; only the module knows them.
        let of_module = modules && name.contains('.');
        if let Some((engine, version)) = release.filter(|_| !of_module) {
            classify(engine, version, name, &values.span, resolver);
        }
        directives.insert(name.value.clone(), lines(values, resolver));
    }
    directives
}

/// Nothing else may become the start of a line in the engine's file.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain)
}

fn classify(
    engine: Engine,
    version: Version,
    name: &Spanned<String>,
    value: &Range<usize>,
    resolver: &mut Resolver<'_>,
) {
    match directives::classify(engine, version, name) {
        DirectiveStatus::Known => {}
        DirectiveStatus::Managed { help, secret } => {
            let problem = Problem::new(format!("`{}` is not set here", name.value));
            let problem = problem.at(&name.span, "refused").help(help);
            resolver.report(if secret { problem.hide(value) } else { problem });
        }
        DirectiveStatus::Unknown { meant, known_by } => {
            let help = match (meant, known_by) {
                (_, Some(release)) => format!("{release} knows it; remove it, or take that release"),
                (Some(meant), None) => format!("did you mean `{meant}`?"),
                (None, None) => format!("check its name in the {engine}.conf of {version}, or remove it"),
            };
            let problem =
                Problem::new(format!("{engine} {version} does not know the directive `{}`", name.value));
            resolver.report(problem.at(&name.span, "unknown directive").help(help));
        }
    }
}

fn lines(values: &Spanned<Values>, resolver: &mut Resolver<'_>) -> Vec<String> {
    match &values.value {
        OneOrMany::One(scalar) => vec![line(scalar, &values.span, resolver)],
        OneOrMany::Many(lines) if lines.is_empty() => {
            let problem = Problem::new("an empty array writes no line").at(&values.span, "nothing in it");
            resolver.report(
                problem.help("remove the directive, or switch it off the engine's way, such as save = \"\""),
            );
            Vec::new()
        }
        OneOrMany::Many(lines) => lines.iter().map(|scalar| line(scalar, &scalar.span, resolver)).collect(),
    }
}

/// A line break in a value would smuggle in a second directive.
fn line(scalar: &Scalar, span: &Range<usize>, resolver: &mut Resolver<'_>) -> String {
    if scalar.0.chars().any(char::is_control) {
        let problem =
            Problem::new("a directive's value is one line").at(span, "a line break or control character");
        resolver.report(problem.help("for several lines write an array: save = [\"900 1\", \"300 10\"]"));
    }
    scalar.line()
}
