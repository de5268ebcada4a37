//! Work that outlives the link: started apart from the shell that starts it, and followed by its output file. Whoever comes
//! with the same key and script joins it.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use super::{Error, Inner, Result, quote};

pub(super) struct DetachedJob<'a> {
    pub(super) what: &'a str,
    /// A word for the job, which names it on its host, together with its script.
    pub(super) key: &'a str,
    pub(super) script: &'a str,
    pub(super) idle: Duration,
}

/// Begins what the follower says itself, as opposed to the job. A beat, which is nothing but that, also ends a follower
/// whose reader is gone, and with it the lock its shell holds.
const OWN: char = '\u{1}';

/// How long the small scripts around the work may take, and how long a follower may skip its beats: longer than it takes
/// to notice that a link is lost, which is no reason to give up.
const SHORT: Duration = Duration::from_mins(2);

/// How often work may be lost with its host before that is no accident.
const LOST: usize = 3;

/// How a follower ended.
enum Outcome {
    With(i32),
    /// The work is not there any more: the host was started anew.
    Lost,
    Silent,
}

/// Starts the work or joins it, and follows it to its end, over as many links as it takes.
pub(super) async fn follow(
    inner: &Inner,
    job: &DetachedJob<'_>,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<String>> {
    let start = job.start();
    let (mut heard, mut lost) = (Vec::new(), 0);
    loop {
        match round(inner, job, &start, &mut heard, on_line).await {
            Err(Error::ShellLost { .. }) => {}
            Err(error) => return Err(error),
            Ok(Outcome::Lost) if lost < LOST => {
                lost += 1;
                heard.clear();
            }
            Ok(Outcome::Lost) => return Err(job.failed(inner, -1, heard)),
            Ok(Outcome::Silent) => {
                inner.repeatable("ending it", &job.kill(), SHORT).await?;
                let (host, what) = (inner.name.clone(), job.what.to_owned());
                return Err(Error::Silent { host, what, idle: job.idle });
            }
            Ok(Outcome::With(status)) => {
                inner.repeatable("tidying up after it", &job.tidy(), SHORT).await?;
                return if status == 0 { Ok(heard) } else { Err(job.failed(inner, status, heard)) };
            }
        }
    }
}

/// Follows over one link.
async fn round(
    inner: &Inner,
    job: &DetachedJob<'_>,
    start: &str,
    heard: &mut Vec<String>,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> Result<Outcome> {
    inner.script(job.what, start, SHORT, &mut |_| {}).await?;
    let mut ended = Outcome::Lost;
    let follow = job.follow(heard.len());
    let mut hear = |line: &str| match line.strip_prefix(OWN) {
        None => {
            on_line(line);
            heard.push(line.to_owned());
        }
        Some("silent") => ended = Outcome::Silent,
        Some(own) => {
            if let Some(status) = own.strip_prefix("ended ") {
                ended = Outcome::With(status.parse().unwrap_or(-1));
            }
        }
    };
    inner.script(job.what, &follow, SHORT, &mut hear).await?;
    Ok(ended)
}

impl DetachedJob<'_> {
    fn failed(&self, inner: &Inner, status: i32, output: Vec<String>) -> Error {
        Error::Script { host: inner.name.clone(), what: self.what.to_owned(), status, output }
    }

    /// The folder is lost with a reboot wherever it can be, and only its owner can look into it: a script may hold secrets.
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

    /// Starts the work unless the same runs already, or has ended and was not collected. The script is gone from the disk as
    /// soon as it is read.
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

    /// Prints what the work has printed after so many lines, and goes on until it ends.
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

    /// Ends it with all it has started: its process group, in the words that dash and bash both know.
    fn kill(&self) -> String {
        format!("{}kill -s KILL -- -\"$(cat \"$job/pid\")\" 2>/dev/null || :\n{}", self.folder(), self.tidy())
    }
}
