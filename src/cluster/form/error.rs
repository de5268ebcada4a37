//! Why there is no cluster.

use crate::inventory::NodeRef;
use std::{collections::BTreeMap, time::Duration};

use crate::cluster::safety::SafetyViolation;

/// The most lines an error lists.
const MAX_LINES: usize = 10;

/// Why there is no cluster.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] SafetyViolation),
    #[error("no answer from {} within {}s:{}", names(nodes), after.as_secs(), lines(nodes.values()))]
    #[diagnostic(help(
        "see in the node's log why it does not run, fix that, then run the same command again"
    ))]
    NoAnswer { nodes: BTreeMap<NodeRef, String>, after: Duration },
    #[error("the cluster was not formed within {}s; still missing:{}", after.as_secs(), lines(missing))]
    #[diagnostic(help(
        "pairs that have not met need their client and bus ports open in both directions; a replica without a link says \
         why in its log. Then run the same command again: it continues here"
    ))]
    Unfinished { missing: Vec<String>, after: Duration },
}

fn names(nodes: &BTreeMap<NodeRef, String>) -> String {
    nodes.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first ten, a line each.
fn lines<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let mut all: Vec<String> = texts.into_iter().cloned().collect();
    let more = all.len().saturating_sub(MAX_LINES);
    all.truncate(MAX_LINES);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    format!("\n  {}", all.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_lists_ten_lines_and_counts_the_rest() {
        let missing: Vec<String> = (0..12).map(|n| format!("gap {n}")).collect();
        let text = Error::Unfinished { missing, after: Duration::from_secs(20) }.to_string();
        assert!(
            text.starts_with("the cluster was not formed within 20s; still missing:\n  gap 0\n"),
            "{text}"
        );
        assert!(text.ends_with("gap 9\n  and 2 more"), "{text}");
    }
}
