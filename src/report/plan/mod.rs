//! A plan as text. It carries colours; the stream it is printed on drops them where they are not wanted.

mod counts;
mod group;
mod items;
mod placement;
mod risk;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use owo_colors::OwoColorize;

use self::group::{Group, group};
use super::names::{compressed, shortened};
use crate::{
    artifact::Builder,
    cluster::sentences,
    inventory::Fleet,
    plan::{HostChanges, Plan, Work},
    resource::Action,
    units::HostName,
};

/// The most commands to the cluster that a plan lists in brief.
const MAX_OPS: usize = 10;

/// How much of a plan to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Also each directory, the content of new files, and each shard.
    Full,
    /// Diffs of files that exist already; of what is new, the names and numbers.
    Brief,
}

impl Plan {
    /// The plan as text: the steps, a line of counts, and last what is restarted, removed or at risk. Equal
    /// changes are one line, whatever the number of hosts and nodes.
    pub fn text(&self, detail: Detail) -> String {
        let mut text = String::new();
        let mut step = "";
        for stage in &self.stages {
            let lines = stage.work.lines(self, detail);
            if stage.step != step && !lines.is_empty() {
                let _ = writeln!(text, "{}", stage.step.bold());
                step = &stage.step;
            }
            text.push_str(&lines);
        }
        text.push_str(&self.ops(detail));
        text.push_str(&self.notes());
        let _ = writeln!(text, "\n{}", self.counts());
        text.push_str(&self.risks());
        text
    }

    /// The commands to a cluster that was formed before, but for those of [`Plan::risks`].
    fn ops(&self, detail: Detail) -> String {
        let ops = sentences(self.cluster.ops.iter().filter(|op| !op.loses_keys()));
        let shown = if detail == Detail::Full { ops.len() } else { MAX_OPS };
        let mut text = String::new();
        if !ops.is_empty() {
            let _ = writeln!(text, "{}", "cluster".bold());
        }
        for op in ops.iter().take(shown) {
            let _ = writeln!(text, "  {} {op}", "~".yellow());
        }
        if ops.len() > shown {
            let _ = writeln!(text, "  and {} more, which --diff shows", ops.len() - shown);
        }
        text
    }

    /// What no run can change, a line each; nothing where all is well.
    pub fn notes(&self) -> String {
        let mut text = String::new();
        for (notice, hosts) in &self.notices {
            let named = |name: &&str| hosts.contains(*name);
            let hosts: Vec<&str> =
                self.fleet.hosts.iter().map(|host| host.name.as_str()).filter(named).collect();
            let _ = writeln!(text, "  {} {}: {notice}", "!".yellow(), shortened(&hosts));
        }
        for finding in self.cluster.for_the_user() {
            let _ = writeln!(text, "  {} {finding}", "!".red());
        }
        text
    }
}

impl Work {
    fn builders(&self) -> &[Builder] {
        match self {
            Self::Build(builders) => builders,
            _ => &[],
        }
    }

    /// What the stage does, but for what [`Plan::risks`] shows.
    fn lines(&self, plan: &Plan, detail: Detail) -> String {
        let (fleet, mut text) = (&plan.fleet, String::new());
        match self {
            Self::Change(hosts) => changes(&mut text, hosts, fleet, detail),
            Self::Build(builders) => {
                for builder in builders {
                    let _ = writeln!(text, "  {} compile on {}: {}", "+".green(), builder.host, builder.why);
                }
            }
            Self::Form { why, whole: true, .. } => {
                let _ = writeln!(text, "  {} {why}", "~".yellow());
            }
            Self::Form { why, .. } if plan.cluster.is_of_members() => {
                let _ = writeln!(text, "  {} repair the cluster: {why}", "~".yellow());
            }
            Self::Form { topology, why, .. } => {
                let _ = writeln!(text, "  {} form the cluster: {why}", "~".yellow());
                for line in placement::table(topology, fleet, detail) {
                    let _ = writeln!(text, "      {line}");
                }
            }
            Self::Verify => {
                let _ = writeln!(text, "  {} prove that it replicates", "✓".green());
            }
            Self::Undo(hosts) => {
                for group in group(items::undone(hosts), fleet) {
                    group.write(&mut text, Detail::Brief);
                }
            }
        }
        text
    }
}

/// New directories are many and tell little: in brief they are a number.
fn changes(text: &mut String, hosts: &[HostChanges], fleet: &Fleet, detail: Detail) {
    let (mut items, mut counts) = (Vec::new(), Vec::new());
    for host in hosts {
        let (folders, others): (Vec<_>, Vec<_>) = host
            .changes
            .iter()
            .partition(|change| detail == Detail::Brief && items::is_new_directory(change));
        counts.extend(items::directories(&host.host, folders.len()));
        let restart = |item: &items::Item| item.action == Some(Action::Restart);
        items.extend(
            others.into_iter().map(|change| items::change(&host.host, change)).filter(|i| !restart(i)),
        );
    }
    for group in group(counts, fleet).into_iter().chain(group(items, fleet)) {
        group.write(text, detail);
    }
}

impl Group {
    /// `  + n1…n6: file /etc/motd (it does not exist)`, and the diff below it.
    fn write(&self, text: &mut String, detail: Detail) {
        let sign = match self.first.action {
            Some(Action::Create | Action::Start) => "+".green().to_string(),
            Some(Action::Update) => "~".yellow().to_string(),
            Some(Action::Restart) => "↻".yellow().to_string(),
            Some(Action::Run) => "!".magenta().to_string(),
            None => "-".red().to_string(),
        };
        let _ = write!(text, "  {sign} {}: {}", self.host_names(), self.what());
        if !self.first.why.is_empty() {
            let each = if self.nodes.len() > 1 { "each: " } else { "" };
            let _ = write!(text, " {}", format!("({each}{})", self.first.why).dimmed());
        }
        text.push('\n');
        let new = self.first.action == Some(Action::Create);
        if let Some(diff) = self.first.diff.as_ref().filter(|_| detail == Detail::Full || !new) {
            self.write_diff(text, diff);
        }
    }

    fn host_names(&self) -> String {
        let names: Vec<&str> = self.hosts.iter().map(HostName::as_str).collect();
        if self.first.action == Some(Action::Restart) || self.first.action.is_none() {
            // What is restarted or removed is named in full.
            return compressed(&names);
        }
        shortened(&names)
    }

    /// `file /etc/motd`, `6 files /etc/provision/demo/7001…7006/redis.conf`.
    fn what(&self) -> String {
        let (noun, subject) = (self.first.noun, self.subject());
        match (noun, self.nodes.len()) {
            ("", _) => subject,
            (noun, 0 | 1) => format!("{noun} {subject}"),
            ("directory", n) => format!("{n} directories {subject}"),
            (noun, n) => format!("{n} {noun}s {subject}"),
        }
    }

    fn write_diff(&self, text: &mut String, diff: &str) {
        for line in diff.lines() {
            let line = match line.as_bytes().first() {
                Some(b'+') => line.green().to_string(),
                Some(b'-') => line.red().to_string(),
                Some(b'@') => line.cyan().to_string(),
                _ => line.to_owned(),
            };
            let _ = writeln!(text, "      {line}");
        }
        if self.varies {
            let node = self.first_node.as_ref().map_or_else(String::new, |node| format!(", node {node}"));
            let line = format!(
                "(this is {}{node}; the others differ in their own names, addresses and ports only)",
                self.first.host
            );
            let _ = writeln!(text, "      {}", line.dimmed());
        }
    }
}
