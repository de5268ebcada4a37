//! Hosts that cannot be reached, and what the error says.

use std::{io::Write, path::PathBuf};

use provision::host::{Error, Phase, Probe};

use super::{fails, pool};
use crate::support::sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_starts_no_shell_is_reported_with_its_output() {
    let sshd = Sshd::start("ForceCommand echo Please login as the user centos");
    let (phase, reason, _) = fails(&sshd, &pool(&sshd), |_| {}).await;
    assert!(
        phase == Phase::Shell && reason.contains("Please login as the user centos"),
        "{phase:?} {reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_names_its_phase() {
    let mut sshd = Sshd::start("");
    let pool = pool(&sshd);
    let (phase, _, help) = fails(&sshd, &pool, |ssh| ssh.identity = vec![PathBuf::from("/no/key")]).await;
    assert!(phase == Phase::Authentication && help.contains("ssh-keygen"), "{help}");
    let mut host = sshd.host(|_| {});
    host.address = provision::inventory::Address::Remote("no-such-host.invalid".to_owned());
    let Err(Error::Unreachable { phase: Phase::Resolve, .. }) = Probe::connect(&host, &pool).await else {
        panic!()
    };
    sshd.stop();
    let (phase, reason, _) = fails(&sshd, &pool, |_| {}).await;
    assert!(phase == Phase::Tcp && reason.contains("refused"), "{reason}");
    let listener = std::net::TcpListener::bind(("127.0.0.1", sshd.port)).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap();
    });
    let (phase, reason, _) = fails(&sshd, &pool, |_| {}).await;
    assert!(matches!(phase, Phase::Banner | Phase::Tcp), "{phase:?} {reason}");
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_without_a_common_one_are_listed() {
    let sshd = Sshd::start("KexAlgorithms diffie-hellman-group14-sha1\nMACs hmac-sha1\nCiphers aes256-ctr");
    let (phase, reason, help) = fails(&sshd, &pool(&sshd), |_| {}).await;
    assert!(
        phase == Phase::KeyExchange && reason.contains("diffie-hellman-group14-sha1"),
        "{phase:?} {reason}"
    );
    assert!(help.contains("legacy = true"), "{help}");
    Probe::connect(&sshd.host(|ssh| ssh.legacy = true), &pool(&sshd)).await.unwrap();
}
