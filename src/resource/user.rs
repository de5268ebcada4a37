//! A system account.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Action, Answers, Difference, Entry, ProbeScript, ResourceKind, Script, probe_script::words, quote,
};
use crate::host::Facts;

/// A system account with a group of its name and no login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    /// Its home folder, which is not created.
    pub home: Option<String>,
}

const CREATE: &str = include_str!("create_user.sh");

/// The end of every undoing: an account we created goes with the last cluster of the host, if nothing else
/// refers to it.
pub(super) const REMOVE: &str = include_str!("remove_users.sh");

/// Not `id -u`: an account whose creation was interrupted has no group.
fn question(names: &BTreeSet<String>, _: &Facts) -> String {
    let names = words(names);
    format!("for user in {names}; do id -gn \"$user\" >/dev/null && echo \"=user $user\"; done\n")
}

impl ResourceKind for User {
    /// Whether it exists.
    type Answer = bool;

    fn title(&self) -> String {
        format!("user {}", self.name)
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.group("user", question, &self.name);
    }

    fn read(&self, answers: &Answers) -> bool {
        answers.has("user", &self.name)
    }

    fn compare(&self, exists: &bool, _: &BTreeSet<String>) -> Option<Difference> {
        (!exists).then(|| Difference::new(Action::Create, "it does not exist"))
    }

    fn change(&self, _: &Difference, script: &mut Script) {
        let home = self.home.as_deref().unwrap_or("/nonexistent");
        script.record(&Entry::CreatedUser { name: self.name.clone() });
        script.needs(CREATE);
        script.push(&format!("create_user {} {}", quote(&self.name), quote(home)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{answers::tests::answers, testing::facts};

    fn user(name: &str) -> User {
        User { name: name.into(), home: None }
    }

    #[test]
    fn all_accounts_are_one_question() {
        let mut probe = ProbeScript::default();
        user("a").ask(&mut probe);
        user("b").ask(&mut probe);
        let script = probe.script(&facts());
        assert!(script.contains("for user in a b; do "), "{script}");
    }

    #[test]
    fn an_account_exists_or_is_created() {
        let said = answers(&["=user provision-redis"]);
        let compare = |user: &User| user.compare(&user.read(&said), &BTreeSet::new());
        assert_eq!(compare(&user("provision-redis")), None);
        assert_eq!(compare(&user("redis")).unwrap().action, Action::Create);
    }
}
