//! A stream through a command on the host, where its sshd does not forward.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, join},
    time::timeout,
};

use super::launcher::Launcher;
use crate::host::{shell::one_line, stream::Stream};

/// How long a relay waits for a free session channel: less than dialling may take, so that the reason is
/// reported.
const SLOT_TIMEOUT: Duration = Duration::from_secs(4);

/// What a relay prints once it is connected.
const CONNECTED: &[u8] = b"@relays\n";

/// Opens a stream to an address as the host sees it. `Unsupported` where the host has no bash,
/// `QuotaExceeded` where all session channels are in use.
pub(super) async fn open(launcher: &Launcher, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    // The slots of relays that have just ended come free in a moment.
    let connection = launcher.connection().await.map_err(|failed| io::Error::other(failed.reason))?;
    if timeout(SLOT_TIMEOUT, connection.sessions.acquire()).await.is_err() {
        let text = "sshd does not forward (AllowTcpForwarding no), and all eight session channels for relays are in use: \
                    allow forwarding there";
        return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
    }
    let script = one_line(include_str!("relay.sh"));
    let started = launcher.start_clean(&script, &[&ip, &port]).await;
    let (mut exec, before) = started.map_err(|failed| io::Error::other(failed.reason))?;
    let mut connected = vec![0; CONNECTED.len()];
    let (read, errors) = (&mut io::Cursor::new(before).chain(&mut exec.stdout), &exec.errors);
    match read.read_exact(&mut connected).await {
        Ok(_) if connected == CONNECTED => {}
        _ if errors.text().contains("no bash") => {
            let text =
                "sshd does not forward (AllowTcpForwarding no), and the host has no bash to relay with";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        _ => return Err(io::Error::new(io::ErrorKind::ConnectionRefused, errors.text())),
    }
    let (stdout, stdin) = exec.into_streams(b"");
    Ok(Box::new(join(stdout, stdin)))
}
