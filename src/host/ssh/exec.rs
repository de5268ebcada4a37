//! One command on a connection. Its channel has a task that drains it to the end: a channel nobody reads stops all others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, client::Msg};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    sync::{OwnedSemaphorePermit, watch},
    time::timeout,
};

use super::link::Link;
use crate::host::unreachable::{Failed, Phase};

/// How long a server may take to open a channel.
const OPEN: Duration = Duration::from_secs(20);
/// How much output may wait for its reader.
const WAITING: usize = 256 * 1024;
/// How much of the errors is kept: the end.
const ERRORS: usize = 8 * 1024;

/// A command that runs on a host.
pub(super) struct Exec {
    pub(super) stdin: ChannelWriteHalf<Msg>,
    pub(super) stdout: DuplexStream,
    pub(super) errors: Errors,
    pub(super) end: watch::Receiver<Option<End>>,
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
    pub(super) async fn start(link: &Link, command: &str, terminal: bool) -> Result<Self, Failed> {
        let failed = |error: russh::Error| Failed::new(Phase::Channel, error.to_string());
        let late = |_| Failed::new(Phase::Channel, "no answer within 20s");
        let permit = Arc::clone(&link.sessions).acquire_owned().await;
        let opened = timeout(OPEN, link.handle.channel_open_session()).await;
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
        let errors = Errors::default();
        tokio::spawn(drain(read, sink, errors.clone(), ended, permit.ok()));
        Ok(Self { stdin, stdout, errors, end })
    }

    /// Its standard input as a stream.
    pub(super) fn writer(&self) -> impl AsyncWrite + Send + Unpin + 'static {
        Box::pin(self.stdin.make_writer())
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> End {
        let ended = self.end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone()).unwrap_or(End::Lost)
    }
}

/// Never stops at `Eof`: the exit status may come after it.
async fn drain(
    mut read: ChannelReadHalf,
    mut sink: DuplexStream,
    errors: Errors,
    ended: watch::Sender<Option<End>>,
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
            ChannelMsg::Failure => errors.push(b"the server refused to run the command\n"),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    ended.send_replace(Some(end));
}
