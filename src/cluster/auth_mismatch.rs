//! Nodes that run with another password than the inventory's. They answer no question, so none may be
//! changed: treated as down, they would be restarted without a hand-over, and keys that only their memory has
//! would be lost.

use std::path::Path;

use super::observe::{Observed, State};
use crate::{
    inventory::{Fleet, Node, NodeRef},
    secret::SecretSource,
    units::HostName,
};

/// A node that refuses the inventory's password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{node} runs {difference} ({reason})")]
#[diagnostic(help(
    "{fix}. Changing the password of a running cluster is not supported: `destroy` it first, or change it on every \
     node by hand. Nothing was changed"
))]
pub struct AuthMismatch {
    pub node: NodeRef,
    difference: String,
    reason: String,
    pub(super) fix: String,
}

/// The first running node that refuses the inventory's password. `copy` gives the file on a node's host that
/// has the password it runs with; `None` where no process of the cluster runs.
pub fn auth_mismatch(
    fleet: &Fleet,
    observed: &Observed,
    copy: impl Fn(&Node) -> Option<String>,
) -> Option<AuthMismatch> {
    fleet.nodes().find_map(|node| {
        let Some(State::AuthRejected(reason)) = observed.get(node.key) else { return None };
        let copy = copy(node)?;
        let (difference, fix) = difference(fleet.auth.as_ref(), reason, node.host(), &copy);
        Some(AuthMismatch { node: node.key, difference, reason: reason.clone(), fix })
    })
}

/// In what node and inventory differ, and how to fix it.
fn difference(auth: Option<&SecretSource>, reason: &str, host: &HostName, copy: &str) -> (String, String) {
    let copy = format!("the copy of host {host} is in {copy}");
    let Some(auth) = auth else {
        let fix = format!("put `auth` back into the inventory ({copy})");
        return ("with a password, and the inventory has none".to_owned(), fix);
    };
    let ours = origin(auth);
    if auth.is_missing() {
        let fix = format!("restore {ours} with that password in its first line ({copy})");
        return (format!("with a password, and {ours} is missing"), fix);
    }
    // Redis 5 says `no password is set`, later ones `called without any password configured`.
    if ["no password is set", "without any password"].iter().any(|words| reason.contains(words)) {
        let what = format!("without a password, and the inventory requires that of {ours}");
        return (what, "remove `auth` from the inventory".to_owned());
    }
    (format!("with another password than that of {ours}"), format!("restore that password ({copy})"))
}

fn origin(auth: &SecretSource) -> String {
    let file = |path: &Path| format!("the file {}", path.display());
    match auth {
        SecretSource::Env(name) => format!("the environment variable {name}"),
        SecretSource::File(path) | SecretSource::Generate(path) => file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{at, cluster, six};

    /// What is wrong with 7001, which answers this, where the inventory has this password.
    fn found(auth: Option<SecretSource>, answer: &str) -> Option<AuthMismatch> {
        let mut fleet = six();
        fleet.auth = auth;
        let observed = cluster(&format!("7001 rejected {answer}\n7002 master"));
        auth_mismatch(&fleet, &observed, |node| Some(format!("/etc/{}/password.conf", node.name())))
    }

    #[test]
    fn a_node_that_answers_or_is_down_has_no_mismatch() {
        let observed = cluster("7001 master\n7002 down connection refused\n7003 loading 1");
        assert_eq!(auth_mismatch(&six(), &observed, |_| Some(String::new())), None);
    }

    #[test]
    fn a_process_that_is_not_of_this_cluster_is_left_to_the_plan() {
        let observed = cluster("7001 rejected NOAUTH Authentication required.");
        assert_eq!(auth_mismatch(&six(), &observed, |_| None), None);
    }

    #[test]
    fn an_inventory_without_auth_learns_where_the_password_is() {
        let mismatch = found(None, "NOAUTH Authentication required.").unwrap();
        assert_eq!(mismatch.node, at("7001"));
        let text = "10.0.0.1:7001 runs with a password, and the inventory has none (NOAUTH Authentication required.)";
        assert_eq!(mismatch.to_string(), text);
        assert!(
            mismatch.fix.ends_with("(the copy of host h0 is in /etc/7001/password.conf)"),
            "{}",
            mismatch.fix
        );
    }

    #[test]
    fn a_lost_password_file_is_to_be_restored() {
        let mismatch = found(Some(SecretSource::Generate("/nowhere/test.auth".into())), "NOAUTH x").unwrap();
        assert!(mismatch.to_string().contains("and the file /nowhere/test.auth is missing"), "{mismatch}");
        assert!(
            mismatch.fix.starts_with("restore the file /nowhere/test.auth with that password"),
            "{}",
            mismatch.fix
        );
    }

    #[test]
    fn a_node_without_a_password_is_recognised_in_all_versions() {
        let env = || Some(SecretSource::Env("HOME".to_owned()));
        for answer in [
            "ERR Client sent AUTH, but no password is set",
            "ERR AUTH <password> called without any password configured for the default user.",
        ] {
            let mismatch = found(env(), answer).unwrap();
            assert!(mismatch.to_string().contains("runs without a password"), "{mismatch}");
            assert_eq!(mismatch.fix, "remove `auth` from the inventory");
        }
        let mismatch = found(env(), "WRONGPASS invalid username-password pair").unwrap();
        let text = "runs with another password than that of the environment variable HOME";
        assert!(mismatch.to_string().contains(text), "{mismatch}");
    }
}
