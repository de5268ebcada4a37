//! Byte streams to servers on a host.

use provision::host::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{connect, echo};
use crate::support::{sshd::Sshd, until};

async fn dials(sshd: &Sshd) {
    let probe = connect(sshd).await;
    let (open, shut) = echo().await;
    let mut stream = probe.dial(open).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"ping").await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
    }
    let Err(Error::Dial { source, .. }) = probe.dial(shut).await else { panic!("no server listens there") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused, "{source}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_through_the_connection() {
    dials(&Sshd::start("")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_through_a_command_where_sshd_does_not_forward() {
    let sshd = Sshd::start("AllowTcpForwarding no");
    dials(&sshd).await;
    assert!(sshd.count("Starting session: command") > 1);
    // Streams that are dropped leave nothing behind: no process there, and no used session channel.
    let probe = connect(&sshd).await;
    let (open, _) = echo().await;
    for _ in 0..20 {
        drop(probe.dial(open).await.unwrap());
    }
    let relays =
        || std::process::Command::new("pgrep").args(["-f", &format!("/dev/tcp.*{}$", open.port())]).status();
    until("no relay is left", || !relays().unwrap().success());
}
