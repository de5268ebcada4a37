//! One long-lived `sh -s`: scripts go in one after the other, lines come out, a sentinel ends each.

use std::{
    borrow::Cow,
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};

use super::{Error, Result};

/// How long taking the lock may take: `flock -w`, and a margin for a host that is busy.
const LOCK: Duration = Duration::from_mins(1);

/// How long a shell may take to end.
const END: Duration = Duration::from_secs(5);

/// The most lines of one script's output that are kept: the last ones, where it says why it failed.
const KEEP: usize = 200_000;

/// What hears the words of a greeting.
type Greeted = Box<dyn FnOnce(&str) + Send>;

pub(super) struct Shell {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    lines: mpsc::UnboundedReceiver<String>,
    /// Ends a script's output; random, so that no output can forge it.
    sentinel: String,
    /// What it wrote to its standard error, where that is kept.
    errors: Box<dyn Fn() -> String + Send + Sync>,
    /// The last lines of a login that has not come to its shell yet.
    before: Arc<Mutex<VecDeque<String>>>,
    /// Whether it was found to be gone. What it said before may still be on its way.
    is_lost: bool,
    /// Whether a script was sent whose end has not been heard.
    is_busy: bool,
}

/// How many lines of a login are kept for people.
const LOGIN: usize = 5;

impl Shell {
    /// Speaks to a shell over its standard input and output. A task of its own drains the output until it ends.
    pub(super) fn new(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        sentinel: String,
    ) -> Self {
        Self::start(stdin, stdout, sentinel, None, Box::new(String::new))
    }

    /// The same for a shell that a login stands before, with all that profiles and banners print. It says
    /// `MARKER hello WORDS` when it is there: what comes before is dropped, and `greeted` gets the words.
    pub(super) fn with_login_banner(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        sentinel: String,
        greeted: impl FnOnce(&str) + Send + 'static,
        errors: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self::start(stdin, stdout, sentinel, Some(Box::new(greeted)), Box::new(errors))
    }

    fn start(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        sentinel: String,
        mut greeting: Option<Greeted>,
        errors: Box<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        let hello = format!("{sentinel} hello");
        let before = Arc::new(Mutex::new(VecDeque::new()));
        let login = Arc::clone(&before);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
                // What was cut off in the middle of a line is not a line.
                let Some(text) = line.strip_suffix(b"\n") else { break };
                let text = String::from_utf8_lossy(text).into_owned();
                line.clear();
                if greeting.is_some() {
                    let mut login = login.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(words) = text.strip_prefix(&hello) {
                        login.clear();
                        greeting.take().into_iter().for_each(|greeted| greeted(words));
                    } else if !text.is_empty() {
                        login.push_back(text);
                        let surplus = login.len().saturating_sub(LOGIN);
                        login.drain(..surplus);
                    }
                } else if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Self { stdin: Box::new(stdin), lines, sentinel, errors, before, is_lost: false, is_busy: false }
    }

    /// Whether it has ended: nothing that is sent from here on would be run.
    pub(super) fn has_ended(&self) -> bool {
        self.is_lost || self.lines.is_closed()
    }

    /// What it said that was no answer: the words of a login that came to no shell, and errors.
    pub(super) fn captured_output(&self) -> String {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said: Vec<String> = before.iter().cloned().collect();
        said.extend(Some((self.errors)()).filter(|errors| !errors.is_empty()));
        said.join("; ")
    }

    /// Lets it end, and waits until it has, with the lock it held.
    pub(super) async fn close(&mut self) {
        self.stdin = Box::new(tokio::io::sink());
        let ended = async { while self.lines.recv().await.is_some() {} };
        let _ = tokio::time::timeout(END, ended).await;
        self.is_lost = true;
    }

    fn lost(&mut self, host: &str, what: &str) -> Error {
        self.is_lost = true;
        Error::ShellLost { host: host.to_owned(), what: what.to_owned(), said: self.captured_output() }
    }

