//! Hosts over SSH: real sshds of OpenSSH on this machine. A file a theme; no test depends on another.

mod failures;
mod files;
mod host_keys;
mod jobs;
mod jump_hosts;
mod login;
mod shell;
mod streams;

use std::{path::PathBuf, time::Duration};

use crate::support::sshd::Sshd;
use provision::{
    host::{self, Connector, Error, LockedHost, NoPrompt, Phase, Pool, Probe, Prompt},
    inventory::Ssh,
};

const SECOND: Duration = Duration::from_secs(1);

fn pool_with(pins: PathBuf, accept_new: bool, prompt: impl Prompt + 'static) -> Pool {
    Pool::new(Connector::new(pins, accept_new, Box::new(prompt)))
}

fn pool(sshd: &Sshd) -> Pool {
    pool_with(sshd.pins(), false, NoPrompt)
}

async fn connect(sshd: &Sshd) -> Probe {
    Probe::connect(&sshd.host(|_| {}), &pool(sshd)).await.unwrap()
}

async fn fails(sshd: &Sshd, pool: &Pool, change: impl FnOnce(&mut Ssh)) -> (Phase, String, String) {
    match Probe::connect(&sshd.host(change), pool).await.err().expect("it must not connect") {
        Error::Unreachable { phase, reason, help, .. } => (phase, reason.into(), help.into()),
        other => panic!("{other:?}"),
    }
}

async fn change(sshd: &Sshd, name: &str) -> LockedHost {
    connect(sshd).await.lock(name, "a test", &|_| {}).await.unwrap()
}

async fn run(change: &LockedHost, script: &str) -> host::Error {
    change.run("a script", script, 20 * SECOND, &mut |_| {}).await.unwrap_err()
}

/// Bytes that do not shrink.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// A listener that sends back what it gets, and an address without a listener.
async fn echo() -> (std::net::SocketAddr, std::net::SocketAddr) {
    let (listener, closed) = (
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (address, closed.local_addr().unwrap())
}
