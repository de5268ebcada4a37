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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        atomic_file::{self, Mode},
        inventory::{self, Fold},
    };

    fn fleet(folder: &Path) -> Fleet {
        let text =
            "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\n[[hosts]]\nname = \"h\"\naddress = \"local\"\n";
        let name = folder.join("x.toml").display().to_string();
        inventory::parse(&name, text, Fold::AsWritten).unwrap()
    }

    #[test]
    fn a_template_of_the_project_takes_the_place_of_the_compiled_in_one() {
        let home = tempfile::tempdir().unwrap();
        let fleet = fleet(home.path());
        let built_in = find(&fleet, "redis.conf").unwrap();
        assert_eq!(built_in.source, "built-in redis.conf");
        fs::create_dir(home.path().join("templates")).unwrap();
        let own = home.path().join("templates/redis.conf");
        atomic_file::write(&own, b"mine", Mode::Private).unwrap();
        let found = find(&fleet, "redis.conf").unwrap();
        assert_eq!((found.text.as_str(), found.source), ("mine", own.display().to_string()));
    }

    #[test]
    fn a_name_never_leaves_the_folder() {
        let home = tempfile::tempdir().unwrap();
        for name in ["", "../x", "/etc/passwd", "a/../../x", ".", "a/./../.."] {
            let problem = find(&fleet(home.path()), name).unwrap_err();
            assert!(problem.to_string().contains("is not the name of a template"), "{name}: {problem}");
        }
    }

    #[test]
    fn a_missing_template_names_the_likely_one_and_an_unreadable_one_its_file() {
        let home = tempfile::tempdir().unwrap();
        let fleet = fleet(home.path());
        let problem = find(&fleet, "redis.cnf").unwrap_err();
        let help = miette::Diagnostic::help(&problem).unwrap().to_string();
        assert!(help.contains("templates") && help.contains("`redis.conf`"), "{help}");
        fs::create_dir_all(home.path().join("templates/redis.conf")).unwrap();
        let problem = find(&fleet, "redis.conf").unwrap_err();
        assert!(problem.to_string().contains("could not read"), "{problem}");
    }
}
