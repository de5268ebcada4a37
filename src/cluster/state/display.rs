//! How the state of a cluster is said.

use std::fmt;

use super::ClusterState;

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Formed => f.write_str("formed, and nothing is missing"),
            Self::Unformed { no_process_running: true } => f.write_str("no node runs yet"),
            Self::Unformed { no_process_running: false } => {
                f.write_str("the nodes do not know each other yet")
            }
            Self::Partial { missing, .. } => some(f, missing, "things are missing"),
            Self::Degraded { down } => some(f, down, "nodes are down"),
        }
    }
}

/// The one thing there is, or how many there are and the first of them.
fn some(f: &mut fmt::Formatter<'_>, all: &[String], what: &str) -> fmt::Result {
    match all {
        [] => write!(f, "no {what}"),
        [one] => f.write_str(one),
        [first, ..] => write!(f, "{} {what}, the first: {first}", all.len()),
    }
}
