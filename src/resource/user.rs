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
        script.push(&format!(
            "id -u {name} >/dev/null 2>&1 || \
             useradd --system --user-group --no-create-home --home-dir {home} --shell /usr/sbin/nologin {name}"
        ));
        Ok(())
    }
}

/// Removes the account, unless another cluster of ours on this host still lives under it.
pub(super) fn undo(name: &str) -> String {
    let name = quote(name);
    format!(
        r#"others=$(ls "${{state%/*}}" | grep -v -x -F -- "${{state##*/}}" || :)
if [ -n "$others" ]; then echo "user {name} is kept: another cluster of this host uses it"
elif id -u {name} >/dev/null 2>&1; then userdel {name} 2>&1 || echo "user {name} is kept: it is still in use"; fi"#
    )
}
