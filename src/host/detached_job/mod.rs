//! Jobs that outlive the link: started apart from the shell that starts them, and followed by their output
//! file. A later call with the same key and script joins the job.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use super::{
    error::{Error, Result},
    host_shell::HostShell,
    shell::{minify, with_parameters},
};

pub(super) struct DetachedJob<'a> {
    pub(super) what: &'a str,
    /// Names the job on its host, together with the digest of its script.
    pub(super) key: &'a str,
    pub(super) script: &'a str,
    pub(super) idle: Duration,
}

/// Begins the follower's own lines, as opposed to the job's. A heartbeat, which is this character alone, also
/// ends a follower whose reader has ended, and with it the lock its shell holds.
const HEARTBEAT: char = '\u{1}';

/// How long a follower may send no heartbeat: longer than it takes to notice that a link is lost, which is no
/// reason to give up.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_mins(2);

/// How long the small scripts around a job may take.
const SCRIPT_TIMEOUT: Duration = Duration::from_mins(2);

/// How many times a job may be lost with its host before that is an error.
const MAX_LOST: usize = 3;

/// How a follower ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The job ended with this status.
    Ended(i32),
    /// The job does not exist any more: the host was rebooted.
    Lost,
    /// The job printed nothing for too long.
    Silent,
}

/// Starts the job or joins it, and follows it to its end, over as many links as it takes.
pub(super) async fn follow(
    host: &HostShell,
    job: &DetachedJob<'_>,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<String>> {
    let start = job.start();
    let (mut output, mut lost) = (Vec::new(), 0);
    loop {
        match follow_once(host, job, &start, &mut output, on_line).await {
            Err(Error::ShellLost { .. }) => {}
            Err(error) => return Err(error),
            Ok(Outcome::Lost) if lost < MAX_LOST => {
                lost += 1;
                output.clear();
            }
            Ok(Outcome::Lost) => return Err(job.failed(host, -1, output)),
            Ok(Outcome::Silent) => {
                host.repeatable("ending it", &job.kill(), SCRIPT_TIMEOUT).await?;
                let (host, what) = (host.name.clone(), job.what.to_owned());
                return Err(Error::Silent { host, what, idle: job.idle });
            }
            Ok(Outcome::Ended(status)) => {
                host.repeatable("tidying up after it", &job.tidy(), SCRIPT_TIMEOUT).await?;
                return if status == 0 { Ok(output) } else { Err(job.failed(host, status, output)) };
            }
        }
    }
}

/// Starts the job or joins it, and follows it over one link.
async fn follow_once(
    host: &HostShell,
    job: &DetachedJob<'_>,
    start: &str,
    output: &mut Vec<String>,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> Result<Outcome> {
    host.script(job.what, start, SCRIPT_TIMEOUT, &mut |_| {}).await?;
    let mut outcome = Outcome::Lost;
    let follow = job.follow(output.len());
    let mut read_line = |line: &str| match line.strip_prefix(HEARTBEAT) {
        None => {
            on_line(line);
            output.push(line.to_owned());
        }
        Some(own) => outcome = Outcome::parse(own).unwrap_or(Outcome::Lost),
    };
    host.script(job.what, &follow, HEARTBEAT_TIMEOUT, &mut read_line).await?;
    Ok(outcome)
}

impl Outcome {
    /// Reads a line of the follower; `None` for a heartbeat, and for a job that is lost.
    fn parse(line: &str) -> Option<Self> {
        if line == "silent" {
            return Some(Self::Silent);
        }
        line.strip_prefix("ended ").map(|status| Self::Ended(status.parse().unwrap_or(-1)))
    }
}

impl DetachedJob<'_> {
    fn failed(&self, host: &HostShell, status: i32, output: Vec<String>) -> Error {
        Error::Script { host: host.name.clone(), what: self.what.to_owned(), status, output }
    }

    /// One of the programs beside this file, with its parameters and the name of the job.
    fn program(&self, parameters: &[(&str, &str)], program: &str) -> String {
        let sha256 = hex::encode(Sha256::digest(self.script));
        let key = format!("{}-{}", self.key, sha256.get(..12).unwrap_or_default());
        let program = minify(&[include_str!("folder.sh"), program].concat());
        with_parameters(&[&[("key", key.as_str())], parameters].concat(), &program)
    }

    /// Starts the job unless the same one runs already, or has ended and was not collected.
    fn start(&self) -> String {
        let script = BASE64_STANDARD.encode(format!("(\n{}\n) </dev/null\n", self.script));
        self.program(&[("script", &script)], include_str!("start.sh"))
    }

    /// Prints the job's output after its first `lines` lines, and continues until it ends.
    fn follow(&self, lines: usize) -> String {
        let (lines, idle) = (lines.to_string(), self.idle.as_secs().to_string());
        self.program(&[("lines", &lines), ("idle", &idle)], include_str!("follow.sh"))
    }

    /// Removes the job's folder.
    fn tidy(&self) -> String {
        self.program(&[("kill", "")], include_str!("tidy.sh"))
    }

    /// Kills the job, and removes its folder.
    fn kill(&self) -> String {
        self.program(&[("kill", "yes")], include_str!("tidy.sh"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn job<'a>(key: &'a str, script: &'a str) -> DetachedJob<'a> {
        DetachedJob { what: "a build", key, script, idle: Duration::from_mins(1) }
    }

    #[test]
    fn a_job_is_named_by_its_key_and_its_script() {
        let name = |job: DetachedJob<'_>| job.tidy().lines().next().unwrap().to_owned();
        let build = name(job("build", "make"));
        assert!(build.starts_with("key=build-"), "{build}");
        assert_eq!(build, name(job("build", "make")));
        assert_ne!(build, name(job("build", "make test")));
        assert_ne!(build, name(job("apt", "make")));
    }

    #[test]
    fn the_last_line_of_the_follower_says_how_the_job_ended() {
        assert_eq!(Outcome::parse("ended 0"), Some(Outcome::Ended(0)));
        assert_eq!(Outcome::parse("ended 137"), Some(Outcome::Ended(137)));
        assert_eq!(Outcome::parse("ended what"), Some(Outcome::Ended(-1)));
        assert_eq!(Outcome::parse("silent"), Some(Outcome::Silent));
        assert_eq!((Outcome::parse("gone"), Outcome::parse("")), (None, None));
    }

    #[test]
    fn all_scripts_around_a_job_are_valid() {
        let job = job("it's", "echo \"it's\"\ncat <<X\ntext\nX");
        for script in [job.start(), job.follow(7), job.tidy(), job.kill()] {
            #[expect(clippy::disallowed_methods, reason = "the oracle")]
            let checked = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
            assert!(checked.status.success(), "{}\n{script}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}
