//! Packages of the distribution.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Observed, Questions, Script, quote};
use crate::{distro, host::minify};

/// Packages that must be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub names: Vec<String>,
    /// The family's entry in the distribution table.
    pub distro: String,
}

impl Package {
    fn missing<'a>(&'a self, seen: &'a Observed) -> impl Iterator<Item = &'a str> {
        self.names.iter().filter(|name| !seen.packages.contains(*name)).map(String::as_str)
    }
}

impl Kind for Package {
    fn title(&self) -> String {
        format!("packages {}", self.names.join(", "))
    }

    fn ask(&self, questions: &mut Questions) {
        self.names.iter().for_each(|name| questions.package(name));
    }

    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        let missing: Vec<&str> = self.missing(seen).collect();
        let verb = if missing.len() == 1 { "is" } else { "are" };
        (!missing.is_empty())
            .then(|| Difference::new(Action::Create, format!("{} {verb} not installed", missing.join(", "))))
    }

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        // A plan for a distribution that is not in the table was refused.
        let Some(distro) = distro::find(&self.distro) else { return Ok(()) };
        let words: Vec<_> = self.names.iter().map(|name| quote(name)).collect();
        let words = words.join(" ");
        script.push(&format!(
            "installed() {{ {}\n}}\ninstall_packages() {{ {}\n}}\n\
             missing=; for name in {words}; do [ -n \"$(installed \"$name\")\" ] || missing=\"$missing $name\"; done",
            minify(distro.package_manager.installed),
            minify(distro.package_manager.install)
        ));
        script.push(&Entry::installed_packages());
        script.push("[ -z \"$missing\" ] || install_packages $missing");
        script.takes_long();
        Ok(())
    }
}

/// Says what is left: a package we installed may be needed by others by now, so removing it is the user's decision.
pub(super) fn undo(names: &str) -> String {
    format!("echo {}", quote(&format!("packages are kept: {names} (remove them with your package manager)")))
}
