//! Which host keys are trusted.

use std::fs;

use provision::host::{NoPrompt, Phase, Probe};

use super::{connect, fails, pool, pool_with};
use crate::support::sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn only_known_host_keys_are_trusted() {
    let sshd = Sshd::start("");
    fs::write(sshd.pins(), "").unwrap();
    let (phase, reason, help) = fails(&sshd, &pool(&sshd), |_| {}).await;
    assert!(
        phase == Phase::HostKey && reason.contains("SHA256:") && help.contains("provision trust"),
        "{reason} {help}"
    );

    let accepting = pool_with(sshd.pins(), true, NoPrompt);
    Probe::connect(&sshd.host(|_| {}), &accepting).await.unwrap();
    connect(&sshd).await;

    let name = format!("[127.0.0.1]:{}", sshd.port);
    sshd.keygen("other", &["-t", "ed25519"]);
    let other = fs::read_to_string(sshd.path("other.pub")).unwrap();
    fs::write(sshd.pins(), format!("# one\n{name} {other}")).unwrap();
    let accepting = pool_with(sshd.pins(), true, NoPrompt);
    let (phase, reason, help) = fails(&sshd, &accepting, |_| {}).await;
    assert!(
        phase == Phase::HostKey && reason.contains("line 2") && help.contains("remove line 2"),
        "{reason} {help}"
    );

    let key = fs::read_to_string(sshd.path("host_ed25519.pub")).unwrap();
    fs::write(sshd.pins(), format!("{name} {key}@revoked * {key}")).unwrap();
    let (phase, reason, _) = fails(&sshd, &pool(&sshd), |_| {}).await;
    assert!(phase == Phase::HostKey && reason.contains("revoked"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_of_key_on_file_is_asked_for_first() {
    let sshd = Sshd::start("");
    sshd.keygen("host_rsa", &["-t", "rsa", "-b", "2048"]);
    let mut sshd = sshd;
    sshd.stop();
    let config = fs::read_to_string(sshd.path("sshd_config")).unwrap();
    fs::write(sshd.path("sshd_config"), format!("HostKey {}\n{config}", sshd.path("host_rsa").display()))
        .unwrap();
    sshd.run();
    let key = fs::read_to_string(sshd.path("host_rsa.pub")).unwrap();
    fs::write(sshd.pins(), format!("[127.0.0.1]:{} {key}", sshd.port)).unwrap();
    connect(&sshd).await;
    let (keys, failed) = pool(&sshd).host_keys(&sshd.host(|_| {})).await;
    assert!(failed.is_none());
    let kinds: Vec<&str> = keys.iter().map(|shown| shown.key.kind.as_str()).collect();
    assert_eq!(kinds, ["ssh-ed25519", "ssh-rsa"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_a_known_authority_are_trusted() {
    let mut sshd = Sshd::start("");
    sshd.stop();
    sshd.keygen("authority", &["-t", "ed25519"]);
    let authority = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    fs::write(sshd.pins(), format!("@cert-authority * {authority}")).unwrap();
    let config = fs::read_to_string(sshd.path("sshd_config")).unwrap();
    let certificate = sshd.path("host_ed25519-cert.pub");
    fs::write(sshd.path("sshd_config"), format!("HostCertificate {}\n{config}", certificate.display()))
        .unwrap();
    sshd.certify("127.0.0.1", &[]);
    sshd.run();
    connect(&sshd).await;
    // Where a certificate is not valid, the key in it may be on file (ssh(1)).
    sshd.certify("elsewhere", &[]);
    sshd.stop();
    sshd.run();
    let key = fs::read_to_string(sshd.path("host_ed25519.pub")).unwrap();
    let name = format!("[127.0.0.1]:{}", sshd.port);
    fs::write(sshd.pins(), format!("@cert-authority * {authority}{name} {key}")).unwrap();
    connect(&sshd).await;
    // One for a revoked key is refused, whichever authority signed it.
    sshd.certify("127.0.0.1", &[]);
    sshd.stop();
    sshd.run();
    fs::write(sshd.pins(), format!("@cert-authority * {authority}@revoked * {key}")).unwrap();
    let (phase, reason, _) = fails(&sshd, &pool(&sshd), |_| {}).await;
    assert!(phase == Phase::HostKey && reason.contains("revoked"), "{reason}");
    fs::write(sshd.pins(), format!("@cert-authority * {authority}")).unwrap();
    for (principal, more, text) in
        [("elsewhere", &[][..], "elsewhere"), ("127.0.0.1", &["-V", "-2d:-1d"][..], "not valid")]
    {
        sshd.stop();
        sshd.certify(principal, more);
        sshd.run();
        let (phase, reason, _) = fails(&sshd, &pool(&sshd), |_| {}).await;
        assert!(phase == Phase::HostKey && reason.contains(text), "{reason}");
    }
}
