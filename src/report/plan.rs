//! A plan for people. The text carries colours; the stream it is printed on drops them where they are not wanted.

use std::fmt::Write;

use owo_colors::OwoColorize;

use super::placement;
use crate::{
    artifact::Builder,
    inventory::Fleet,
    plan::{HostChanges, HostUndo, Plan, Planned, Work},
    resource::{Action, Entry, Resource},
};

/// How much of a plan to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Diffs of all files.
    Full,
    /// Diffs of files that exist already; of new ones the name is enough.
    Brief,
}

impl Plan {
    /// The plan as text, ending in a line of counts.
    pub fn text(&self, detail: Detail) -> String {
        let mut text = String::new();
        let mut step = "";
        for stage in &self.stages {
            if stage.step != step {
                let _ = writeln!(text, "{}", stage.step.bold());
            }
            step = &stage.step;
            stage.work.write(&mut text, &self.fleet, detail);
        }
        for (host, why) in &self.unreachable {
            let why = why.strip_prefix(&format!("{host}: ")).unwrap_or(why);
            let _ =
                writeln!(text, "  {} {host}: left as it is, since it cannot be reached ({why})", "!".red());
        }
        let undoes = self.stages.iter().any(|stage| matches!(stage.work, Work::Undo(_)));
        match (self.unreachable.is_empty(), undoes) {
            (true, _) => {}
            (false, false) => {
                text.push_str("  the cluster is neither formed nor proven before all hosts can be reached\n");
            }
            (false, true) => {
                text.push_str("  what is left there is undone by `destroy` when they can be reached again\n");
            }
        }
        text.push_str(&self.notes());
        let _ = writeln!(text, "\n{}", self.counts());
        text
    }

    /// What no run can change, a line each; nothing where all is well.
    pub fn notes(&self) -> String {
        let mut text = String::new();
        for (notice, hosts) in &self.notices {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let _ = writeln!(text, "  {} {}: {notice}", "!".yellow(), hosts.join(", "));
        }
        text
    }

    fn counts(&self) -> String {
        let mut count = [0usize; 4];
        let planned = self.stages.iter().flat_map(|stage| match &stage.work {
            Work::Change(hosts) => hosts.as_slice(),
            _ => &[],
        });
        for change in planned.flat_map(|host| &host.changes) {
            let slot = match change.difference.action {
                Action::Create => 0,
                Action::Update => 1,
                Action::Start | Action::Restart => 2,
                Action::Run => 3,
            };
            count[slot] += 1;
        }
        let [create, update, start, run] = count;
        let undone: usize = self.stages.iter().map(|stage| stage.work.undone()).sum();
        let mut parts = Vec::new();
        for (n, what) in [
            (create, "to create"),
            (update, "to update"),
            (start, "to start or restart"),
            (run, "to run every time"),
            (undone, "to undo"),
        ] {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        }
        let builds: usize = self.stages.iter().map(|stage| stage.work.builders().len()).sum();
        match builds {
            0 => {}
            1 => parts.push("one build".to_owned()),
            n => parts.push(format!("{n} builds")),
        }
        if self.stages.iter().any(|stage| matches!(stage.work, Work::Form { whole: false, .. })) {
            parts.push("the cluster to form or mend".to_owned());
        }
        if parts.is_empty() {
            parts.push("no changes to the hosts".to_owned());
        }
        format!("Plan for cluster {} {}: {}.", self.fleet.name, self.fleet.environment, parts.join(", "))
    }
}

impl Work {
    fn builders(&self) -> &[Builder] {
        match self {
            Self::Build(builders) => builders,
            _ => &[],
        }
    }

    fn undone(&self) -> usize {
        match self {
            Self::Undo(hosts) => hosts.iter().map(|host| host.entries.len()).sum(),
            _ => 0,
        }
    }

    fn write(&self, text: &mut String, fleet: &Fleet, detail: Detail) {
        match self {
            Self::Change(hosts) => {
                for host in hosts {
                    host.write(text, detail);
                }
            }
            Self::Build(builders) => {
                for builder in builders {
                    let _ = writeln!(text, "  {} compile on {}: {}", "+".green(), builder.host, builder.why);
                }
            }
            Self::Form { why, whole: true, .. } => {
                let _ = writeln!(text, "  {} {why}", "~".yellow());
            }
            Self::Form { topology, why, .. } => {
                let _ = writeln!(text, "  {} form the cluster: {why}", "~".yellow());
                for line in placement::table(topology, fleet) {
                    let _ = writeln!(text, "      {line}");
                }
            }
            Self::Verify => {
                let _ = writeln!(text, "  {} prove that it replicates", "✓".green());
            }
            Self::Undo(hosts) => {
                for (host, entry) in hosts.iter().flat_map(|h| h.outermost().map(move |e| (&h.host, e))) {
                    let _ = writeln!(text, "  {} {host}: {}", "-".red(), entry.title());
                }
            }
        }
    }
}

impl HostChanges {
    /// Folders are many and tell little: in brief they are a number.
    fn write(&self, text: &mut String, detail: Detail) {
        let folder = |change: &&Planned| {
            let new = change.difference.action == Action::Create;
            detail == Detail::Brief && new && matches!(change.resource, Resource::Directory(_))
        };
        let mut line = |what: &str| {
            let _ = writeln!(text, "  {} {}: {what}", "+".green(), self.host);
        };
        match self.changes.iter().filter(folder).count() {
            0 => {}
            1 => line("one directory"),
            n => line(&format!("{n} directories")),
        }
        self.changes
            .iter()
            .filter(|change| !folder(change))
            .for_each(|change| change.write(text, &self.host, detail));
    }
}

impl HostUndo {
    /// What is undone, without what goes together with the folder it is in.
    fn outermost(&self) -> impl Iterator<Item = &Entry> {
        let inside = |path: &str| {
            self.entries.iter().any(|entry| match entry {
                Entry::CreatedDirectory { path: folder, recursive: true } => {
                    path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
                }
                _ => false,
            })
        };
        self.entries.iter().filter(move |entry| match entry {
            Entry::CreatedDirectory { recursive: false, .. } => false,
            Entry::CreatedDirectory { path, .. }
            | Entry::CreatedFile { path, .. }
            | Entry::ReplacedFile { path, .. } => !inside(path),
            _ => true,
        })
    }
}

impl Planned {
    fn write(&self, text: &mut String, host: &str, detail: Detail) {
        let sign = match self.difference.action {
            Action::Create | Action::Start => "+".green().to_string(),
            Action::Update => "~".yellow().to_string(),
            Action::Restart => "↻".yellow().to_string(),
            Action::Run => "!".magenta().to_string(),
        };
        let title = self.resource.title();
        let _ = writeln!(text, "  {sign} {host}: {title} {}", format!("({})", self.difference.why).dimmed());
        let new = self.difference.action == Action::Create;
        let Some(diff) = self.difference.diff.as_ref().filter(|_| detail == Detail::Full || !new) else {
            return;
        };
        for line in diff.lines() {
            let line = match line.as_bytes().first() {
                Some(b'+') => line.green().to_string(),
                Some(b'-') => line.red().to_string(),
                Some(b'@') => line.cyan().to_string(),
                _ => line.to_owned(),
            };
            let _ = writeln!(text, "      {line}");
        }
    }
}
