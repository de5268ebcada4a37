//! Sending a file down a channel of its own: small slices of one buffer that all hosts share, and an end to waiting.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::exec::{End, Exec};
use crate::host::connect_error::{ConnectError, Phase};

/// One packet: larger ones are cut up anyway, and slower.
const SLICE: usize = 32 * 1024;
/// How long no byte may move.
const STALLED: Duration = Duration::from_secs(30);

pub(super) async fn send(exec: &mut Exec, bytes: &Bytes) -> Result<(), ConnectError> {
    let mut at = 0;
    while at < bytes.len() && exec.end.borrow().is_none() {
        let end = bytes.len().min(at + SLICE);
        let sent = timeout(STALLED, exec.stdin.0.data_bytes(bytes.slice(at..end)));
        match sent.await {
            Ok(Ok(())) => at = end,
            // The script has ended early: its own words say why.
            Ok(Err(_)) => break,
            Err(_) => return Err(stalled(at, bytes.len())),
        }
    }
    match taken(exec).await {
        Some(End::Exit(0)) => Ok(()),
        Some(End::Exit(status)) => {
            let said = exec.errors.text();
            let reason = if said.is_empty() { format!("it ended with status {status}") } else { said };
            Err(ConnectError::new(Phase::Channel, reason))
        }
        Some(End::Signal(signal)) => {
            Err(ConnectError::new(Phase::Channel, format!("it was ended by SIG{signal}")))
        }
        Some(End::Lost) => Err(ConnectError::new(Phase::Channel, "the connection was lost").transient()),
        None => Err(stalled(at, bytes.len())),
    }
}

/// Waits for the end. Megabytes may still be on their way: what sshd says it has taken of them is progress.
async fn taken(exec: &mut Exec) -> Option<End> {
    let mut taken = exec.taken.clone();
    loop {
        let moved = async {
            if taken.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            end = exec.ended() => return Some(end),
            moved = timeout(STALLED, moved) => moved.ok()?,
        }
    }
}

fn stalled(at: usize, all: usize) -> ConnectError {
    ConnectError::new(Phase::Channel, format!("no byte moved for 30s, after {at} of {all}")).transient()
}
