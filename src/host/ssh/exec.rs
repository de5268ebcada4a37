//! One command on a connection. Its channel has a task that drains it to the end: a channel that is not read
//! stops all others.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, client::Msg};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, watch},
    time::timeout,
};

use super::connection::Connection;
use crate::host::connect_error::{ConnectError, Phase};

/// How long a server may take to open a channel, and a command to begin.
const CHANNEL_OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a command on a terminal may take to end after its farewell, before its channel is closed.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(3);
const FAREWELL_INTERVAL: Duration = Duration::from_millis(100);

/// How many bytes of output may wait for their reader.
const STDOUT_BUFFER: usize = 256 * 1024;

/// How many bytes of the standard error are kept: the last ones.
const MAX_ERRORS: usize = 8 * 1024;

/// A stream into a command.
pub(super) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that runs on a host.
pub(super) struct Exec {
    pub(super) stdin: Stdin,
    pub(super) stdout: DuplexStream,
    pub(super) errors: Errors,
    pub(super) end: watch::Receiver<Option<End>>,
    /// Changes whenever the host has accepted some of what was sent.
    pub(super) accepted: watch::Receiver<usize>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Exit(u32),
    Signal(String),
    /// The connection was lost first.
    Lost,
}

/// The end of what a command wrote to its standard error.
#[derive(Clone, Default)]
pub(super) struct Errors {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    /// Counts the bytes that arrived, for tasks that wait for more.
    arrived: Arc<watch::Sender<usize>>,
}

impl Errors {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let surplus = kept.len().saturating_sub(MAX_ERRORS);
        kept.drain(..surplus);
        drop(kept);
        self.arrived.send_modify(|arrived| *arrived += bytes.len());
    }

    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> =
            self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    pub(super) fn watch(&self) -> watch::Receiver<usize> {
        self.arrived.subscribe()
    }
}

impl Exec {
    /// Starts a command; any login shell must be able to run it.
    pub(super) async fn start(
        connection: &Connection,
        command: &str,
        terminal: bool,
    ) -> Result<Self, ConnectError> {
        // A refusal is an answer; any other error means that the connection is broken.
        let failed = |error: russh::Error| match error {
            russh::Error::ChannelOpenFailure(_) => ConnectError::new(Phase::Channel, error.to_string()),
            _ => ConnectError::new(Phase::Channel, error.to_string()).transient(),
        };
        let late = |_| ConnectError::new(Phase::Channel, "no answer within 20s").transient();
        let crowded = |_| {
            ConnectError::new(
                Phase::Channel,
                "eight commands run on its connection, and none ended within 20s",
            )
        };
        let permit = timeout(CHANNEL_OPEN_TIMEOUT, Arc::clone(&connection.sessions).acquire_owned())
            .await
            .map_err(crowded)?;
        let opened = timeout(CHANNEL_OPEN_TIMEOUT, connection.handle.channel_open_session()).await;
        let channel = opened.map_err(late)?.map_err(failed)?;
        if terminal {
            // Raw: nothing of what is sent comes back, nothing is cut or interpreted.
            let off = [Pty::ECHO, Pty::ICANON, Pty::ISIG, Pty::IXON, Pty::OPOST, Pty::ICRNL];
            let modes: Vec<(Pty, u32)> = off.into_iter().map(|mode| (mode, 0)).collect();
            channel.request_pty(false, "dumb", 80, 24, 0, 0, &modes).await.map_err(failed)?;
        }
        channel.exec(false, command).await.map_err(failed)?;
        let (read, stdin) = channel.split();
        let (stdout, sink) = duplex(STDOUT_BUFFER);
        let (ended, end) = watch::channel(None);
        let (progress, accepted) = watch::channel(0);
        let errors = Errors::default();
        tokio::spawn(drain(read, sink, errors.clone(), ended, progress, permit.ok()));
        let stdin = Stdin { half: Arc::new(stdin), terminal: terminal.then(|| end.clone()), farewell: b"" };
        Ok(Self { stdin, stdout, errors, end, accepted })
    }

    /// Its standard input as a stream, which lives as long as this command does.
    pub(super) fn writer(&self) -> Writer {
        Box::pin(self.stdin.half.make_writer())
    }

    /// Its standard output, and its standard input with the right to end the command. On a terminal the end
    /// of the input reaches no command: there it gets `farewell` first.
    pub(super) fn into_streams(
        mut self,
        farewell: &'static [u8],
    ) -> (DuplexStream, impl AsyncWrite + Send + Unpin + 'static) {
        let writer = self.writer();
        self.stdin.farewell = farewell;
        (self.stdout, Closing { writer, _stdin: self.stdin })
    }

