//! The files that belong to an inventory: their names follow from its own.

use std::path::{Path, PathBuf};

/// The file a lab keeps beside the inventory it writes.
pub const LAB_STATE: &str = "state.json";

/// Where the files of one inventory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectFiles<'a> {
    inventory: &'a Path,
}

impl<'a> ProjectFiles<'a> {
    /// Of this inventory file.
    pub fn of(inventory: &'a Path) -> Self {
        Self { inventory }
    }

    /// `<inventory>.lock`: the digests of sources that were unknown when they were first used.
    pub fn lock(self) -> PathBuf {
        let mut name = self.inventory.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// The host keys that are pinned, in the format of `known_hosts`.
    pub fn known_hosts(self) -> PathBuf {
        self.inventory.with_extension("known_hosts")
    }

    /// The generated password of the cluster.
    pub fn auth(self) -> PathBuf {
        self.inventory.with_extension("auth")
    }

    /// What a lab keeps of itself, where a lab wrote the inventory.
    pub fn lab_state(self) -> PathBuf {
        self.inventory.with_file_name(LAB_STATE)
    }

    /// A path that is written in the inventory, which starts from the inventory's folder.
    pub fn relative(self, path: &str) -> PathBuf {
        self.inventory.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }

    /// The folder the user's own `playbooks/` and `templates/` are looked for in.
    pub fn folder(self) -> PathBuf {
        self.inventory.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
    }

    /// Where a file of `playbooks/` or `templates/` may be, in the order it is looked for: beside the
    /// inventory, and beside the inventory's folder where that is called `inventory`. Any other folder above
    /// it is not part of a project: `/tmp`, for one, is writable by all users.
    pub fn candidates(self, path: &Path) -> Vec<PathBuf> {
        let folder = self.folder();
        let above = folder.parent().filter(|_| folder.file_name().is_some_and(|name| name == "inventory"));
        [Some(folder.as_path()), above].into_iter().flatten().map(|folder| folder.join(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(inventory: &str) -> ProjectFiles<'_> {
        ProjectFiles::of(Path::new(inventory))
    }

    #[test]
    fn files_are_named_after_the_inventory_and_are_beside_it() {
        let files = files("/p/six-vms.toml");
        assert_eq!(files.lock(), Path::new("/p/six-vms.toml.lock"));
        assert_eq!(files.known_hosts(), Path::new("/p/six-vms.known_hosts"));
        assert_eq!(files.auth(), Path::new("/p/six-vms.auth"));
        assert_eq!(files.lab_state(), Path::new("/p/state.json"));
        assert_eq!(files.folder(), Path::new("/p"));
    }

    #[test]
    fn a_written_path_starts_from_the_folder_unless_it_is_absolute() {
        assert_eq!(files("/p/x.toml").relative("a/b"), Path::new("/p/a/b"));
        assert_eq!(files("/p/x.toml").relative("/a"), Path::new("/a"));
        assert_eq!(files("x.toml").relative("a"), Path::new("a"));
    }

    #[test]
    fn a_project_reaches_one_folder_up_only_from_a_folder_called_inventory() {
        let path = Path::new("templates/redis.conf");
        assert_eq!(files("/p/x.toml").candidates(path), [Path::new("/p/templates/redis.conf")]);
        assert_eq!(
            files("/p/inventory/x.toml").candidates(path),
            [Path::new("/p/inventory/templates/redis.conf"), Path::new("/p/templates/redis.conf")]
        );
        assert_eq!(files("/p/inventory/old/x.toml").candidates(path).len(), 1);
    }
}
