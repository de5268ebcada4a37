//! Where labs are kept, and how one is named.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, choose_base_strategy};

use super::{Error, Result, state::State};

/// The inventory of a lab, in its folder.
pub(super) const INVENTORY: &str = "inventory.toml";

/// The longest name: it becomes the name of the cluster, which may be as long.
const LONGEST_NAME: usize = 32;

/// Where labs are kept unless another folder is named: `$XDG_DATA_HOME/provision/labs`.
pub fn default_folder() -> Result<PathBuf> {
    let strategy = choose_base_strategy().map_err(|_| Error::NoDataDir)?;
    Ok(strategy.data_dir().join("provision/labs"))
}

/// Refuses what cannot name a folder and the cluster of the inventory.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = name.len() <= LONGEST_NAME && name.chars().all(plain);
    if fits && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(Error::BadName { name: name.escape_debug().to_string() })
}

/// The inventory of a lab in the default folder.
pub fn inventory_of(name: &str) -> Result<PathBuf> {
    check_name(name)?;
    inventory_in(&default_folder()?.join(name))
}

fn inventory_in(folder: &Path) -> Result<PathBuf> {
    match State::load(folder)? {
        Some(_) => Ok(folder.join(INVENTORY)),
        None => Err(Error::NoLab { folder: folder.to_owned() }),
    }
}

/// How a user names the inventory of a lab: `lab:NAME` in the default folder, else by its path.
pub(super) fn reference(folder: &Path, name: &str) -> String {
    match default_folder() {
        Ok(labs) if folder == labs.join(name) => format!("lab:{name}"),
        _ => folder.join(INVENTORY).display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labs() {
        for name in ["lab", "a", "six-hosts-2", &"a".repeat(32)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "2nd", "A", "a_b", "a/b", "..", "a b", "ä", &"a".repeat(33)] {
            assert!(matches!(check_name(name), Err(Error::BadName { .. })), "{name}");
        }
    }

    #[test]
    fn a_bad_name_cannot_reach_the_terminal() {
        let error = check_name("a\u{1b}[2J").unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_lab_of_the_default_folder_has_a_short_name() {
        let folder = default_folder().unwrap().join("demo");
        assert_eq!(reference(&folder, "demo"), "lab:demo");
        assert_eq!(reference(Path::new("/srv/labs/demo"), "demo"), "/srv/labs/demo/inventory.toml");
    }

    #[test]
    fn a_folder_without_a_lab_has_no_inventory() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(inventory_in(folder.path()), Err(Error::NoLab { .. })));
        let state =
            State::new("demo", folder.path(), "10.77.0.0/24".parse().unwrap(), "/image".into(), Vec::new());
        state.save(folder.path()).unwrap();
        assert_eq!(inventory_in(folder.path()).unwrap(), folder.path().join("inventory.toml"));
    }
}
