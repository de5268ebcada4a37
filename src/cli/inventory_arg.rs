//! Which inventory a verb reads: the one that is named, that of a lab, or `./inventory.toml`.

use std::path::{Path, PathBuf};

use miette::miette;

use super::exit::Failure;
use crate::{lab, report};

/// Read where no inventory is named; what `provision init` writes.
const DEFAULT: &str = "inventory.toml";
/// Stands before the name of a lab.
const LAB: &str = "lab:";

/// What an argument means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    File(&'a Path),
    /// The inventory of the lab of this name.
    Lab(&'a str),
    /// [`DEFAULT`] in the working directory.
    Default,
}

fn meaning(named: Option<&Path>) -> Meaning<'_> {
    let Some(path) = named else { return Meaning::Default };
    match path.to_str().and_then(|text| text.strip_prefix(LAB)) {
        Some(name) => Meaning::Lab(name),
        None => Meaning::File(path),
    }
}

/// The inventory file an argument stands for. Says on stderr when it was not named.
pub(super) fn resolve(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match meaning(named) {
        Meaning::File(path) => Ok(path.to_owned()),
        Meaning::Lab(name) => Ok(lab::inventory_of(name)?),
        Meaning::Default if Path::new(DEFAULT).exists() => {
            report::note(&format!("using ./{DEFAULT}"));
            Ok(DEFAULT.into())
        }
        Meaning::Default => Err(missing()),
    }
}

fn missing() -> Failure {
    let help = "name one, or `lab:NAME` for that of a lab; `provision init` writes one to start from";
    Failure::usage(miette!(help = help, "no inventory is named, and there is no {DEFAULT} here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn a_path_is_a_file() {
        for path in ["x.toml", "./lab:x", "labs/x", "lab", "LAB:x"] {
            assert_eq!(meaning(Some(Path::new(path))), Meaning::File(Path::new(path)));
        }
    }

    #[test]
    fn the_prefix_means_a_lab() {
        assert_eq!(meaning(Some(Path::new("lab:demo"))), Meaning::Lab("demo"));
        assert_eq!(meaning(Some(Path::new("lab:"))), Meaning::Lab(""));
    }

    #[test]
    fn nothing_means_the_default() {
        assert_eq!(meaning(None), Meaning::Default);
    }

    #[test]
    fn a_missing_default_is_a_usage_error_with_help() {
        let failure = missing();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.report.help().unwrap().to_string().contains("provision init"));
    }

    #[test]
    fn a_name_that_no_lab_can_have_is_a_usage_error() {
        for name in ["lab:", "lab:../../etc", "lab:A", "lab:a b"] {
            let failure = resolve(Some(Path::new(name))).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{name}");
        }
    }
}
