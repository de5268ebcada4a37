//! Keys, certificates and passphrases that log in.

use std::fs;

use provision::{
    host::{NoPrompt, Phase, Probe, Prompt},
    inventory::Ssh,
    secret::{Credential, SecretSource, SecretString},
};

use super::{fails, pool, pool_with};
use crate::support::{sshd::Sshd, write_secret};

/// Answers every question the same, and counts them.
struct Answers(SecretString, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Prompt for Answers {
    fn secret(&self, _: &str) -> Option<SecretString> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Some(self.0.clone())
    }

    fn notice(&self, _: &str, _: &str) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_kinds_log_in() {
    let sshd = Sshd::start("");
    for (name, args) in [("ecdsa", &["-t", "ecdsa"][..]), ("rsa", &["-t", "rsa", "-b", "2048"][..])] {
        sshd.keygen(name, args);
        sshd.allow(&sshd.path(&format!("{name}.pub")));
        Probe::connect(&sshd.host(|ssh| ssh.identity = vec![sshd.path(name)]), &pool(&sshd)).await.unwrap();
    }
    sshd.keygen("authority", &["-t", "ed25519"]);
    let authority = fs::read_to_string(sshd.path("authority.pub")).unwrap();
    fs::write(sshd.path("authorized_keys"), format!("cert-authority {authority}")).unwrap();
    for (name, args) in [
        ("certified", &["-t", "ed25519"][..]),
        ("certified-ecdsa", &["-t", "ecdsa"]),
        ("certified-rsa", &["-t", "rsa", "-b", "2048"]),
    ] {
        sshd.keygen(name, args);
        let mut command = std::process::Command::new("ssh-keygen");
        command.args(["-q", "-s"]).arg(sshd.path("authority")).args(["-I", "me", "-n", "root"]);
        assert!(command.arg(sshd.path(&format!("{name}.pub"))).status().unwrap().success());
        Probe::connect(&sshd.host(|ssh| ssh.identity = vec![sshd.path(name)]), &pool(&sshd)).await.unwrap();
    }
    let (phase, reason, help) = fails(&sshd, &pool(&sshd), |_| {}).await;
    assert!(
        phase == Phase::Authentication && reason.contains("id_ed25519") && reason.contains("publickey"),
        "{reason}"
    );
    let command = format!("ssh -v -o 'UserKnownHostsFile={}' -p {}", sshd.pins().display(), sshd.port);
    assert!(help.contains(&command), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_for_once_or_comes_from_a_file() {
    let sshd = Sshd::start("");
    sshd.keygen("locked", &["-t", "ed25519", "-N", "open sesame"]);
    sshd.allow(&sshd.path("locked.pub"));
    let locked = |ssh: &mut Ssh| ssh.identity = vec![sshd.path("locked")];
    let asked = std::sync::Arc::default();
    let answers = Answers("open sesame".to_owned().into(), std::sync::Arc::clone(&asked));
    let pool = pool_with(sshd.pins(), false, answers);
    let host = sshd.host(locked);
    let (one, two) = tokio::join!(Probe::connect(&host, &pool), Probe::connect(&host, &pool));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);

    write_secret(sshd.path("passphrase"), "open sesame\n");
    let kept = Credential::Kept(SecretSource::File(sshd.path("passphrase")));
    let without_prompt = pool_with(sshd.pins(), false, NoPrompt);
    let with =
        |ssh: &mut Ssh| (ssh.identity, ssh.passphrase) = (vec![sshd.path("locked")], Some(kept.clone()));
    Probe::connect(&sshd.host(with), &without_prompt).await.unwrap();
    fs::write(sshd.path("passphrase"), "wrong\n").unwrap();
    let without_prompt = pool_with(sshd.pins(), false, NoPrompt);
    let (phase, reason, _) = fails(&sshd, &without_prompt, with).await;
    assert!(phase == Phase::Authentication && reason.contains("passphrase"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_needed_where_a_key_logs_in() {
    let sshd = Sshd::start("");
    let missing = Credential::Kept(SecretSource::File(sshd.path("no-such-file")));
    for password in [Credential::Ask, missing] {
        let host = sshd.host(|ssh| ssh.password = Some(password.clone()));
        Probe::connect(&host, &pool_with(sshd.pins(), false, NoPrompt)).await.unwrap();
    }
}