    /// Reads up to the line that ends in this word, which its script prints first. Returns what came after
    /// it.
    pub(super) async fn skip_to(&mut self, word: &str) -> Result<Vec<u8>, ConnectError> {
        let (mut output, mut buffer) = (Vec::new(), [0; 4096]);
        let late = |_| ConnectError::new(Phase::Shell, "the command did not begin within 20s").transient();
        loop {
            if let Some(rest) = after(&output, word) {
                return Ok(rest);
            }
            match timeout(CHANNEL_OPEN_TIMEOUT, self.stdout.read(&mut buffer)).await.map_err(late)? {
                Ok(n) if n > 0 => output.extend_from_slice(&buffer[..n]),
                _ if self.ended().await == End::Lost => {
                    return Err(ConnectError::new(Phase::Channel, "the connection was lost").transient());
                }
                _ => {
                    let text = format!("{} {}", String::from_utf8_lossy(&output), self.errors.text());
                    return Err(ConnectError::new(Phase::Shell, text.trim().to_owned()));
                }
            }
        }
    }

    /// What it has printed and was not read, once it has ended: as much as is kept of an error output.
    pub(super) async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        let mut rest = (&mut self.stdout).take(MAX_ERRORS as u64);
        let _ = timeout(CHANNEL_OPEN_TIMEOUT, rest.read_to_end(&mut text)).await;
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> End {
        let ended = self.end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone()).unwrap_or(End::Lost)
    }
}

/// What came after a line that ends in this word, once that line is complete: a login may print anything
/// before it.
pub(super) fn after(output: &[u8], word: &str) -> Option<Vec<u8>> {
    let at = output.windows(word.len()).position(|window| window == word.as_bytes())? + word.len();
    let end = output[at..].iter().position(|byte| *byte == b'\n')?;
    Some(output[at + end + 1..].to_vec())
}

/// The standard input of a command. It ends when this is dropped, and the command with it, which would
/// otherwise run for as long as the connection lives. The host then closes the channel, which russh waits
/// for.
pub(super) struct Stdin {
    pub(super) half: Arc<ChannelWriteHalf<Msg>>,
    /// Where the command has a terminal: what tells of its end.
    terminal: Option<watch::Receiver<Option<End>>>,
    farewell: &'static [u8],
}

impl Drop for Stdin {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (half, farewell) = (Arc::clone(&self.half), self.farewell);
        match self.terminal.take() {
            None => drop(runtime.spawn(async move { half.eof().await })),
            Some(mut end) => drop(runtime.spawn(async move {
                // A program before a pipe (`cat | sh`) learns that its reader has ended when it writes again.
                let leave = async {
                    while half.data_bytes(farewell).await.is_ok()
                        && timeout(FAREWELL_INTERVAL, end.wait_for(Option::is_some)).await.is_err()
                    {
                    }
                };
                if !farewell.is_empty() {
                    let _ = timeout(FAREWELL_TIMEOUT, leave).await;
                }
                half.close().await
            })),
        }
    }
}

/// A stream into a command that ends with it.
struct Closing {
    writer: Writer,
    _stdin: Stdin,
}

impl AsyncWrite for Closing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(context)
    }
}

/// Never stops at `Eof`: the exit status may come after it.
async fn drain(
    mut read: ChannelReadHalf,
    mut sink: DuplexStream,
    errors: Errors,
    ended: watch::Sender<Option<End>>,
    progress: watch::Sender<usize>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    let mut end = End::Lost;
    let mut listening = true;
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } if listening => listening = sink.write_all(&data).await.is_ok(),
            ChannelMsg::ExtendedData { data, .. } => errors.push(&data),
            ChannelMsg::ExitStatus { exit_status } => end = End::Exit(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => end = End::Signal(format!("{signal_name:?}")),
            ChannelMsg::WindowAdjusted { .. } => progress.send_modify(|times| *times += 1),
            ChannelMsg::Failure => errors.push(b"the server refused to run the command\n"),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    ended.send_replace(Some(end));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_begins_after_the_whole_line_of_the_greeting() {
        let after =
            |output: &str| after(output.as_bytes(), "word!").map(|rest| String::from_utf8(rest).unwrap());
        assert_eq!(after("Welcome\nword!\nfirst\n").as_deref(), Some("first\n"));
        assert_eq!(after("prompt> word!\r\nfirst").as_deref(), Some("first"));
        assert_eq!(after("word!\n").as_deref(), Some(""));
        for incomplete in ["", "word", "word!", "Welcome\n"] {
            assert_eq!(after(incomplete), None, "{incomplete:?}");
        }
    }

    #[test]
    fn the_end_of_the_standard_error_is_kept() {
        let errors = Errors::default();
        let arrived = errors.watch();
        errors.push(&b"x".repeat(MAX_ERRORS));
        errors.push(b"the reason\n");
        assert!(errors.text().ends_with("xthe reason"));
        assert_eq!(errors.text().len(), MAX_ERRORS - 1);
        assert_eq!(*arrived.borrow(), MAX_ERRORS + 11);
    }
}