    /// Runs one script to its end; returns its exit status and output. `idle` bounds the time between two lines.
    pub(super) async fn run(
        &mut self,
        host: &str,
        what: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(i32, Vec<String>)> {
        // Standard input is taken away so that no command of the script can eat the next script; descriptor 9 is the
        // lock, which no child that outlives us may keep.
        let text = framed(&format!("(\n{script}\n) </dev/null 2>&1 9>&-"), &self.sentinel);
        self.send(host, what, &text, idle, on_line).await
    }

    /// Takes the lock of a cluster in the running shell itself, not in a child: descriptor 9 stays open until it ends.
    /// `waits` hears who else holds it, where it is waited for; the same is returned where that was in vain.
    pub(super) async fn lock(
        &mut self,
        host: &str,
        cluster: &str,
        holder: &str,
        waits: &(dyn Fn(&str) + Sync),
        retake: Retake,
    ) -> Result<Option<String>> {
        let text = framed(&minify(&lock_script(cluster, holder, retake)), &self.sentinel);
        let named = |line: &str| -> Option<String> {
            let holder = line.strip_prefix("locked by ")?;
            Some(holder.chars().filter(|c| !c.is_control()).collect())
        };
        let mut hear = |line: &str| named(line).iter().for_each(|holder| waits(holder));
        let (status, output) = self.send(host, "the cluster's lock", &text, LOCK, &mut hear).await?;
        if status == 0 {
            return Ok(None);
        }
        match output.iter().rev().find_map(|line| named(line)) {
            Some(other) => Ok(Some(other)),
            None => Err(Error::Script {
                host: host.to_owned(),
                what: "taking the cluster's lock".to_owned(),
                status,
                output,
            }),
        }
    }

    /// The next line of output.
    async fn read_line(&mut self, host: &str, what: &str, idle: Duration) -> Result<String> {
        let silent = || Error::Silent { host: host.to_owned(), what: what.to_owned(), idle };
        let heard = tokio::time::timeout(idle, self.lines.recv()).await.map_err(|_| silent())?;
        heard.ok_or_else(|| self.lost(host, what))
    }

    async fn send(
        &mut self,
        host: &str,
        what: &str,
        text: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(i32, Vec<String>)> {
        // One that was given up may still run. Its end is not the end of this one.
        while self.is_busy {
            let line = self.read_line(host, what, idle).await?;
            self.is_busy = !line.starts_with(&self.sentinel);
        }
        self.is_busy = true;
        if self.stdin.write_all(text.as_bytes()).await.is_err() || self.stdin.flush().await.is_err() {
            return Err(self.lost(host, what));
        }
        let (mut output, mut empty) = (VecDeque::new(), false);
        loop {
            let line = self.read_line(host, what, idle).await?;
            if let Some(status) = line.strip_prefix(&self.sentinel) {
                self.is_busy = false;
                return Ok((status.trim().parse().unwrap_or(-1), output.into()));
            }
            // The sentinel begins a line of its own, even where the script's last line has no end: an empty line is
            // the script's only if another one follows.
            if std::mem::replace(&mut empty, line.is_empty()) {
                on_line("");
                output.push_back(String::new());
            }
            if !line.is_empty() {
                on_line(&line);
                output.push_back(line);
            }
            output.drain(..output.len().saturating_sub(KEEP));
        }
    }
}

/// Whether the lock was ours before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retake {
    No,
    Yes,
}

/// A word of a script. NUL cannot stand in one; nothing that is loaded from TOML holds it.
pub fn quote(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), Cow::into_owned)
}

/// A script of ours as it is sent: its comments and its indentation are for us, and every byte of it goes to every host.
/// Not for scripts with here-documents.
pub fn minify(script: &str) -> String {
    let lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Its answer in one piece: printed line by line, each line may be a packet of its own.
pub fn buffer_output(script: &str) -> String {
    format!("said=$(\n{script})\nended=$?\nprintf '%s\\n' \"$said\"\nexit $ended\n")
}

/// A word no script can guess.
pub(super) fn sentinel() -> io::Result<String> {
    let mut bits = [0u8; 12];
    getrandom::fill(&mut bits)?;
    Ok(format!("provision-{}", hex::encode(bits)))
}

/// A script as the shell gets it. The braces make it one compound command: a connection that is cut in the middle of
/// sending leaves an open brace, and the shell runs nothing of it.
fn framed(command: &str, sentinel: &str) -> String {
    format!("{{\n{command}\nprintf '\\n%s %s\\n' '{sentinel}' \"$?\"\n}}\n")
}

/// The lock is in a folder where only its account can put a file, so that it is no link of another account to a file of ours; the kernel says who we are without a process of its own, as `id` would be.
/// `flock` on a file that may be unlinked by its last holder needs the check that the path still names the file that was locked. An earlier run that was killed may still have a script running here, and its shell keeps the lock until
/// that is done: hence the wait. `command` keeps a failing redirection from ending the shell.
fn lock_script(cluster: &str, holder: &str, retake: Retake) -> String {
    let holder = quote(holder);
    // A link that was lost without a word leaves its shell behind, which knows nothing of it.
    let end_own = match retake {
        Retake::No => "",
        Retake::Yes => {
            "[ \"$(head -n 1 \"$lock\")\" != \"$holder\" ] || kill -KILL \"$(sed -n 2p \"$lock\")\" || :"
        }
    };
    format!(
        r#"
while read -r key _ uid _; do [ "$key" != Uid: ] || break; done </proc/self/status
f=/run none=:
[ "$uid" = 0 ] || f=/run/user/$uid
[ -w $f ] || f=/tmp/provision-$uid none=
holder={holder}
lock=$f/provision-$uid-{cluster}.lock
provision_lock() {{
  while :; do
    $none mkdir -m 700 $f 2>/dev/null
    [ ! -L $f ] && [ -O $f ] || {{ echo "$f is not ours: remove it"; return 1; }}
    command exec 9>>"$lock" || {{ [ -d $f ] && return 1; continue; }}
    flock -n 9 || {{
      {end_own}
      printf 'locked by %s\n' "$(head -n 1 "$lock")"
      flock -w 15 9
    }} || {{ exec 9>&-; return 1; }}
    [ /proc/self/fd/9 -ef "$lock" ] && break
  done
  printf '%s\n' "$holder" $$ >"$lock"
  trap 'rm -f "$lock"; $none rmdir $f 2>/dev/null' EXIT
  trap 'exit 1' PIPE HUP TERM
}}
provision_lock </dev/null 2>&1"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_is_cut_off_runs_nothing() {
        let text = framed("echo ran", "MARK");
        for cut in 1..text.trim_end().len() {
            let open = text[..cut].trim_end();
            assert!(open.starts_with('{') && !open.ends_with('}'), "{open:?}");
        }
    }
}
