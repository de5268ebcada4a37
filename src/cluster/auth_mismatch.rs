//! Nodes that run with another password than ours. Nothing can be asked of them, so nothing may be done about them:
//! taken for dead, they would be restarted without a hand-over, and what only their memory has would be gone.

use std::{net::SocketAddr, path::Path};

use super::observe::{Observed, State};
use crate::{
    inventory::{Fleet, Node},
    secret::SecretSource,
};

/// A node that does not let provision in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{node} runs {theirs} ({reason})")]
#[diagnostic(help(
    "{mend}. Changing the password of a running cluster is not supported: `destroy` it first, or change it on every \
     node by hand. Nothing was changed"
))]
pub struct AuthMismatch {
    pub node: SocketAddr,
    theirs: String,
    reason: String,
    mend: String,
}

/// The first node that runs and lets nobody in who has the inventory's password. `copy` gives the file on a node's host
/// that has the password it runs with; `None` where no process of ours runs.
pub fn auth_mismatch(
    fleet: &Fleet,
    observed: &Observed,
    copy: impl Fn(&Node) -> Option<String>,
) -> Option<AuthMismatch> {
    fleet.nodes().find_map(|node| {
        let Some(State::AuthRejected(reason)) = observed.get(node.address) else { return None };
        let copy = copy(node)?;
        let (theirs, mend) = difference(fleet.auth.as_ref(), reason, &node.host, &copy);
        Some(AuthMismatch { node: node.address, theirs, reason: reason.clone(), mend })
    })
}

/// In what node and inventory differ, and the way back.
fn difference(auth: Option<&SecretSource>, reason: &str, host: &str, copy: &str) -> (String, String) {
    let theirs = format!("the copy of host {host} is in {copy}");
    let Some(auth) = auth else {
        let mend = format!("give the inventory its `auth` back ({theirs})");
        return ("with a password, and the inventory has none".to_owned(), mend);
    };
    let ours = origin(auth);
    if auth.is_missing() {
        let mend = format!("restore {ours} with that password in its first line ({theirs})");
        return (format!("with a password, and {ours} is missing"), mend);
    }
    // Redis 5 says `no password is set`, later ones `called without any password configured`.
    if ["no password is set", "without any password"].iter().any(|words| reason.contains(words)) {
        let what = format!("without a password, and the inventory wants that of {ours}");
        return (what, "remove `auth` from the inventory".to_owned());
    }
    (format!("with another password than that of {ours}"), format!("restore that password ({theirs})"))
}

fn origin(auth: &SecretSource) -> String {
    let file = |path: &Path| format!("the file {}", path.display());
    match auth {
        SecretSource::Env(name) => format!("the environment variable {name}"),
        SecretSource::File(path) | SecretSource::Generate(path) => file(path),
    }
}
