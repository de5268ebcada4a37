//! The changes of one stage on one host: one script, with the uploads it needs in between.

use std::{collections::BTreeSet, time::Duration};

use super::{Error, RunContext, binary_distribution::BinarySource, directives, not_ended, ready};
use crate::{
    event::StepEvents,
    host::{self, LockedHost},
    inspect::{NoSession, Session},
    plan::{Plan, Planned},
    resource::{Action, Binary, Entry, ManifestFile, Mark, Process, Resource, Script, mark},
    units::{HostName, NodeName, StepName},
};

/// How long a script may print nothing: a package manager that waits for its mirror is the longest.
const IDLE_TIMEOUT: Duration = Duration::from_mins(15);

/// How often the process of a node that is to rejoin is looked at: it may have ended.
const ENDED_INTERVAL: Duration = Duration::from_secs(2);

/// One host during one step.
pub(super) struct HostRun<'a> {
    session: &'a Session<LockedHost>,
    events: StepEvents,
}

impl<'a> HostRun<'a> {
    /// Fails where there is no session with the host, which would be a defect of provision.
    pub(super) fn new(context: &RunContext<'a>, step: &StepName, host: &HostName) -> Result<Self, NoSession> {
        Ok(Self { session: context.session(host)?, events: context.step(step, Some(host)) })
    }

    /// Makes all changes but restarts and the starts that wait for another node, and waits until the nodes
    /// that were started answer.
    pub(super) async fn changes(
        &self,
        plan: &Plan,
        changes: &[Planned],
        binaries: &BinarySource<'_>,
        waiting: &BTreeSet<NodeName>,
    ) -> Result<usize, Error> {
        let changes = self.settled(changes, binaries).await?;
        let titles: Vec<String> = changes.iter().map(|change| change.resource.title()).collect();
        let folders = plan.hosts.get(self.session.host.name()).map(|host| host.folders.clone());
        let folders = folders.unwrap_or_default();
        let mut script = Script::knowing(&self.session.layout, &folders);
        let (mut done, mut starting) = (0, Vec::new());
        for planned in changes.iter().filter(|planned| planned.difference.action != Action::Restart) {
            if !directives::is_tried(plan, self.session, binaries, planned) {
                planned.resource.check(&mut script);
            }
        }
        for (index, planned) in changes.iter().enumerate() {
            let waits = matches!(&planned.resource, Resource::Process(process)
                if waiting.contains(process.name()));
            if planned.difference.action == Action::Restart || waits {
                continue;
            }
            script.begin(index);
            planned.resource.change(&planned.difference, &mut script);
            match &planned.resource {
                Resource::Binary(binary) => {
                    done += self.run(&script, &titles).await?;
                    script = Script::knowing(&self.session.layout, &folders);
                    self.install(binary, binaries, &mut script).await?;
                }
                Resource::Process(process) => starting.push(process),
                _ => {}
            }
            script.end(index);
        }
        done += self.run(&script, &titles).await?;
        ready::wait_ready(self.session.probe(), &starting).await?;
        Ok(done)
    }

    /// The changes, with the configurations as the server can read them that is on this host by now.
    async fn settled(&self, changes: &[Planned], binaries: &BinarySource<'_>) -> Result<Vec<Planned>, Error> {
        let mut changes = changes.to_vec();
        for change in &mut changes {
            let Resource::Config(config) = &mut change.resource else { continue };
            if !config.is_settled() {
                let artifact = binaries.artifact(self.session.host.name(), &self.session.facts).await?;
                let names = binaries.directive_names(&artifact)?;
                *config = config.settle(|name| Some(names.knows(name)));
            }
        }
        Ok(changes)
    }

    /// Starts a node, and waits until it accepts connections.
    pub(super) async fn start(&self, planned: &Planned, process: &Process) -> Result<(), Error> {
        let mut script = Script::new(&self.session.layout);
        script.begin(0);
        planned.resource.change(&planned.difference, &mut script);
        script.end(0);
        self.run(&script, &[planned.resource.title()]).await?;
        ready::wait_ready(self.session.probe(), &[process]).await
    }

    /// Restarts a node, and waits until it accepts connections.
    pub(super) async fn restart(&self, planned: &Planned, process: &Process) -> Result<(), Error> {
        let mut script = Script::new(&self.session.layout);
        script.begin(0);
        process.stop(&mut script);
        planned.resource.change(&planned.difference, &mut script);
        script.end(0);
        let restarted = self.run(&script, &[format!("{} restarted", planned.resource.title())]).await;
        restarted.map_err(|error| not_ended::name(error, process))?;
        ready::wait_ready(self.session.probe(), &[process]).await
    }

