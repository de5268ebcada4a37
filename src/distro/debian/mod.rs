//! Debian and what is like it: dpkg, apt and their source packages.
//!
//! The shell programs beside this file get their parameters as variables, which their second lines name.

pub(crate) mod deb_src;
pub(crate) mod source_package;

use super::{Distro, PackageManager, Tool};

/// The family's entry.
pub const DISTRO: Distro = Distro {
    id: "debian",
    name: "Debian",
    packages: &[
        (Tool::Compiler, "gcc"),
        (Tool::CxxCompiler, "g++"),
        (Tool::Make, "make"),
        (Tool::Tar, "tar"),
        (Tool::Libc, "libc6-dev"),
        (Tool::Linker, "binutils"),
    ],
    package_manager: PackageManager {
        installed: include_str!("installed.sh"),
        install: include_str!("install.sh"),
    },
    library_folders: &["/lib/*-linux-gnu", "/usr/lib/*-linux-gnu"],
};

/// Prints the system's package archives, for [`archives`].
pub(crate) const LIST_ARCHIVES: &str = include_str!("list_archives.sh");
/// Writes the configuration and the entries of an apt state of our own.
pub(crate) const PREPARE: &str = include_str!("prepare.sh");
/// Reads the lists of the archives into it.
pub(crate) const UPDATE: &str = include_str!("update.sh");
/// Prints what the lists say of a source package, for [`source_package::parse`].
pub(crate) const SHOW_SOURCE: &str = include_str!("show_source.sh");
/// Downloads the tarball of a source package into the folder of the state.
pub(crate) const DOWNLOAD: &str = include_str!("download.sh");

/// The configuration of an apt state of our own. The system's stays in force (its proxies, its trusted keys), except
/// for where state is kept and for hooks, which tidy up the system's own state.
pub(crate) fn apt_conf(folder: &str) -> String {
    include_str!("apt.conf").replace("@FOLDER@", folder)
}

/// The files that [`LIST_ARCHIVES`] printed: name and text of each.
pub(crate) fn archives(lines: &[String]) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("== "), files.last_mut()) {
            (Some(name), _) => files.push((name.to_owned(), String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_split_where_a_name_stands() {
        let lines = ["noise", "== /a.list", "deb x", "", "== /b.sources", "== /c.list", "deb y"];
        let lines = lines.map(str::to_owned);
        let expected = [("/a.list", "deb x\n\n"), ("/b.sources", ""), ("/c.list", "deb y\n")];
        let found = archives(&lines);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_folder_of_the_apt_state_is_ours() {
        let conf = apt_conf("/home/me/.cache/provision/apt/bookworm");
        assert!(!conf.contains('@'), "{conf}");
        let settings: Vec<(&str, &str)> =
            conf.lines().filter_map(|line| line.strip_suffix("\";")?.split_once(" \"")).collect();
        for key in ["Dir::State", "Dir::State::lists", "Dir::Cache", "Dir::Log", "Dir::Etc::sourceparts"] {
            let (_, value) = settings.iter().find(|(name, _)| *name == key).unwrap();
            assert!(value.starts_with("/home/me/.cache/provision/apt/bookworm"), "{key} {value}");
        }
        for key in ["Dir::Etc::sourcelist", "Dir::State::status"] {
            assert!(settings.contains(&(key, "/dev/null")), "{key}");
        }
    }
}
