//! Looking at every node: one pipelined round trip each, all at the same time.

mod exchange;
mod observed;
mod view;

use std::net::SocketAddr;

pub use observed::{Observed, State};
pub use view::View;

use crate::redis::{Error, NodeReader};

/// Looks at every node. Never fails: a node that cannot be asked is [`State::Down`]. One that does not accept
/// the connection in time is asked once more: its machine may have been busy with something else.
pub async fn observe(reader: &NodeReader<'_>) -> Observed {
    let queries = exchange::queries();
    let ask = |nodes: Vec<SocketAddr>| {
        reader.read_each(nodes.into_iter().map(|node| (node, queries.clone())).collect())
    };
    let mut answers = ask(reader.nodes().map(|node| node.address).collect()).await;
    let is_late = |replies: &Result<_, Error>| replies.as_ref().is_err_and(Error::is_connect_timeout);
    let late = answers.iter().filter(|(_, replies)| is_late(replies)).map(|(node, _)| *node);
    for (node, replies) in ask(late.collect()).await {
        if let Some(answer) = answers.iter_mut().find(|(address, _)| *address == node) {
            answer.1 = replies;
        }
    }
    let states = answers.into_iter().map(|(node, replies)| (node, exchange::state(node, replies)));
    Observed { nodes: states.collect() }
}
