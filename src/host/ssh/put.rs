//! Sending a file down a channel of its own: small slices of one buffer that all hosts share, and a limit on
//! every wait.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::exec::{End, Exec};
use crate::host::connect_error::{ConnectError, Phase};

/// One packet: russh splits larger ones, and is slower then.
const SLICE: usize = 32 * 1024;

/// How long no byte may move.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn send(exec: &mut Exec, bytes: &Bytes) -> Result<(), ConnectError> {
    let mut at = 0;
    while at < bytes.len() && exec.end.borrow().is_none() {
        let end = bytes.len().min(at + SLICE);
        let sent = timeout(STALL_TIMEOUT, exec.stdin.half.data_bytes(bytes.slice(at..end)));
        match sent.await {
            Ok(Ok(())) => at = end,
            // The script has ended early: its error output says why.
            Ok(Err(_)) => break,
            Err(_) => return Err(stalled(at, bytes.len())),
        }
    }
    match wait_accepted(exec).await {
        Some(End::Exit(0)) => Ok(()),
        Some(End::Exit(status)) => {
            let mut reason = exec.errors.text();
            if reason.is_empty() {
                // On a terminal both outputs are one.
                reason = exec.rest().await;
            }
            if reason.is_empty() {
                reason = format!("it ended with status {status}");
            }
            Err(ConnectError::new(Phase::Channel, reason))
        }
        Some(End::Signal(signal)) => {
            Err(ConnectError::new(Phase::Channel, format!("it was ended by SIG{signal}")))
        }
        Some(End::Lost) => Err(ConnectError::new(Phase::Channel, "the connection was lost").transient()),
        None => Err(stalled(at, bytes.len())),
    }
}

/// Waits for the end. Megabytes may still be in flight: each acknowledgement of sshd is progress.
async fn wait_accepted(exec: &mut Exec) -> Option<End> {
    let mut accepted = exec.accepted.clone();
    loop {
        let moved = async {
            if accepted.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            end = exec.ended() => return Some(end),
            moved = timeout(STALL_TIMEOUT, moved) => moved.ok()?,
        }
    }
}

fn stalled(at: usize, all: usize) -> ConnectError {
    ConnectError::new(Phase::Channel, format!("no byte moved for 30s, after {at} of {all}")).transient()
}
