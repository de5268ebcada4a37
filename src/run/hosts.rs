//! The changes of one stage on one host: one script, with the uploads it needs in between.

use std::time::Duration;

use super::{Error, StepEvents, nodes, supply::Supply};
use crate::{
    host::{Change, Facts},
    plan::Planned,
    resource::{Action, Binary, Entry, Layout, Mark, Process, Resource, Script, mark},
};

/// How long a script may print nothing: a package manager that waits for its mirror is the longest.
const IDLE: Duration = Duration::from_mins(15);

/// One host during one stage.
pub(super) struct HostRun<'a> {
    pub(super) change: &'a Change,
    pub(super) facts: &'a Facts,
    pub(super) layout: Layout,
    pub(super) events: StepEvents,
}

impl HostRun<'_> {
    /// Makes all changes but restarts, and waits until the nodes that were started answer.
    pub(super) async fn changes(&self, changes: &[Planned], supply: &Supply<'_>) -> Result<usize, Error> {
        let titles: Vec<String> = changes.iter().map(|change| change.resource.kind().title()).collect();
        let mut script = self.script(changes);
        let (mut done, mut starting) = (0, Vec::new());
        for (index, planned) in changes.iter().enumerate() {
            if planned.difference.action == Action::Restart {
                continue;
            }
            script.begin(index);
            planned.resource.kind().change(&planned.difference, &mut script)?;
            match &planned.resource {
                Resource::Binary(binary) => {
                    done += self.run(&script, &titles).await?;
                    script = self.script(changes);
                    self.install(binary, supply, &mut script).await?;
                }
                Resource::Process(process) => starting.push(process),
                _ => {}
            }
            script.end(index);
        }
        done += self.run(&script, &titles).await?;
        nodes::ready(self.change.probe(), &starting).await?;
        Ok(done)
    }

    /// Undoes entries of the ledger, newest first, and at last the ledger itself.
    pub(super) async fn undo(&self, entries: &[Entry]) -> Result<usize, Error> {
        let titles: Vec<String> = entries.iter().map(Entry::title).collect();
        let mut script = Script::new(&self.layout);
        Process::functions(&mut script);
        for (index, entry) in entries.iter().enumerate() {
            script.begin(index);
            script.push(&entry.undo());
            script.end(index);
        }
        script.push(&Entry::last(entries, &self.layout.shared()));
        self.run(&script, &titles).await
    }

    /// Runs a script and turns its output into events; returns how many changes ended well.
    pub(super) async fn run(&self, script: &Script, titles: &[String]) -> Result<usize, Error> {
        let mut changed = 0;
        let mut on_line = |line: &str| match mark(line) {
            Some(Mark::Begin(_)) => {}
            Some(Mark::End(index)) => {
                changed += 1;
                self.events.changed(titles.get(index).map_or("", String::as_str));
            }
            None => self.events.log(line),
        };
        let what = "the change script";
        match self.change.run(what, script.text(), IDLE, &mut on_line).await {
            Ok(_) => Ok(changed),
            Err(error) => Err(name_the_change(error, titles).into()),
        }
    }

    fn script(&self, changes: &[Planned]) -> Script {
        let mut script = Script::new(&self.layout);
        if changes.iter().any(|change| matches!(change.resource, Resource::Process(_))) {
            Process::functions(&mut script);
        }
        script
    }

    async fn install(&self, binary: &Binary, supply: &Supply<'_>, script: &mut Script) -> Result<(), Error> {
        let artefact = supply.artefact(self.change.name(), self.facts).await?;
        let parcel = supply.parcel(&artefact)?;
        self.change.put(&parcel, &binary.path(), 0o755).await?;
        let provenance = serde_json::to_string_pretty(&artefact.provenance).unwrap_or_default();
        binary.seal(&provenance, &artefact.sha256, script);
        Ok(())
    }
}

/// Replaces the name of the script in an error by that of the change it failed in.
fn name_the_change(error: crate::host::Error, titles: &[String]) -> crate::host::Error {
    use crate::host::Error::Script;
    let Script { host, what, status, output } = error else { return error };
    let failed = output.iter().rev().find_map(|line| match mark(line) {
        Some(Mark::Begin(index)) => titles.get(index).cloned(),
        _ => None,
    });
    let output = output.into_iter().filter(|line| mark(line).is_none()).collect();
    Script { host, what: failed.unwrap_or(what), status, output }
}
