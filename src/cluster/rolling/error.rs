//! Why a node cannot be restarted, or has not come back.

use std::time::Duration;

use crate::{
    cluster::open_slot::OpenSlot,
    inventory::NodeRef,
    redis::{self, SlotRange, show_slots},
    units::NodeId,
};

/// Why a node cannot be restarted, or has not come back.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Redis(#[from] redis::Error),
    #[error("{master} did not hand its slots over to {replica} within {}s: {why}", after.as_secs())]
    #[diagnostic(help(
        "see that {replica} has replicated everything and that most masters answer, then run the same command again"
    ))]
    NotHandedOver { master: NodeRef, replica: NodeRef, why: String, after: Duration },
    #[error("{node} runs and did not answer within {}s: {why}", after.as_secs())]
    #[diagnostic(help(
        "it was not restarted: its keys are unknown. See in its log why it hangs; where its keys may be lost, end its \
         process by hand. Then run the same command again"
    ))]
    NotResponding { node: NodeRef, why: String, after: Duration },
    #[error(
        "{node} holds {keys} keys that no other node has: no replica of it is online, and it would start without them"
    )]
    #[diagnostic(help(
        "a restart would lose them, so it was not restarted. See in the logs of its replicas why they are not online, or \
         have it write them to disk (`{fix}`), then run the same command again"
    ))]
    OnlyCopy { node: NodeRef, keys: u64, fix: &'static str },
    #[error("{node} holds {keys} keys that no other node has, and could not write them to disk: {what}")]
    #[diagnostic(help(
        "a restart would lose them, so it was not restarted. See in its log why, free space or memory, let it write again \
         (BGREWRITEAOF or BGSAVE), then run the same command again"
    ))]
    UnsafeFiles { node: NodeRef, keys: u64, what: String },
    #[error("{node} has no replica that is online, and none became online within {}s", after.as_secs())]
    #[diagnostic(help(
        "it was not restarted, which would interrupt its slots. See in the logs of its replicas why they are not online, \
         then run the same command again"
    ))]
    NoFailoverCandidate { node: NodeRef, after: Duration },
    #[error("{node} has no replica that is online, while hosts of the cluster cannot be reached")]
    #[diagnostic(help(
        "it was not restarted, which would interrupt its slots. Run the same command again once these hosts are back"
    ))]
    CandidateUnreachable { node: NodeRef },
    #[error("no other node took over slots {} of {id} within {}s: {why}", show_slots(slots), after.as_secs())]
    #[diagnostic(help(
        "the node that owned them was not started: it has not their keys, and its replicas would drop theirs. Start the other \
         masters first, so that most of them can vote; where they are gone for good, `CLUSTER FAILOVER TAKEOVER` on a replica \
         makes it the owner without a vote. Then run the same command again"
    ))]
    NoLeader { id: NodeId, slots: Vec<SlotRange>, why: String, after: Duration },
    #[error("{open}: no node is restarted while a slot moves")]
    #[diagnostic(help(
        "its keys are on two nodes, and a hand-over would leave some unreachable. Finish or undo the move, as by `redis-cli \
         --cluster fix`, then run the same command again"
    ))]
    SlotMoving { open: OpenSlot },
    #[error("after {node} was restarted, {what}")]
    #[diagnostic(help(
        "no further node was restarted. See in the logs what happened there, then run the same command again: it continues \
         here"
    ))]
    NewTrouble { node: NodeRef, what: String },
    #[error("{node} has not settled within {}s: {missing}", after.as_secs())]
    #[diagnostic(help(
        "see in the node's log what it is doing, then run the same command again: it continues here"
    ))]
    NotSettled { node: NodeRef, missing: String, after: Duration },
}
