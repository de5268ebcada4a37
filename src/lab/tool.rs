//! Runs the tools a lab is made with: the one file of this module that starts processes.

use std::{fs::File, io, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::{Error, Result};

/// A tool that only changes the kernel's tables.
const TOOL_TIMEOUT: Duration = Duration::from_mins(1);

/// Runs a tool; returns what it printed.
pub(super) async fn run(words: &[&str]) -> Result<String> {
    run_with(words, "", TOOL_TIMEOUT).await
}

/// The same, with something to read and a bound.
pub(super) async fn run_with(words: &[&str], input: &str, bound: Duration) -> Result<String> {
    let command = words.join(" ");
    let ran = timeout(bound, async {
        let mut child = start(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its input closes it.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    });
    let output = ran
        .await
        .map_err(|_| Error::Late { what: command.clone(), after: bound })?
        .map_err(|source| Error::NoTool { command: command.clone(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = text(&output.stdout) + &text(&output.stderr);
    Err(Error::Tool { command, said: said.trim().to_owned() })
}

/// Starts what goes on by itself when we are gone: a session of its own, no pipes of ours, its output in a
/// file.
pub(super) fn detach(words: &[&str], output: &File) -> io::Result<()> {
    let words = [&["setsid"], words].concat();
    let mut child =
        start(&words).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?).spawn()?;
    tokio::spawn(async move { child.wait().await });
    Ok(())
}

fn start(words: &[&str]) -> Command {
    let (program, args) = words.split_first().map_or(("true", &[][..]), |(program, args)| (*program, args));
    #[expect(clippy::disallowed_methods, reason = "a lab is made on this machine: there is no host yet")]
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").env("PATH", path());
    command
}

/// Where tools are looked for: a root that came by plain su(1) has no sbin in its PATH.
pub(super) fn path() -> String {
    #[expect(clippy::disallowed_methods, reason = "where tools are is the environment's to say")]
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}
