//! `provision logs`: the ends of the logs of all nodes, each line after the names of its host and node.

use super::{
    args::Logs,
    exec::{run_on_all, selected},
    exit::{Exit, Failure},
    session::open,
    unreachable::reporting_unreachable,
};
use crate::{
    host::{minify, quote},
    inventory::Host,
    resource::Layout,
};

pub(super) async fn run(args: Logs) -> Result<Exit, Failure> {
    let fleet = selected(&args.inventory, &args.limit)?;
    reporting_unreachable(async |unreachable| {
        let mut sessions = open(&fleet, args.inventory.trust, unreachable).await?;
        let connected = fleet.hosts.iter().filter_map(|host| {
            let session = sessions.remove(&host.name)?;
            let script = script(host, &session.layout, args.lines, args.follow);
            Some((host.name.clone(), (session.host, script)))
        });
        let exit = run_on_all(connected.collect(), args.json).await;
        Ok(unreachable.exit(exit, None))
    })
    .await
}

/// Shows the logs of a host's nodes, one after the other, or all at once where they are followed.
fn script(host: &Host, layout: &Layout, lines: u32, follow: bool) -> String {
    let mut script = minify(include_str!("logs.sh"));
    let (options, end) = if follow { (" -F", " &") } else { ("", "") };
    for node in &host.nodes {
        let (log, name) = (quote(&layout.node(node).log), quote(&node.name));
        script.push_str(&format!("\nshow_log {log} {name} -n {lines}{options}{end}"));
    }
    script.push_str(if follow { "\nfollow_until_closed\n" } else { "\n" });
    script
}
