//! I6–I9: what nodes hold of each other.

use super::{Check, Facts};

pub(super) fn i6(facts: &Facts<'_>) -> Check {
    facts.gather("no such flag on any row", |node, view| {
        let flags = ["handshake", "noaddr", "fail", "fail?", "nofailover"];
        let flagged =
            view.rows.iter().filter_map(|row| Some((row, flags.into_iter().find(|flag| row.has(flag))?)));
        flagged.map(|(row, flag)| format!("{node} has {} as {flag}", row.written_address())).collect()
    })
}

pub(super) fn i7(facts: &Facts<'_>) -> Check {
    let count = facts.count();
    facts.gather(format!("{} links", count * count.saturating_sub(1)), |node, view| {
        let cut = view.peers().filter(|row| !row.connected);
        cut.map(|row| format!("{node} has no link to {}", row.written_address())).collect()
    })
}

/// A connected link `to` the peer on both targets is the proof of both directions. An inbound one has a name only after
/// the peer's second packet, so its absence is told and not held against the cluster.
pub(super) fn i8(facts: &Facts<'_>) -> Check {
    if facts.details.values().all(|details| details.links.is_none()) {
        return Check::not_applicable("CLUSTER LINKS came with 7.0");
    }
    let links = |node| facts.details.get(&node).and_then(|details| details.links.as_ref());
    let inbound: usize = facts
        .observed
        .views()
        .map(|(node, view)| {
            let named = |row: &&super::Row| {
                links(node).and_then(|l| l.get(&row.id)).is_some_and(|(_, from)| *from > 0)
            };
            view.peers().filter(named).count()
        })
        .sum();
    let all = facts.count() * facts.count().saturating_sub(1);
    facts.gather(format!("{all} outbound links, {inbound} inbound ones named so far"), |node, view| {
        let missing =
            |row: &&super::Row| links(node).and_then(|l| l.get(&row.id)).is_none_or(|(to, _)| *to == 0);
        view.peers()
            .filter(missing)
            .map(|row| format!("{node} has no link to {}", row.written_address()))
            .collect()
    })
}

/// The engine pings who was silent for half the node timeout, and suspects who stays silent for all of it.
pub(super) fn i9(facts: &Facts<'_>) -> Check {
    facts.gather("no ping waits, no pong is older than the node timeout", |node, view| {
        let now = view.now_ms;
        let late = view.peers().filter(|row| {
            let waits = row.ping_sent != 0 && now.saturating_sub(row.ping_sent) > 1_000;
            waits || (row.pong_received != 0 && now.saturating_sub(row.pong_received) > view.node_timeout_ms)
        });
        late.map(|row| format!("{node} waits for an answer of {}", row.written_address())).collect()
    })
}
