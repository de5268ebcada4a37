//! The texts provision fills in, and the rule by which a user's own take their place.

use std::path::{Component, Path, PathBuf};

use crate::inventory::{Fleet, LoadError, Problem, suggest};

/// The templates that are compiled in.
const COMPILED_IN: &[(&str, &str)] = &[
    ("redis.conf", include_str!("../../templates/redis.conf")),
    ("node.service", include_str!("../../templates/node.service")),
    ("sysctl.conf", include_str!("../../templates/sysctl.conf")),
];

/// A template that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The file it came from, or `built-in NAME`.
    pub source: String,
    pub text: String,
}

/// Finds a template: the project's own, or else the one that is compiled in.
pub fn template(fleet: &Fleet, name: &str) -> Result<Template, LoadError> {
    find(fleet, name).map_err(|problem| LoadError::new(name, "", vec![problem]))
}

/// The same, for a caller that knows where the name is written.
pub(super) fn find(fleet: &Fleet, name: &str) -> Result<Template, Problem> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !inside {
        let problem = Problem::new(format!("`{}` is not the name of a template", name.escape_debug()));
        return Err(problem.help("name a file inside a templates/ folder, without `..` or a leading `/`"));
    }
    if let Some((path, text)) = own(fleet, &Path::new("templates").join(name))? {
        return Ok(Template { source: path.display().to_string(), text });
    }
    let compiled_in = COMPILED_IN.iter().find(|(known, _)| *known == name);
    compiled_in
        .map(|(name, text)| Template { source: format!("built-in {name}"), text: (*text).to_owned() })
        .ok_or_else(|| {
            let folder = fleet.files().folder().join("templates");
            let known: Vec<&str> = COMPILED_IN.iter().map(|(name, _)| *name).collect();
            let help = format!("put it into {}, or {}", folder.display(), suggest(name, &known));
            Problem::new(format!("there is no template `{name}`")).help(help)
        })
}

/// A file of the project, where there is one.
pub(super) fn own(fleet: &Fleet, path: &Path) -> Result<Option<(PathBuf, String)>, Problem> {
    for candidate in fleet.files().candidates(path) {
        match std::fs::read_to_string(&candidate) {
            Ok(text) => return Ok(Some((candidate, text))),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => {
                let problem = Problem::new(format!("could not read {}: {cause}", candidate.display()));
                return Err(problem.help("make it a readable text file, or move it away"));
            }
        }
    }
    Ok(None)
}
