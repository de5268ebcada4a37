//! The changes of one stage on one host: one script, with the uploads it needs in between.

use std::time::Duration;

use super::{Error, binary_distribution::BinarySource, rolling_restart};
use crate::{
    event::StepEvents,
    host::{self, Facts, LockedHost},
    plan::Planned,
    resource::{Action, Binary, Entry, Layout, Mark, Resource, Script, mark},
};

/// How long a script may print nothing: a package manager that waits for its mirror is the longest.
const IDLE: Duration = Duration::from_mins(15);

/// One host during one stage.
pub(super) struct HostRun<'a> {
    pub(super) change: &'a LockedHost,
    pub(super) facts: &'a Facts,
    pub(super) layout: Layout,
    pub(super) events: StepEvents,
}

impl HostRun<'_> {
    /// Makes all changes but restarts, and waits until the nodes that were started answer.
    pub(super) async fn changes(
        &self,
        changes: &[Planned],
        binaries: &BinarySource<'_>,
    ) -> Result<usize, Error> {
        let titles: Vec<String> = changes.iter().map(|change| change.resource.title()).collect();
        let mut script = Script::new(&self.layout);
        let (mut done, mut starting) = (0, Vec::new());
        for (index, planned) in changes.iter().enumerate() {
            if planned.difference.action == Action::Restart {
                continue;
            }
            script.begin(index);
            planned.resource.change(&planned.difference, &mut script);
            match &planned.resource {
                Resource::Binary(binary) => {
                    done += self.run(&script, &titles).await?;
                    script = Script::new(&self.layout);
                    self.install(binary, binaries, &mut script).await?;
                }
                Resource::Process(process) => starting.push(process),
                _ => {}
            }
            script.end(index);
        }
        done += self.run(&script, &titles).await?;
        rolling_restart::wait_ready(self.change.probe(), &starting).await?;
        Ok(done)
    }

    /// Undoes entries of the ledger, newest first, and at last the ledger itself.
    pub(super) async fn undo(&self, entries: &[Entry]) -> Result<usize, Error> {
        let titles: Vec<String> = entries.iter().map(Entry::title).collect();
        let mut script = Script::undoing(&self.layout);
        for (index, entry) in entries.iter().enumerate() {
            script.begin(index);
            entry.undo(entries, &mut script);
            script.end(index);
        }
        Entry::finish(entries, &self.layout.shared(), &mut script);
        self.run(&script, &titles).await
    }

    /// Runs a script and turns its output into events; returns how many changes ended well.
    pub(super) async fn run(&self, script: &Script, titles: &[String]) -> Result<usize, Error> {
        let (mut changed, mut current) = (0, None);
        let mut on_line = |line: &str| match mark(line) {
            Some(Mark::Begin(index)) => current = titles.get(index).cloned(),
            Some(Mark::End(index)) => {
                changed += 1;
                self.events.changed(titles.get(index).map_or("", String::as_str));
            }
            Some(Mark::Note(text)) => self.events.notice(text),
            None => self.events.log(line),
        };
        let (what, text) = ("the change script", script.text()?);
        // A package manager that dies with the link leaves the host's packages in disorder.
        let ended = if script.is_long() {
            self.change.run_detached(what, "change", &text, IDLE, &mut on_line).await
        } else {
            self.change.run(what, &text, IDLE, &mut on_line).await
        };
        ended.map_err(|error| name_the_change(error, current))?;
        Ok(changed)
    }

    async fn install(
        &self,
        binary: &Binary,
        binaries: &BinarySource<'_>,
        script: &mut Script,
    ) -> Result<(), Error> {
        let artifact = binaries.artifact(self.change.name(), self.facts).await?;
        let upload = binaries.upload(&artifact)?;
        self.change.put(&upload, &binary.path(), 0o755).await?;
        let provenance = serde_json::to_string_pretty(&artifact.provenance).unwrap_or_default();
        binary.finish(&provenance, &artifact.sha256, script);
        Ok(())
    }
}

/// Replaces the name of the script in an error by that of the change it stopped in.
fn name_the_change(error: host::Error, current: Option<String>) -> host::Error {
    use host::Error::{Script, ShellLost, Silent};
    let Some(change) = current else { return error };
    match error {
        Script { host, status, output, .. } => {
            let output = output.into_iter().filter(|line| mark(line).is_none()).collect();
            Script { host, what: change, status, output }
        }
        ShellLost { host, said, .. } => ShellLost { host, what: change, said },
        Silent { host, idle, .. } => Silent { host, what: change, idle },
        other => other,
    }
}
