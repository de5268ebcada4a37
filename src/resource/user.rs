//! A system account.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Observed, Questions, Script, quote};

/// A system account with a group of its name and no login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    /// Its home folder, which is not created.
    pub home: Option<String>,
}

impl Kind for User {
    fn title(&self) -> String {
        format!("user {}", self.name)
    }

    fn ask(&self, questions: &mut Questions) {
        questions.user(&self.name);
    }

    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        (!seen.users.contains(&self.name)).then(|| Difference::new(Action::Create, "it does not exist"))
    }

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        let name = quote(&self.name);
        let home = quote(self.home.as_deref().unwrap_or("/nonexistent"));
        script.remember(&Entry::CreatedUser { name: self.name.clone() });
        // The note outlives this cluster's ledger: the account goes with the last cluster of the host.
        script.push(&format!("mkdir -p \"${{state%/*}}/.users\"; : >\"${{state%/*}}/.users/\"{name}"));
        script.push(&format!(
            "gid=$(id -g {name} 2>/dev/null || :)\n\
             getent group {name} >/dev/null || groupadd --system ${{gid:+-g \"$gid\"}} {name}\n\
             [ -n \"$gid\" ] || \
             useradd --system -g {name} --no-create-home --home-dir {home} --shell /usr/sbin/nologin {name}"
        ));
        Ok(())
    }
}

/// Leaves the account to [`LAST`]: another cluster of ours on this host may live under it.
pub(super) fn undo(_: &str) -> String {
    ":".to_owned()
}

/// The end of every undoing: accounts we created go with the last cluster of the host, each only if nothing else refers to it.
pub(super) const LAST: &str = include_str!("user.sh");
