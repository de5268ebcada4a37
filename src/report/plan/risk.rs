//! What a user must not miss: it stands last, right above the question.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::{
    Detail,
    group::{group, replace_word},
    items,
};
use crate::{
    inventory::{Address, Host},
    plan::{Plan, Work},
    report::names::compressed,
    resource::Action,
};

impl Plan {
    /// What is restarted, removed or left alone, under headings; nothing where there is no such thing.
    pub(super) fn risks(&self) -> String {
        let mut text = String::new();
        let mut section = |heading: &str, lines: String| {
            if !lines.is_empty() {
                let _ = write!(text, "\n{}\n{lines}", heading.yellow().bold());
            }
        };
        section("Restarted, one node after the other", self.restarts());
        section("Not reached", self.out_of_reach());
        section("Keys that are given up", self.losses());
        section("Stopped, and their data deleted", self.stops());
        text
    }

    fn restarts(&self) -> String {
        let hosts = self.stages.iter().flat_map(|stage| match &stage.work {
            Work::Change(hosts) => hosts.as_slice(),
            _ => &[],
        });
        let changes = hosts.flat_map(|host| host.changes.iter().map(|change| (&host.host, change)));
        let restarts = changes.filter(|(_, change)| change.difference.action == Action::Restart);
        self.lines(restarts.map(|(host, change)| items::change(host, change)).collect())
    }

    fn losses(&self) -> String {
        let losses = self.cluster.ops.iter().filter(|op| op.loses_keys());
        losses.map(|op| format!("  {} {op}\n", "!".red())).collect()
    }

    fn stops(&self) -> String {
        let hosts = self.stages.iter().filter_map(|stage| match &stage.work {
            Work::Undo(hosts) => Some(items::stopped(hosts)),
            _ => None,
        });
        self.lines(hosts.flatten().collect())
    }

    fn lines(&self, items: Vec<items::Item>) -> String {
        let mut text = String::new();
        for group in group(items, &self.fleet) {
            group.write(&mut text, Detail::Brief);
        }
        text
    }

    /// Hosts without a connection, with equal reasons in one line, and what that means for the rest.
    fn out_of_reach(&self) -> String {
        let mut reasons: Vec<(String, &str, Vec<&str>)> = Vec::new();
        for host in &self.fleet.hosts {
            let Some(why) = self.unreachable.get(&host.name) else { continue };
            let why = why.strip_prefix(&format!("{}: ", host.name)).unwrap_or(why);
            let key = without_names(why, host);
            match reasons.iter_mut().find(|(other, ..)| *other == key) {
                Some((.., hosts)) => hosts.push(&host.name),
                None => reasons.push((key, why, vec![&host.name])),
            }
        }
        let mut text = String::new();
        for (_, why, hosts) in &reasons {
            let (names, pronoun) = match hosts.len() {
                1 => (compressed(hosts), "it"),
                _ => (compressed(hosts), "they"),
            };
            let first = if hosts.len() > 1 { format!("{}: ", hosts[0]) } else { String::new() };
            let _ = writeln!(
                text,
                "  {} {names}: left as {pronoun} {}, since {pronoun} cannot be reached ({first}{why})",
                "!".red(),
                if hosts.len() > 1 { "are" } else { "is" },
            );
        }
        if !reasons.is_empty() {
            let undoes = self.stages.iter().any(|stage| matches!(stage.work, Work::Undo(_)));
            text.push_str(if undoes {
                "  what is left there is undone by `destroy` when they can be reached again\n"
            } else {
                "  the cluster is neither formed nor proven before all hosts can be reached\n"
            });
        }
        text
    }
}

/// A reason without the host's own name and address.
fn without_names(why: &str, host: &Host) -> String {
    let why = replace_word(why, &host.name, "{host}");
    match &host.address {
        Address::Local => why,
        Address::Remote(address) => replace_word(&why, address, "{address}"),
    }
}
