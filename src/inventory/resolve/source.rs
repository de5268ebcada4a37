//! The `[source]` table.

use super::resolver::Resolver;
use crate::inventory::{
    fleet::{Source, SourceKind},
    hints,
    problem::Problem,
    raw::SourceTable,
    spanned::Spanned,
};

const PLACES: [(&str, SourceKind); 6] = [
    ("artifact-cache", SourceKind::ArtifactCache),
    ("source-cache", SourceKind::SourceCache),
    ("release", SourceKind::Release),
    ("mirrors", SourceKind::Mirrors),
    ("distribution", SourceKind::Distribution),
    ("file", SourceKind::File),
];

pub(super) fn resolve(written: Option<&Spanned<SourceTable>>, resolver: &mut Resolver<'_>) -> Source {
    let Some(source) = written else { return Source::default() };
    let result = Source {
        places: source
            .places
            .as_ref()
            .map_or_else(|| SourceKind::ALL.to_vec(), |places| self::places(places, resolver)),
        mirrors: source.mirrors.as_ref().map(|mirrors| self::mirrors(mirrors, resolver)).unwrap_or_default(),
        file: source.file.as_ref().map(|file| resolver.path(file)),
        suite: source.suite.as_ref().and_then(|suite| self::suite(suite, resolver)),
        sha256: source.sha256.as_ref().and_then(|digest| self::sha256(digest, resolver)),
    };
    if let (Some(file), Some(path)) = (&source.file, &result.file)
        && !path.is_file()
    {
        let problem =
            Problem::new(format!("there is no file {}", path.display())).at(&file.span, "not found");
        resolver.report(problem.help("the path is relative to the inventory; put the tarball there"));
    }
    unfilled(source, resolver);
    result
}

/// A place that is named, but has nothing to look in.
fn unfilled(source: &SourceTable, resolver: &mut Resolver<'_>) {
    let named = |name: &str| source.places.iter().flat_map(|p| &p.value).find(|place| place.value == name);
    if let (Some(place), None) = (named("file"), &source.file)
        && !resolver.was_removed(&["source", "file"])
    {
        let problem = Problem::new("the place `file` has no file").at(&place.span, "nothing to read");
        resolver.report(problem.help("name the tarball with `file` in [source], or remove this place"));
    }
    let mirrors = source.mirrors.as_ref().is_some_and(|mirrors| !mirrors.is_empty());
    if let (Some(place), false) = (named("mirrors"), mirrors || resolver.was_removed(&["source", "mirrors"]))
    {
        let problem = Problem::new("the place `mirrors` has no mirrors").at(&place.span, "nothing to ask");
        resolver.report(problem.help("list URLs with `mirrors` in [source], or remove this place"));
    }
}

fn places(places: &Spanned<Vec<Spanned<String>>>, resolver: &mut Resolver<'_>) -> Vec<SourceKind> {
    if places.is_empty() {
        let problem = Problem::new("there is no place to take the source from").at(&places.span, "empty");
        resolver.report(problem.help("remove `places` to try every one"));
    }
    let mut found: Vec<(SourceKind, &Spanned<String>)> = Vec::new();
    for name in &places.value {
        let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name.value) else {
            let problem =
                Problem::new(format!("there is no place `{}`", name.value)).at(&name.span, "unknown place");
            resolver.report(problem.help(hints::suggest(name, &PLACES.map(|(known, _)| known))));
            continue;
        };
        match found.iter().find(|(other, _)| other == place) {
            Some((_, first)) => {
                let problem = Problem::new(format!("the place `{}` stands twice", name.value));
                resolver.report(
                    problem.at(&name.span, "again").at(&first.span, "first here").help("remove one of them"),
                );
            }
            None => found.push((*place, name)),
        }
    }
    found.into_iter().map(|(place, _)| place).collect()
}

fn mirrors(mirrors: &Spanned<Vec<Spanned<String>>>, resolver: &mut Resolver<'_>) -> Vec<String> {
    for url in &mirrors.value {
        let web =
            ["http://", "https://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
        if !web || url.chars().any(|c| c.is_control() || c == ' ') {
            let problem = Problem::new(format!("`{}` is not a web address", url.value.escape_debug()));
            let help = "such as \"https://mirror.example/{engine}/{file}\"";
            resolver.report(problem.at(&url.span, "must start with https:// or http://").help(help));
        } else if let Some(hole) = unknown_hole(url) {
            let problem = Problem::new(format!("nothing fills in `{{{hole}}}`")).at(&url.span, "here");
            resolver.report(problem.help(hints::suggest(hole, &["engine", "version", "file"])));
        }
    }
    mirrors.iter().map(|url| url.value.clone()).collect()
}

fn unknown_hole(url: &str) -> Option<&str> {
    let holes = url.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(hole, _)| hole));
    holes.into_iter().find(|hole| !matches!(*hole, "engine" | "version" | "file"))
}

/// It becomes an argument of the package manager.
fn suite(suite: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if suite.starts_with(|c: char| c.is_ascii_lowercase()) && suite.chars().all(plain) {
        return Some(suite.value.clone());
    }
    let problem =
        Problem::new(format!("`{}` is not a release of a distribution", suite.value.escape_debug()));
    resolver.report(problem.at(&suite.span, "its code name").help("such as \"trixie\" or \"sid\""));
    None
}

fn sha256(digest: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<String> {
    if digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return Some(digest.to_lowercase());
    }
    let found = match digest.chars().find(|c| !c.is_ascii_hexdigit()) {
        Some(other) => format!("`{}` is not a hexadecimal digit", other.escape_debug()),
        None => format!("{} of 64 digits", digest.len()),
    };
    let problem = Problem::new("this is not a SHA-256 digest").at(&digest.span, found);
    resolver.report(problem.help("copy the 64 hexadecimal digits that `sha256sum` prints for the tarball"));
    None
}
