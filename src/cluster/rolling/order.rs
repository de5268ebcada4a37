//! The order of a rolling restart.

use crate::cluster::observe::{Observed, State};
use crate::inventory::NodeRef;

/// The order in which nodes are restarted: those that do not answer, then replicas, then masters.
pub fn order(observed: &Observed) -> Vec<NodeRef> {
    let rank = |state: &State| match state {
        State::Up(view) if view.is_replica() => 1,
        State::Up(_) => 2,
        State::Down(_) | State::AuthRejected(_) | State::Loading(_) => 0,
    };
    let mut nodes: Vec<_> = observed.nodes.iter().map(|(node, state)| (rank(state), *node)).collect();
    nodes.sort_by_key(|(rank, _)| *rank);
    nodes.into_iter().map(|(_, node)| node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::{SIX, at, cluster};

    #[test]
    fn replicas_come_before_masters_in_the_order_of_the_inventory() {
        let expected = ["7004", "7005", "7006", "7001", "7002", "7003"].map(at);
        assert_eq!(order(&cluster(SIX)), expected);
    }

    #[test]
    fn nodes_that_do_not_answer_come_first() {
        let observed =
            cluster("7001 master 0-16383\n7002 replica 7001\n7003 loading 7\n7004 down x\n7005 rejected y");
        assert_eq!(order(&observed), ["7003", "7004", "7005", "7002", "7001"].map(at));
    }

    #[test]
    fn a_master_without_slots_comes_with_the_masters() {
        assert_eq!(order(&cluster("7001 master\n7002 replica 7001")), ["7002", "7001"].map(at));
    }
}
