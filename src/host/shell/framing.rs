//! The framing of scripts on a shell's standard input and output: a sentinel ends the output of each.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::{
    lock::{Retake, holder_of, lock_script},
    script::framed,
    waiting_lines::{self, Lines},
};
use crate::{
    host::error::{Error, Result},
    units::HostName,
};

/// How long taking the lock may take: `flock -w`, and a margin for a host that is busy.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a shell may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of one script's output is kept: the last lines, which say why it failed. No answer is longer, and
/// what a host says must not fill the memory of this machine.
const MAX_OUTPUT_BYTES: usize = 16 << 20;

/// How much of one line is kept: its beginning.
const MAX_LINE_BYTES: usize = 1 << 20;

/// How many bytes of a script are sent at once: each part is progress.
const PART: usize = 32 * 1024;

/// Gets the rest of the greeting's line.
type OnGreeting = Box<dyn FnOnce(&str) + Send>;

/// A shell that runs one script after the other.
pub(in crate::host) struct Shell {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    lines: Lines,
    /// Ends a script's output; random, so that no output can forge it.
    sentinel: String,
    /// What the shell wrote to its standard error, where that is kept.
    errors: Box<dyn Fn() -> String + Send + Sync>,
    /// The last lines of the login, until the shell has greeted.
    login: Arc<Mutex<VecDeque<String>>>,
    /// Whether the shell was found to have ended. Output from before may still arrive.
    is_lost: bool,
    /// Whether a script was sent whose sentinel has not arrived.
    is_busy: bool,
}

/// How many lines of a login are kept, for the error text.
const MAX_LOGIN_LINES: usize = 5;

impl Shell {
    /// Speaks to a shell over its standard input and output. A task of its own drains the output until it
    /// ends.
    pub(in crate::host) fn new(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        sentinel: String,
    ) -> Self {
        Self::start(stdin, stdout, sentinel, None, Box::new(String::new))
    }

    /// The same for a shell behind a login, which may print banners and the output of profiles. The shell
    /// prints `SENTINEL hello WORDS` when it runs: what comes before is dropped, and `on_greeting` gets the
    /// words.
    pub(in crate::host) fn with_login_banner(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        sentinel: String,
        on_greeting: impl FnOnce(&str) + Send + 'static,
        errors: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self::start(stdin, stdout, sentinel, Some(Box::new(on_greeting)), Box::new(errors))
    }

