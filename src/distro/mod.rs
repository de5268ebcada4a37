//! The families of distributions: how each names and installs packages, and where it keeps shared libraries.
//!
//! One family is one folder, and one entry of the table here. No other room knows the name of a package, a
//! package manager or a library folder, except what a lab needs of the machine it runs on.

pub mod debian;

/// One family of distributions.
#[derive(Debug, PartialEq, Eq)]
pub struct Distro {
    /// The `ID` or `ID_LIKE` of os-release it answers to.
    pub id: &'static str,
    /// What texts for the user call it.
    pub name: &'static str,
    /// The package that provides each tool a build may need.
    pub packages: &'static [(Tool, &'static str)],
    pub package_manager: PackageManager,
    /// Folders of shared libraries of its own, besides `/lib` and `/usr/lib`; shell patterns.
    pub library_folders: &'static [&'static str],
}

/// The shell programs of a package manager: bodies of functions, with comments that are not sent.
#[derive(Debug, PartialEq, Eq)]
pub struct PackageManager {
    /// Prints one line `name` for each argument that is installed.
    pub installed: &'static str,
    /// Installs its arguments without asking.
    pub install: &'static str,
}

/// What a build may need from the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// A C compiler that is called `cc`.
    Compiler,
    /// A C++ compiler.
    CxxCompiler,
    Make,
    Tar,
    /// The C library's headers and start files.
    Libc,
    Linker,
}

const DISTROS: &[&Distro] = &[&debian::DISTRO];

/// Library folders that no family of the table has, but hosts outside of it do.
const OTHER_LIBRARY_FOLDERS: &[&str] = &["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Package names of a family that hints name and that is not in the table yet.
const ENTERPRISE_LINUX: &[(Tool, &str)] = &[
    (Tool::Compiler, "gcc"),
    (Tool::CxxCompiler, "gcc-c++"),
    (Tool::Libc, "glibc-devel"),
    (Tool::Linker, "binutils"),
];

/// Where a compiler newer than the distribution's own comes from.
pub const NEWER_COMPILER: &str = "on EL7: devtoolset";

/// The entry for an `ID` of os-release; Ubuntu and others find it through their `ID_LIKE`.
pub fn find(id: &str) -> Option<&'static Distro> {
    DISTROS.iter().copied().find(|distro| distro.id == id)
}

/// Every folder that may hold shared libraries on some host, as words of a shell `for`.
pub fn library_folders() -> String {
    let own = DISTROS.iter().flat_map(|distro| distro.library_folders);
    own.chain(OTHER_LIBRARY_FOLDERS).copied().collect::<Vec<_>>().join(" ")
}

/// What to install for some tools where the host's family is unknown: `Debian: g++, EL: gcc-c++`, or one name
/// where all families agree.
pub fn package_hint(tools: &[Tool]) -> String {
    let names = |packages: &[(Tool, &'static str)]| {
        let name = |tool| packages.iter().find(|(known, _)| known == tool).map(|(_, name)| *name);
        tools.iter().filter_map(name).collect::<Vec<_>>().join(" ")
    };
    let mut hints: Vec<(&str, String)> =
        DISTROS.iter().map(|distro| (distro.name, names(distro.packages))).collect();
    hints.push(("EL", names(ENTERPRISE_LINUX)));
    match &hints[..] {
        [(_, first), rest @ ..] if rest.iter().all(|(_, other)| other == first) => first.clone(),
        _ => hints.iter().map(|(family, names)| format!("{family}: {names}")).collect::<Vec<_>>().join(", "),
    }
}

impl Distro {
    /// The package that provides a tool.
    pub fn package(&self, tool: Tool) -> Option<&'static str> {
        self.packages.iter().find(|(t, _)| *t == tool).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_found_by_its_id_alone() {
        assert_eq!(find("debian"), Some(&debian::DISTRO));
        for other in ["Debian", "ubuntu", "", "rhel"] {
            assert_eq!(find(other), None, "{other}");
        }
    }

    #[test]
    fn every_family_has_a_package_for_every_tool() {
        use Tool::{Compiler, CxxCompiler, Libc, Linker, Make, Tar};
        for distro in DISTROS {
            for tool in [Compiler, CxxCompiler, Make, Tar, Libc, Linker] {
                assert!(distro.package(tool).is_some_and(|name| !name.is_empty()), "{} {tool:?}", distro.id);
            }
        }
    }

    #[test]
    fn hints_name_the_packages_of_each_family_or_the_one_they_share() {
        assert_eq!(package_hint(&[Tool::CxxCompiler]), "Debian: g++, EL: gcc-c++");
        let both = package_hint(&[Tool::Libc, Tool::Linker]);
        assert_eq!(both, "Debian: libc6-dev binutils, EL: glibc-devel binutils");
        assert_eq!(package_hint(&[Tool::Compiler]), "gcc");
    }

    #[test]
    fn library_folders_are_words_that_a_shell_expands() {
        let folders = library_folders();
        assert_eq!(
            folders.split(' ').collect::<Vec<_>>(),
            ["/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
        );
        assert!(!folders.contains(['\'', '"', '$', '`', '\n']), "they stand in single quotes: {folders}");
    }
}
