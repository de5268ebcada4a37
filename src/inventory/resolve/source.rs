//! The `[source]` table.

use super::check::Check;
use crate::inventory::{
    at::At,
    fleet::{Place, Source},
    problem::Problem,
    wording,
    written::SourceTable,
};

const PLACES: [(&str, Place); 6] = [
    ("artefact-cache", Place::ArtefactCache),
    ("source-cache", Place::SourceCache),
    ("release", Place::Release),
    ("mirrors", Place::Mirrors),
    ("distribution", Place::Distribution),
    ("file", Place::File),
];

pub(super) fn resolve(written: Option<&At<SourceTable>>, check: &mut Check<'_>) -> Source {
    let Some(source) = written else { return Source::default() };
    let resolved = Source {
        places: source
            .places
            .as_ref()
            .map_or_else(|| Place::ALL.to_vec(), |places| self::places(places, check)),
        mirrors: source.mirrors.as_ref().map(|mirrors| self::mirrors(mirrors, check)).unwrap_or_default(),
        file: source.file.as_ref().map(|file| check.path(file)),
        suite: source.suite.as_ref().and_then(|suite| self::suite(suite, check)),
        sha256: source.sha256.as_ref().and_then(|digest| self::sha256(digest, check)),
    };
    if let (Some(file), Some(path)) = (&source.file, &resolved.file)
        && !path.is_file()
    {
        let problem =
            Problem::new(format!("there is no file {}", path.display())).at(&file.span, "not found");
        check.report(problem.help("the path is relative to the inventory; put the tarball there"));
    }
    unfilled(source, check);
    resolved
}

/// A place that is named, but has nothing to look in.
fn unfilled(source: &SourceTable, check: &mut Check<'_>) {
    let named = |name: &str| source.places.iter().flat_map(|p| &p.value).find(|place| place.value == name);
    if let (Some(place), None) = (named("file"), &source.file)
        && !check.was_removed(&["source", "file"])
    {
        let problem = Problem::new("the place `file` has no file").at(&place.span, "nothing to read");
        check.report(problem.help("name the tarball with `file` in [source], or remove this place"));
    }
    let mirrors = source.mirrors.as_ref().is_some_and(|mirrors| !mirrors.is_empty());
    if let (Some(place), false) = (named("mirrors"), mirrors || check.was_removed(&["source", "mirrors"])) {
        let problem = Problem::new("the place `mirrors` has no mirrors").at(&place.span, "nothing to ask");
        check.report(problem.help("list URLs with `mirrors` in [source], or remove this place"));
    }
}

fn places(places: &At<Vec<At<String>>>, check: &mut Check<'_>) -> Vec<Place> {
    if places.is_empty() {
        let problem = Problem::new("there is no place to take the source from").at(&places.span, "empty");
        check.report(problem.help("remove `places` to try every one"));
    }
    let mut found: Vec<(Place, &At<String>)> = Vec::new();
    for name in &places.value {
        let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name.value) else {
            let problem =
                Problem::new(format!("there is no place `{}`", name.value)).at(&name.span, "unknown place");
            check.report(problem.help(wording::suggest(name, &PLACES.map(|(known, _)| known))));
            continue;
        };
        match found.iter().find(|(other, _)| other == place) {
            Some((_, first)) => {
                let problem = Problem::new(format!("the place `{}` stands twice", name.value));
                check.report(
                    problem.at(&name.span, "again").at(&first.span, "first here").help("remove one of them"),
                );
            }
            None => found.push((*place, name)),
        }
    }
    found.into_iter().map(|(place, _)| place).collect()
}

fn mirrors(mirrors: &At<Vec<At<String>>>, check: &mut Check<'_>) -> Vec<String> {
    for url in &mirrors.value {
        let web =
            ["http://", "https://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
        if !web || url.chars().any(|c| c.is_control() || c == ' ') {
            let problem = Problem::new(format!("`{}` is not a web address", url.value.escape_debug()));
            let help = "such as \"https://mirror.example/{engine}/{file}\"";
            check.report(problem.at(&url.span, "must start with https:// or http://").help(help));
        } else if let Some(hole) = unknown_hole(url) {
            let problem = Problem::new(format!("nothing fills in `{{{hole}}}`")).at(&url.span, "here");
            check.report(problem.help(wording::suggest(hole, &["engine", "version", "file"])));
        }
    }
    mirrors.iter().map(|url| url.value.clone()).collect()
}

fn unknown_hole(url: &str) -> Option<&str> {
    let holes = url.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(hole, _)| hole));
    holes.into_iter().find(|hole| !matches!(*hole, "engine" | "version" | "file"))
}

/// It becomes an argument of the package manager.
fn suite(suite: &At<String>, check: &mut Check<'_>) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if suite.starts_with(|c: char| c.is_ascii_lowercase()) && suite.chars().all(plain) {
        return Some(suite.value.clone());
    }
    let problem =
        Problem::new(format!("`{}` is not a release of a distribution", suite.value.escape_debug()));
    check.report(problem.at(&suite.span, "its code name").help("such as \"trixie\" or \"sid\""));
    None
}

fn sha256(digest: &At<String>, check: &mut Check<'_>) -> Option<String> {
    if digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return Some(digest.to_lowercase());
    }
    let found = match digest.chars().find(|c| !c.is_ascii_hexdigit()) {
        Some(other) => format!("`{}` is not a hexadecimal digit", other.escape_debug()),
        None => format!("{} of 64 digits", digest.len()),
    };
    let problem = Problem::new("this is not a SHA-256 digest").at(&digest.span, found);
    check.report(problem.help("copy the 64 hexadecimal digits that `sha256sum` prints for the tarball"));
    None
}
