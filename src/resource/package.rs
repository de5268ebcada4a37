//! Packages of the distribution.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Answers, Difference, ProbeScript, ResourceKind, Script, probe_script::words, quote};
use crate::{
    distro,
    host::{Facts, minify},
};

/// Packages that must be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub names: Vec<String>,
    /// The family's entry in the distribution table.
    pub distro: String,
}

const INSTALL: &str = include_str!("package.sh");

fn question(names: &BTreeSet<String>, facts: &Facts) -> String {
    let Some(distro) = facts.distro() else { return String::new() };
    let installed = minify(distro.package_manager.installed);
    format!("installed() {{ {installed}\n}}\ninstalled {} | sed 's/^/=package /'\n", words(names))
}

impl ResourceKind for Package {
    /// The ones that are not installed.
    type Answer = Vec<String>;

    fn title(&self) -> String {
        format!("packages {}", self.names.join(", "))
    }

    fn ask(&self, probe: &mut ProbeScript) {
        self.names.iter().for_each(|name| probe.group("package", question, name));
    }

    fn read(&self, answers: &Answers) -> Vec<String> {
        self.names.iter().filter(|name| !answers.has("package", name)).cloned().collect()
    }

    fn compare(&self, missing: &Vec<String>, _: &BTreeSet<String>) -> Option<Difference> {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        (!missing.is_empty())
            .then(|| Difference::new(Action::Create, format!("{} {verb} not installed", missing.join(", "))))
    }

    fn change(&self, _: &Difference, script: &mut Script) {
        // A plan for a distribution that is not in the table was refused.
        let Some(distro) = distro::find(&self.distro) else { return };
        let manager = &distro.package_manager;
        script.push(&format!("installed() {{ {}\n}}", minify(manager.installed)));
        script.push(&format!("install_packages() {{ {}\n}}", minify(manager.install)));
        script.needs(INSTALL);
        script.push(&format!("install_missing {}", words(&self.names)));
        script.takes_long();
    }
}

/// Says what is left: something else may need a package we installed by now, so its removal is for the user
/// to decide.
pub(super) fn undo(names: &str, script: &mut Script) {
    let left = format!("packages are kept: {names} (remove them with your package manager)");
    script.push(&format!("echo {}", quote(&left)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        answers::tests::answers,
        testing::{facts, layout, lines},
    };

    fn package() -> Package {
        Package { names: vec!["gcc".into(), "make".into()], distro: "debian".into() }
    }

    #[test]
    fn what_is_missing_is_named() {
        let why = |said: &[&str]| {
            let missing = package().read(&answers(said));
            package().compare(&missing, &BTreeSet::new()).map(|difference| difference.why)
        };
        assert_eq!(why(&["=package gcc", "=package make"]), None);
        assert_eq!(why(&["=package gcc"]).unwrap(), "make is not installed");
        assert_eq!(why(&[]).unwrap(), "gcc, make are not installed");
    }

    #[test]
    fn all_packages_are_one_question_and_only_of_a_known_distribution() {
        let mut probe = ProbeScript::default();
        package().ask(&mut probe);
        assert!(!probe.script(&facts()).contains("=package"));
        let debian = Facts { os: vec!["debian".into()], ..facts() };
        assert!(probe.script(&debian).contains("installed gcc make | sed"));
    }

    #[test]
    fn installing_takes_long() {
        let mut script = Script::new(&layout());
        package().change(&Difference::new(Action::Create, ""), &mut script);
        assert!(script.is_long());
        assert_eq!(lines(&script).last().unwrap(), "install_missing gcc make");
    }
}
