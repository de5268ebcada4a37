//! I6–I9: flags, links and pings between nodes.

use super::facts::Facts;
use crate::cluster::verify::check::Check;

pub(super) fn flags(facts: &Facts<'_>) -> Check {
    facts.each("no such flag on any row", |node, view| {
        let own = view.rows.iter().filter(|row| row.is_myself() || row.is_handshake());
        let rows = own.chain(facts.live_peers(view));
        let flagged = rows.filter_map(|row| {
            let chosen = facts
                .observed
                .with_id(&row.id)
                .is_some_and(|node| facts.is_set(node, "cluster-replica-no-failover", "yes"));
            let flags = ["handshake", "noaddr", "fail", "fail?", "nofailover"].into_iter();
            let flag = flags.filter(|flag| !(chosen && *flag == "nofailover")).find(|flag| row.has(flag))?;
            Some(format!("{node} has {} as {flag}", row.written_address()))
        });
        flagged.collect::<Vec<String>>()
    })
}

pub(super) fn connected_links(facts: &Facts<'_>) -> Check {
    let count = facts.count();
    facts.each(format!("{} links", count * count.saturating_sub(1)), |node, view| {
        let cut = facts.live_peers(view).filter(|row| !row.connected);
        cut.map(|row| format!("{node} has no link to {}", row.written_address())).collect::<Vec<String>>()
    })
}

/// After how many node timeouts a link must have had its second packet. A node is not pinged where gossip
/// says that it answered another one within half the timeout: in a cluster of 96 nodes that held back some
/// packets for 17 s at a timeout of 5 s.
const SECOND_PACKET_TIMEOUTS: u64 = 10;

/// A link that one end holds open must have arrived at the other: a firewall or a crash can leave half of
/// one. The receiving end names it from the peer's second packet on.
pub(super) fn links_arrive(facts: &Facts<'_>) -> Check {
    if !facts.details.is_empty() && facts.details.values().all(|details| details.links.is_none()) {
        return Check::not_applicable("CLUSTER LINKS came with 7.0");
    }
    let links = |node| facts.details.get(&node).and_then(|details| details.links.as_ref());
    let mut tally = facts.tally();
    let (mut arrived, mut young) = (0, 0);
    for (node, view) in facts.observed.views() {
        let Some(own) = links(node) else {
            tally.missed(format!("{node} did not list its links"));
            continue;
        };
        let mut faults = Vec::new();
        for row in facts.live_peers(view) {
            let (link, Some(peer)) = (own.with(&row.id), facts.observed.with_id(&row.id)) else {
                continue;
            };
            let Some(theirs) = links(peer).filter(|_| link.outbound > 0) else { continue };
            let age = view.now_ms.saturating_sub(link.opened_ms);
            match theirs.with(&view.id).inbound {
                0 if age > SECOND_PACKET_TIMEOUTS * view.node_timeout_ms => {
                    faults.push(format!("the link of {node} to {peer} has not arrived there for {age} ms"));
                }
                0 => young += 1,
                _ => arrived += 1,
            }
        }
        tally.saw(faults);
    }
    tally.check(format!("{arrived} links named at both ends, {young} too young for that"))
}

/// The engine answers a ping at once; one that waits means a process or a machine that hangs.
pub(super) fn pings_answered(facts: &Facts<'_>) -> Check {
    facts.each("no ping waits for more than 1 s", |node, view| {
        let late = facts
            .live_peers(view)
            .filter(|row| row.ping_sent != 0 && view.now_ms.saturating_sub(row.ping_sent) > 1_000);
        late.map(|row| format!("{node} waits for an answer of {}", row.written_address()))
            .collect::<Vec<String>>()
    })
}
