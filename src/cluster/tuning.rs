//! Which nodes have other values of the [`Tunable`] directives than they should have.

use super::{observe::Observed, tunable::Tunable};
use crate::inventory::{Fleet, Node, NodeRef};

/// A node, a directive that has another value there, and the value it should have.
pub(super) type Change = (NodeRef, Tunable, String);

/// What is still to be set before a cluster forms.
pub(super) fn not_tuned(fleet: &Fleet, observed: &Observed) -> Vec<Change> {
    differing(fleet, observed, |_, directive| directive.forming_value().to_owned())
}

/// What formation changed and has yet to be put back, also by a run that did not end.
pub(super) fn not_restored(fleet: &Fleet, observed: &Observed) -> Vec<Change> {
    differing(fleet, observed, |node, directive| directive.resting_value(fleet, node))
}

fn differing(fleet: &Fleet, observed: &Observed, value: impl Fn(&Node, Tunable) -> String) -> Vec<Change> {
    let mut changes = Vec::new();
    for node in fleet.nodes() {
        let Some(view) = observed.view(node.key) else { continue };
        for directive in Tunable::ALL {
            let value = value(node, directive);
            if view.tuning.get(directive).is_some_and(|current| *current != value) {
                changes.push((node.key, directive, value));
            }
        }
    }
    changes
}
