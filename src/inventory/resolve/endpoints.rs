//! Where clients are sent: a cluster that sends them to names needs a name for every host.

use std::{collections::BTreeSet, ops::Range};

use super::{cluster, host::Found, resolver::Resolver};
use crate::inventory::{
    fleet::Directives,
    problem::Problem,
    raw::{Config, Inventory},
};

const TYPE: &str = "cluster-preferred-endpoint-type";
const NAME: &str = "cluster-announce-hostname";

/// Refuses `hostname` for a host without a name: the engine sends clients of its nodes to `?`.
pub(super) fn check(
    written: &Inventory,
    cluster: &cluster::Resolved,
    hosts: &[Found<'_>],
    resolver: &mut Resolver<'_>,
) {
    let mut reported = BTreeSet::new();
    let of_cluster = written.cluster.as_ref().and_then(|table| span_of(table.config.as_ref()));
    for found in hosts {
        let Some(own) = found.host.nodes.first().map(|node| &node.config) else { continue };
        let by_name = setting(TYPE, own, &cluster.config).eq_ignore_ascii_case("hostname");
        if !by_name || !setting(NAME, own, &cluster.config).is_empty() {
            continue;
        }
        let at = span_of(found.written.config.as_ref()).or_else(|| of_cluster.clone()).unwrap_or(0..0);
        if reported.insert(at.start) {
            let what = format!("clients would be sent to `?`: host {} has no name", found.host.name);
            let help =
                format!("give each host its own: config = {{ {NAME} = \"n1.example\" }} in its [[hosts]]");
            resolver.report(Problem::new(what).at(&at, format!("needs `{NAME}`")).help(help));
        }
    }
}

/// The value of a directive for a host, without quotes; empty where there is none.
fn setting<'d>(name: &str, own: &'d Directives, fleet: &'d Directives) -> &'d str {
    let lines = own.get(name).or_else(|| fleet.get(name));
    lines.and_then(|lines| lines.last()).map_or("", |line| line.trim_matches(['"', '\'']))
}

/// Where the kind of endpoint is written.
fn span_of(config: Option<&Config>) -> Option<Range<usize>> {
    let (_, value) = config?.0.iter().find(|(name, _)| name.value == TYPE)?;
    Some(value.span.clone())
}
