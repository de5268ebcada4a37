//! Jobs that outlive the link: started apart from the shell that starts them, and followed by their output
//! file. A later call with the same key and script joins the job.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use super::{
    error::{Error, Result},
    host_shell::HostShell,
    shell::quote,
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

    /// The folder is lost with a reboot where that is possible, and only its owner can read it: a script
    /// may hold secrets.
    fn folder(&self) -> String {
        let sha256 = hex::encode(Sha256::digest(self.script));
        let name = format!("{}-{}", self.key, sha256.get(..12).unwrap_or_default());
        format!(
            "umask 077\nbase=/run/provision-work\n[ \"$(id -u)\" = 0 ] || base=${{XDG_RUNTIME_DIR:-/tmp}}/provision-work-$(id -u)\n\
             [ ! -L \"$base\" ] && {{ [ ! -e \"$base\" ] || [ -O \"$base\" ]; }} || {{ echo \"$base is not ours: remove it\"; exit 1; }}\n\
             job=$base/{}\n",
            quote(&name)
        )
    }

    /// Starts the job unless the same one runs already, or has ended and was not collected. The script is
    /// removed from the disk as soon as it is read.
    fn start(&self) -> String {
        format!(
            r#"{folder}
[ ! -e "$job/status" ] || exit 0
! kill -0 "$(cat "$job/pid" 2>/dev/null)" 2>/dev/null || exit 0
[ -d "$base" ] || mkdir -m 700 "$base" || exit
[ ! -L "$base" ] && [ -O "$base" ] && chmod 700 "$base" || exit
rm -rf "$job"
mkdir "$job" && printf %s '{script}' | base64 -d >"$job/script" || exit
: >"$job/out"
setsid sh -c '
  {{ rm -f "$1/script"; sh -s; }} <"$1/script" >>"$1/out" 2>&1
  echo $? >"$1/status.new"; mv "$1/status.new" "$1/status"
' sh "$job" </dev/null >/dev/null 2>&1 &
echo $! >"$job/pid""#,
            folder = self.folder(),
            // A here-document may be kept in /tmp, and a script may hold secrets.
            script = BASE64_STANDARD.encode(format!("(\n{}\n) </dev/null\n", self.script)),
        )
    }

    /// Prints the job's output after its first `lines` lines, and continues until it ends.
    fn follow(&self, lines: usize) -> String {
        format!(
            r#"{folder}
at=$(head -n {lines} "$job/out" 2>/dev/null | wc -c)
pause=0.02 quiet=0
beat=$(printf '\001')
while :; do
  status=$(cat "$job/status" 2>/dev/null)
  [ -n "$status" ] || kill -0 "$(cat "$job/pid" 2>/dev/null)" 2>/dev/null || {{
    sleep 0.2; status=$(cat "$job/status" 2>/dev/null)
    [ -n "$status" ] || {{ echo "${{beat}}gone"; exit 0; }}
  }}
  size=$(stat -c %s "$job/out" 2>/dev/null || echo 0)
  if [ "$size" -gt "$at" ]; then
    tail -c +$((at + 1)) "$job/out" | head -c $((size - at))
    at=$size quiet=0 pause=0.05
  fi
  if [ -n "$status" ]; then
    [ "$at" = 0 ] || [ -z "$(tail -c 1 "$job/out")" ] || echo
    echo "${{beat}}ended $status"
    exit 0
  fi
  sleep $pause
  case $pause in 0.02) pause=0.05 ;; 0.05) pause=0.1 ;; 0.1) pause=0.2 ;; *) pause=1; quiet=$((quiet + 1)) ;; esac
  [ $pause != 1 ] || [ -n "$(tail -c 1 "$job/out")" ] || echo "$beat"
  [ "$quiet" -lt {idle} ] || {{ echo "${{beat}}silent"; exit 0; }}
done"#,
            folder = self.folder(),
            idle = self.idle.as_secs(),
        )
    }

    fn tidy(&self) -> String {
        format!("{}rm -rf \"$job\"; rmdir \"$base\" 2>/dev/null || :", self.folder())
    }

    /// Kills the job's process group, in a form that dash and bash both know.
    fn kill(&self) -> String {
        format!("{}kill -s KILL -- -\"$(cat \"$job/pid\")\" 2>/dev/null || :\n{}", self.folder(), self.tidy())
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
        let folder = job("build", "make").folder();
        assert!(folder.contains("build-"), "{folder}");
        assert_eq!(folder, job("build", "make").folder());
        assert_ne!(folder, job("build", "make test").folder());
        assert_ne!(folder, job("apt", "make").folder());
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
