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
        let (log, name) = (quote(&layout.node(node).log), quote(node.name()));
        script.push_str(&format!("\nshow_log {log} {name} -n {lines}{options}{end}"));
    }
    script.push_str(if follow { "\nfollow_until_closed\n" } else { "\n" });
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{facts, fleet};

    fn script_of(lines: u32, follow: bool) -> String {
        let fleet = fleet(&["a"]);
        script(&fleet.hosts[0], &Layout::new(&fleet, &facts()), lines, follow)
    }

    /// Its last lines, without the functions.
    fn calls(script: &str) -> Vec<&str> {
        script
            .lines()
            .filter(|line| line.starts_with("show_log ") || *line == "follow_until_closed")
            .collect()
    }

    #[test]
    fn each_node_has_a_line_and_logs_come_one_after_the_other() {
        let script = script_of(7, false);
        let calls = calls(&script);
        assert_eq!(calls.len(), 3, "{script}");
        assert_eq!(calls[1], "show_log /var/log/provision/orders/7002/redis.log 7002 -n 7");
    }

    #[test]
    fn followed_logs_run_beside_each_other_until_the_connection_is_closed() {
        let script = script_of(0, true);
        let (last, nodes) = calls(&script).split_last().map(|(last, nodes)| (*last, nodes.to_vec())).unwrap();
        assert_eq!(last, "follow_until_closed");
        assert!(nodes.iter().all(|line| line.ends_with(" -n 0 -F &")), "{nodes:?}");
    }

    #[test]
    fn a_line_of_a_log_comes_after_the_name_of_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("redis log");
        std::io::Write::write_all(&mut std::fs::File::create(&log).unwrap(), b"one\n  two \\n\n").unwrap();
        let call = format!("show_log {} 7001 -n 1", quote(&log.display().to_string()));
        let script = format!("{}\n{call}", minify(include_str!("logs.sh")));
        #[expect(clippy::disallowed_methods, reason = "a real shell is the oracle")]
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "7001:   two \\n\n");
    }
}