    /// Returns once the process of a node has ended, with why; never where it runs on. A server accepts
    /// connections before it has loaded its data.
    pub(super) async fn ended(&self, process: &Process) -> Error {
        loop {
            tokio::time::sleep(ENDED_INTERVAL).await;
            match ready::find_ended(self.session.probe(), &[process]).await {
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => return error,
            }
        }
    }

    /// Has the host write down who the members of the cluster are.
    pub(super) async fn record(
        context: &RunContext<'a>,
        step: &StepName,
        host: &HostName,
        manifest: &str,
    ) -> Result<(), Error> {
        let run = Self::new(context, step, host)?;
        let mut script = Script::new(&run.session.layout);
        ManifestFile::write(&run.session.layout, manifest, &mut script);
        run.run(&script, &[]).await.map(drop)
    }

    /// Undoes entries of the ledger, newest first, and at last the ledger itself.
    pub(super) async fn undo(&self, entries: &[Entry]) -> Result<usize, Error> {
        let titles: Vec<String> = entries.iter().map(Entry::title).collect();
        let mut script = Script::undoing(&self.session.layout);
        for (index, entry) in entries.iter().enumerate() {
            script.begin(index);
            entry.undo(entries, &mut script);
            script.end(index);
        }
        Entry::finish(entries, &self.session.layout.shared(), &mut script);
        self.run(&script, &titles).await
    }

    /// Runs a script and turns its output into events; returns the number of changes that were made.
    async fn run(&self, script: &Script, titles: &[String]) -> Result<usize, Error> {
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
        let (host, what, text) = (&self.session.host, "the change script", script.text()?);
        // A package manager that is killed with the link leaves the host's packages half configured.
        let ended = if script.is_long() {
            host.run_detached(what, "change", &text, IDLE_TIMEOUT, &mut on_line).await
        } else {
            host.run(what, &text, IDLE_TIMEOUT, &mut on_line).await
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
        let host = &self.session.host;
        let artifact = binaries.artifact(host.name(), &self.session.facts).await?;
        let upload = binaries.upload(&artifact).await?;
        host.put(&upload, &binary.path(), 0o755).await?;
        let provenance = serde_json::to_string_pretty(&artifact.provenance).unwrap_or_default();
        let names = binaries.directive_names(&artifact)?;
        binary.finish(&provenance, &artifact.sha256, |name| names.knows(name), script);
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

#[cfg(test)]
mod tests {
    use host::Error::{Dial, Script as Failed, ShellLost, Silent};

    use super::*;

    fn named(error: host::Error) -> host::Error {
        name_the_change(error, Some("file /etc/motd".to_owned()))
    }

    fn script(output: &[&str]) -> host::Error {
        let output = output.iter().map(|line| (*line).to_owned()).collect();
        Failed { host: "a".into(), what: "the change script".to_owned(), status: 1, output }
    }

    #[test]
    fn a_failed_script_is_named_by_its_change_and_shows_no_markers() {
        let Failed { host, what, status, output } = named(script(&["@begin 0", "no space left", "@end 0"]))
        else {
            panic!("another kind of error")
        };
        assert_eq!((&*host, &*what, status), ("a", "file /etc/motd", 1));
        assert_eq!(output, ["no space left"]);
    }

    #[test]
    fn a_lost_and_a_silent_shell_are_named_by_their_change() {
        let (host, what, said) = (HostName::from("a"), "the change script".to_owned(), String::new());
        let lost = named(ShellLost { host: host.clone(), what: what.clone(), said });
        assert!(matches!(&lost, ShellLost { what, .. } if what == "file /etc/motd"), "{lost}");
        let silent = named(Silent { host, what, idle: IDLE_TIMEOUT });
        assert!(matches!(&silent, Silent { what, .. } if what == "file /etc/motd"), "{silent}");
    }

    #[test]
    fn an_error_before_the_first_change_or_of_another_kind_stays() {
        assert!(
            matches!(name_the_change(script(&[]), None), Failed { what, .. } if what == "the change script")
        );
        let source = std::io::ErrorKind::TimedOut.into();
        let dial = Dial { host: "a".into(), address: ([10, 0, 0, 1], 7001).into(), source };
        assert!(matches!(named(dial), Dial { .. }));
    }
}
