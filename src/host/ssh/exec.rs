//! One command on a connection. Its channel has a task that drains it to the end: a channel nobody reads stops all others.

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

/// How long a server may take to open a channel.
const OPEN: Duration = Duration::from_secs(20);
/// How much output may wait for its reader.
const WAITING: usize = 256 * 1024;
/// How much of the errors is kept: the end.
const ERRORS: usize = 8 * 1024;

/// A stream into a command.
pub(super) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that runs on a host.
pub(super) struct Exec {
    pub(super) stdin: Stdin,
    pub(super) stdout: DuplexStream,
    pub(super) errors: Errors,
    pub(super) end: watch::Receiver<Option<End>>,
    /// Changes whenever the host has taken something of what was sent.
    pub(super) taken: watch::Receiver<usize>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Exit(u32),
    Signal(String),
    /// The connection went away first.
    Lost,
}

/// The end of what a command wrote to its standard error.
#[derive(Clone, Default)]
pub(super) struct Errors {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    /// Counts what arrived, for those who wait for more.
    arrived: Arc<watch::Sender<usize>>,
}

impl Errors {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let surplus = kept.len().saturating_sub(ERRORS);
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
    /// Starts a command; its words must suit any login shell.
    pub(super) async fn start(
        connection: &Connection,
        command: &str,
        terminal: bool,
    ) -> Result<Self, ConnectError> {
        // A refusal is an answer; all else says that the connection is not what it was.
        let failed = |error: russh::Error| match error {
            russh::Error::ChannelOpenFailure(_) => ConnectError::new(Phase::Channel, error.to_string()),
            _ => ConnectError::new(Phase::Channel, error.to_string()).transient(),
        };
        let late = |_| ConnectError::new(Phase::Channel, "no answer within 20s").transient();
        let crowded =
            |_| ConnectError::new(Phase::Channel, "eight commands run there, and none ended within 20s");
        let permit =
            timeout(OPEN, Arc::clone(&connection.sessions).acquire_owned()).await.map_err(crowded)?;
        let opened = timeout(OPEN, connection.handle.channel_open_session()).await;
        let channel = opened.map_err(late)?.map_err(failed)?;
        if terminal {
            // Raw: nothing of what is sent comes back, nothing is cut or interpreted.
            let off = [Pty::ECHO, Pty::ICANON, Pty::ISIG, Pty::IXON, Pty::OPOST, Pty::ICRNL];
            let modes: Vec<(Pty, u32)> = off.into_iter().map(|mode| (mode, 0)).collect();
            channel.request_pty(false, "dumb", 80, 24, 0, 0, &modes).await.map_err(failed)?;
        }
        channel.exec(false, command).await.map_err(failed)?;
        let (read, stdin) = channel.split();
        let (stdout, sink) = duplex(WAITING);
        let (ended, end) = watch::channel(None);
        let (progress, taken) = watch::channel(0);
        let errors = Errors::default();
        tokio::spawn(drain(read, sink, errors.clone(), ended, progress, permit.ok()));
        Ok(Self { stdin: Stdin(Arc::new(stdin)), stdout, errors, end, taken })
    }

    /// Its standard input as a stream, which lives as long as this command does.
    pub(super) fn writer(&self) -> Writer {
        Box::pin(self.stdin.0.make_writer())
    }

    /// Its standard output, and its standard input with the right to end the command.
    pub(super) fn into_streams(self) -> (DuplexStream, impl AsyncWrite + Send + Unpin + 'static) {
        let writer = self.writer();
        (self.stdout, Closing { writer, _stdin: self.stdin })
    }

    /// Reads up to the line that ends in this word, which its script says first. Returns what came after it.
    pub(super) async fn skip_to(&mut self, word: &str) -> Result<Vec<u8>, ConnectError> {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        let late = |_| ConnectError::new(Phase::Shell, "the command did not begin within 20s").transient();
        loop {
            if let Some(rest) = after(&said, word) {
                return Ok(rest);
            }
            match timeout(OPEN, self.stdout.read(&mut buffer)).await.map_err(late)? {
                Ok(n) if n > 0 => said.extend_from_slice(&buffer[..n]),
                _ if self.ended().await == End::Lost => {
                    return Err(ConnectError::new(Phase::Channel, "the connection was lost").transient());
                }
                _ => {
                    let text = format!("{} {}", String::from_utf8_lossy(&said), self.errors.text());
                    return Err(ConnectError::new(Phase::Shell, text.trim().to_owned()));
                }
            }
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> End {
        let ended = self.end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone()).unwrap_or(End::Lost)
    }
}

/// What came after a line that ends in this word, once the whole line is there: logins print what they like before it.
pub(super) fn after(said: &[u8], word: &str) -> Option<Vec<u8>> {
    let at = said.windows(word.len()).position(|window| window == word.as_bytes())? + word.len();
    let end = said[at..].iter().position(|byte| *byte == b'\n')?;
    Some(said[at + end + 1..].to_vec())
}

/// The standard input of a command. It ends when this is dropped, and with it the command, which would stay there for as long
/// as the connection. The channel is then closed from the other end, the only one russh waits for.
pub(super) struct Stdin(pub(super) Arc<ChannelWriteHalf<Msg>>);

impl Drop for Stdin {
    fn drop(&mut self) {
        let stdin = Arc::clone(&self.0);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { stdin.eof().await });
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
