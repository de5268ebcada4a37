//! Work that several changes ask for and that runs once.

use super::quote;

/// What must run after a change, once for all changes that name it.
///
/// The handlers of a script run before a fragment that starts something, because what starts must be started
/// as its files say, and at the end of the script. They also run when the script fails, because a later run
/// finds the files as they should be and would not name them again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Handler {
    /// systemd reads its unit files again.
    DaemonReload,
    /// A path gets the label that the policy of `SELinux` gives it.
    Restorecon(String),
}

/// The folders systemd reads units from.
const UNIT_FOLDERS: [&str; 4] =
    ["/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"];

impl Handler {
    /// What a new, changed or removed file needs.
    pub fn of_file(path: &str) -> impl Iterator<Item = Self> {
        let is_unit = UNIT_FOLDERS.iter().any(|folder| path.starts_with(folder));
        [Self::Restorecon(path.to_owned())].into_iter().chain(is_unit.then_some(Self::DaemonReload))
    }

    /// The shell line that makes it due.
    pub(super) fn line(&self) -> String {
        match self {
            Self::DaemonReload => "reload_due=1".to_owned(),
            Self::Restorecon(path) => format!("relabel {}", quote(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_labelled_and_a_unit_is_read_again() {
        let handlers: Vec<Handler> = Handler::of_file("/etc/motd").collect();
        assert_eq!(handlers, [Handler::Restorecon("/etc/motd".into())]);
        let drop_in = "/etc/systemd/system/a.service.d/b.conf";
        let handlers: Vec<Handler> = Handler::of_file(drop_in).collect();
        assert_eq!(handlers, [Handler::Restorecon(drop_in.into()), Handler::DaemonReload]);
    }

    #[test]
    fn a_handler_is_one_line() {
        assert_eq!(Handler::DaemonReload.line(), "reload_due=1");
        assert_eq!(Handler::Restorecon("/a b".into()).line(), "relabel '/a b'");
    }
}