    fn start(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        sentinel: String,
        mut on_greeting: Option<OnGreeting>,
        errors: Box<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        let (sender, lines) = waiting_lines::queue(&sentinel);
        let greeting = format!("{sentinel} hello");
        let login = Arc::new(Mutex::new(VecDeque::new()));
        let banner = Arc::clone(&login);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while read_line(&mut reader, &mut line).await {
                let text = String::from_utf8_lossy(&line).into_owned();
                if on_greeting.is_some() {
                    let mut banner = banner.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(words) = text.strip_prefix(&greeting) {
                        banner.clear();
                        on_greeting.take().into_iter().for_each(|on_greeting| on_greeting(words));
                    } else if !text.is_empty() {
                        banner.push_back(text);
                        let surplus = banner.len().saturating_sub(MAX_LOGIN_LINES);
                        banner.drain(..surplus);
                    }
                } else if !sender.send(text).await {
                    break;
                }
            }
        });
        Self { stdin: Box::new(stdin), lines, sentinel, errors, login, is_lost: false, is_busy: false }
    }

    /// Whether the shell has ended: a script that is sent now would not run.
    pub(in crate::host) fn has_ended(&self) -> bool {
        self.is_lost || self.lines.is_closed()
    }

    /// Output that answers no script: the lines of a login that started no shell, and the standard error.
    pub(in crate::host) fn captured_output(&self) -> String {
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = login.iter().cloned().collect();
        lines.extend(Some((self.errors)()).filter(|errors| !errors.is_empty()));
        lines.join("; ")
    }

    /// Closes the shell's standard input, and waits until the shell has ended, and its lock with it.
    pub(in crate::host) async fn close(&mut self) {
        self.stdin = Box::new(tokio::io::sink());
        let _reading = self.lines.begin();
        let ended = async { while self.lines.next().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, ended).await;
        self.lines.close();
        self.is_lost = true;
    }

    fn lost(&mut self, host: &HostName, what: &str) -> Error {
        self.is_lost = true;
        Error::ShellLost { host: host.clone(), what: what.to_owned(), said: self.captured_output() }
    }

    /// Runs one script to its end; returns its exit status and output. `idle` bounds the time between two
    /// lines.
    pub(in crate::host) async fn run(
        &mut self,
        host: &HostName,
        what: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(i32, Vec<String>)> {
        // Standard input is /dev/null, so that no command of the script can read the next script; descriptor
        // 9 is the lock, which no child that outlives us may keep.
        let text = framed(&format!("(\n{script}\n) </dev/null 2>&1 9>&-"), &self.sentinel);
        self.send(host, what, &text, idle, on_line).await
    }

    /// Takes the lock of a cluster in the running shell itself, not in a child: descriptor 9 stays open until
    /// it ends. `on_wait` gets the name of another holder, while that one is waited for; it is returned where
    /// the lock stayed held.
    pub(in crate::host) async fn lock(
        &mut self,
        host: &HostName,
        cluster: &str,
        holder: &str,
        on_wait: &(dyn Fn(&str) + Sync),
        retake: Retake,
    ) -> Result<Option<String>> {
        let text = framed(&lock_script(cluster, holder, retake), &self.sentinel);
        let mut on_line = |line: &str| holder_of(line).iter().for_each(|holder| on_wait(holder));
        let (status, output) =
            self.send(host, "the cluster's lock", &text, LOCK_TIMEOUT, &mut on_line).await?;
        if status == 0 {
            return Ok(None);
        }
        match output.iter().rev().find_map(|line| holder_of(line)) {
            Some(other) => Ok(Some(other)),
            None => Err(Error::Script {
                host: host.clone(),
                what: "taking the cluster's lock".to_owned(),
                status,
                output,
            }),
        }
    }

    /// The next line of output.
    async fn read_line(&mut self, host: &HostName, what: &str, idle: Duration) -> Result<String> {
        let silent = || Error::Silent { host: host.clone(), what: what.to_owned(), idle };
        let line = tokio::time::timeout(idle, self.lines.next()).await.map_err(|_| silent())?;
        line.ok_or_else(|| self.lost(host, what))
    }

    async fn send(
        &mut self,
        host: &HostName,
        what: &str,
        text: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(i32, Vec<String>)> {
        let _reading = self.lines.begin();
        // A script that timed out may still run: its output and its sentinel are not this script's.
        while self.is_busy {
            let line = self.read_line(host, what, idle).await?;
            self.is_busy = !line.starts_with(&self.sentinel);
        }
        self.is_busy = true;
        // A shell that was stopped takes nothing, once what is on its way is full.
        for part in text.as_bytes().chunks(PART) {
            let sending = async {
                self.stdin.write_all(part).await?;
                self.stdin.flush().await
            };
            match tokio::time::timeout(idle, sending).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(self.lost(host, what)),
                Err(_) => return Err(Error::Silent { host: host.clone(), what: what.to_owned(), idle }),
            }
        }
        let (mut output, mut empty) = (Output::default(), false);
        loop {
            let line = self.read_line(host, what, idle).await?;
            if let Some(status) = line.strip_prefix(&self.sentinel) {
                self.is_busy = false;
                return Ok((status.trim().parse().unwrap_or(-1), output.lines.into()));
            }
            // A line break precedes the sentinel, for scripts whose last line has no end: an empty line
            // belongs to the script only if another one follows.
            if std::mem::replace(&mut empty, line.is_empty()) {
                on_line("");
                output.push(String::new());
            }
            if !line.is_empty() {
                on_line(&line);
                output.push(line);
            }
        }
    }
}

/// The last lines of what a script printed.
#[derive(Default)]
struct Output {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Output {
    fn push(&mut self, line: String) {
        // An empty line takes room, too.
        let cost = |line: &String| line.len() + size_of::<String>();
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.bytes > MAX_OUTPUT_BYTES
            && let Some(first) = self.lines.pop_front()
        {
            self.bytes -= cost(&first);
        }
    }
}

/// Reads the next line, without its end, of which no more than the beginning is kept. `false` at the end of
/// the stream: a last line without its end was cut off, and is dropped.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> bool {
    line.clear();
    loop {
        let Ok(chunk) = reader.fill_buf().await else { return false };
        if chunk.is_empty() {
            return false;
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = MAX_LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8], buffer: usize) -> Vec<Vec<u8>> {
        let mut reader = BufReader::with_capacity(buffer, text);
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        while read_line(&mut reader, &mut line).await {
            lines.push(line.clone());
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_read_whatever_the_pieces_they_come_in() {
        for buffer in [1, 2, 3, 64] {
            assert_eq!(lines(b"one\n\ntwo\ncut off", buffer).await, [&b"one"[..], b"", b"two"]);
        }
    }

    #[tokio::test]
    async fn of_an_endless_line_the_beginning_is_kept_and_the_next_line_is_whole() {
        let mut text = b"x".repeat(MAX_LINE_BYTES + 5);
        text.extend(b"\nnext\n");
        let lines = lines(&text, 8192).await;
        assert_eq!((lines[0].len(), &lines[1][..], lines.len()), (MAX_LINE_BYTES, &b"next"[..], 2));
    }

    #[test]
    fn of_much_output_the_last_lines_are_kept() {
        let mut output = Output::default();
        for number in 0..40 {
            output.push(number.to_string());
            output.push("y".repeat(MAX_LINE_BYTES - 100));
        }
        assert!(output.bytes <= MAX_OUTPUT_BYTES, "{}", output.bytes);
        assert!(output.lines.len() >= 30 && output.lines[output.lines.len() - 2] == "39");
        for _ in 0..1_000_000 {
            output.push(String::new());
        }
        assert!(output.lines.len() <= MAX_OUTPUT_BYTES / size_of::<String>());
    }
}
