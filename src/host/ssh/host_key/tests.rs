use std::{path::Path, process::Command};

use russh::keys::{load_openssh_certificate, load_public_key};

use super::*;
use crate::{host::prompt::Prompt, secret::SecretString};

/// Keys and certificates that ssh-keygen made, and a file of pins.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        for name in ["host", "other", "ca"] {
            keys.keygen(&["-t", "ed25519", "-N", "", "-f", name]);
        }
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn keygen(&self, args: &[&str]) {
        #[expect(clippy::disallowed_methods, reason = "it makes the keys of a test")]
        let status = Command::new("ssh-keygen").arg("-q").args(args).current_dir(&self.0).status();
        assert!(status.unwrap().success());
    }

    fn public(&self, name: &str) -> PublicKey {
        load_public_key(self.path(&format!("{name}.pub"))).unwrap()
    }

    fn key(&self, name: &str) -> Key {
        encode_key(&self.public(name)).unwrap()
    }

    /// A certificate of the host's key; `args` are those of `ssh-keygen -s`.
    fn certificate(&self, args: &[&str]) -> PublicKeyOrCertificate {
        self.keygen(&[&["-s", "ca", "-I", "host"][..], args, &["host.pub"]].concat());
        PublicKeyOrCertificate::Certificate(load_openssh_certificate(self.path("host-cert.pub")).unwrap())
    }

    /// A verifier for the host `n1` with this text on file.
    fn verifier(&self, known: &str, accept_new: bool) -> HostKeyVerifier {
        let file = self.path("known_hosts");
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&file, known).unwrap();
        HostKeyVerifier {
            host: "n1".to_owned(),
            port: 22,
            revoked: None,
            known: Arc::new(KnownHosts::load(&[file]).unwrap()),
            connector: Connector::new(self.path("pins"), accept_new, Box::new(Silent)),
            scan_only: false,
            outcome: Arc::default(),
        }
    }

    fn plain(&self, name: &str) -> PublicKeyOrCertificate {
        PublicKeyOrCertificate::PublicKey { key: self.public(name), hash_alg: None }
    }
}

struct Silent;

impl Prompt for Silent {
    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn notice(&self, _: &str, _: &str) {}
}

/// `None` where the key is trusted, else the refusal.
async fn verify(mut verifier: HostKeyVerifier, offered: &PublicKeyOrCertificate) -> Option<ConnectError> {
    let good = verifier.check_server_key(offered).await.unwrap();
    let refused = verifier.outcome.lock().unwrap().refused.take();
    assert_eq!(good, refused.is_none(), "a key is either trusted or refused");
    assert!(refused.iter().all(|refused| refused.phase == Phase::HostKey && !refused.transient));
    refused
}

#[tokio::test]
async fn a_key_on_file_is_trusted() {
    let keys = Keys::new();
    let known = format!("n1 {}\n", keys.key("host"));
    assert!(verify(keys.verifier(&known, false), &keys.plain("host")).await.is_none());
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_fingerprint_and_how_to_pin_it() {
    let keys = Keys::new();
    let refused = verify(keys.verifier("", false), &keys.plain("host")).await.unwrap();
    assert!(refused.reason.starts_with("unknown host key"), "{}", refused.reason);
    assert!(refused.reason.contains(&keys.key("host").fingerprint()));
    let hint = refused.hint.unwrap();
    assert!(hint.contains("provision trust INVENTORY") && hint.contains("--accept-new"), "{hint}");
}

#[tokio::test]
async fn an_unknown_key_is_pinned_where_new_hosts_are_accepted() {
    let keys = Keys::new();
    assert!(verify(keys.verifier("", true), &keys.plain("host")).await.is_none());
    let pinned = std::fs::read_to_string(keys.path("pins")).unwrap();
    assert_eq!(pinned, format!("n1 {}\n", keys.key("host")));
    // The files were read before the first host was pinned: the pins count all the same.
    let refused = verify(keys.verifier("", true), &keys.plain("other")).await.unwrap();
    assert!(refused.hint.unwrap().contains("man-in-the-middle"));
    assert_eq!(std::fs::read_to_string(keys.path("pins")).unwrap(), pinned);
}

#[tokio::test]
async fn a_changed_key_is_refused_also_where_new_hosts_are_accepted() {
    let keys = Keys::new();
    let known = format!("# one\nn1 {}\n", keys.key("other"));
    for accept_new in [false, true] {
        let refused = verify(keys.verifier(&known, accept_new), &keys.plain("host")).await.unwrap();
        assert!(refused.reason.contains("line 2"), "{}", refused.reason);
        let hint = refused.hint.unwrap();
        assert!(
            hint.contains("possible man-in-the-middle attack") && hint.contains("remove line 2"),
            "{hint}"
        );
    }
    assert!(!keys.path("pins").exists());
}

#[tokio::test]
async fn a_key_that_known_hosts_revokes_is_refused() {
    let keys = Keys::new();
    let known = format!("n1 {0}\n@revoked * {0}\n", keys.key("host"));
    let refused = verify(keys.verifier(&known, true), &keys.plain("host")).await.unwrap();
    assert!(
        refused.reason.contains("is revoked by") && refused.reason.contains("line 2"),
        "{}",
        refused.reason
    );
}

#[tokio::test]
async fn a_scan_notes_the_key_and_trusts_nothing() {
    let keys = Keys::new();
    let known = format!("n1 {}\n", keys.key("host"));
    let verifier = HostKeyVerifier { scan_only: true, ..keys.verifier(&known, true) };
    let outcome = Arc::clone(&verifier.outcome);
    assert!(verify(verifier, &keys.plain("host")).await.is_some());
    assert_eq!(outcome.lock().unwrap().key, Some(keys.key("host")));
}

#[tokio::test]
async fn a_certificate_of_an_authority_on_file_is_trusted() {
    let keys = Keys::new();
    let known = format!("@cert-authority * {}\n", keys.key("ca"));
    let offered = keys.certificate(&["-h", "-n", "n1"]);
    assert!(verify(keys.verifier(&known, false), &offered).await.is_none());
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_is_refused_with_the_reason() {
    let keys = Keys::new();
    let known = format!("@cert-authority * {}\n", keys.key("ca"));
    for (args, reason) in [
        (&["-h", "-n", "n2"][..], "is for n2"),
        (&["-n", "n1"], "is one for users"),
        (&["-h", "-n", "n1", "-V", "-2d:-1d"], "is not valid"),
    ] {
        let offered = keys.certificate(args);
        let refused = verify(keys.verifier(&known, false), &offered).await.unwrap();
        assert!(refused.reason.contains(reason), "{}", refused.reason);
        // As in ssh(1), the key inside may be on file.
        let on_file = format!("{known}n1 {}\n", keys.key("host"));
        assert!(verify(keys.verifier(&on_file, false), &offered).await.is_none());
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_or_revoked_authority_is_refused() {
    let keys = Keys::new();
    let offered = keys.certificate(&["-h", "-n", "n1"]);
    let unknown = format!("@cert-authority * {}\n", keys.key("other"));
    let refused = verify(keys.verifier(&unknown, false), &offered).await.unwrap();
    assert!(refused.reason.contains("no authority on file"), "{}", refused.reason);
    let revoked =
        format!("@cert-authority * {0}\n@revoked * {0}\nn1 {1}\n", keys.key("ca"), keys.key("host"));
    let refused = verify(keys.verifier(&revoked, false), &offered).await.unwrap();
    assert!(refused.reason.contains("revoked"), "a key on file does not help: {}", refused.reason);
}

#[tokio::test]
async fn a_certificate_for_a_revoked_key_is_refused() {
    let keys = Keys::new();
    let offered = keys.certificate(&["-h", "-n", "n1"]);
    let known = format!("@cert-authority * {}\n@revoked * {}\n", keys.key("ca"), keys.key("host"));
    let refused = verify(keys.verifier(&known, false), &offered).await.unwrap();
    assert!(refused.reason.contains("revoked"), "{}", refused.reason);
}

/// Whether a file of revoked keys lets a key pass.
async fn passes(keys: &Keys, file: &Path, name: &str) -> Result<(), String> {
    let shown = shown(&keys.public(name), None).unwrap();
    revoked::check(file, &shown).await.map_err(|failed| failed.reason)
}

#[tokio::test]
async fn revoked_keys_are_found_in_a_list_and_in_a_revocation_list() {
    let keys = Keys::new();
    keys.keygen(&["-k", "-f", "krl", "host.pub"]);
    std::fs::copy(keys.path("host.pub"), keys.path("list")).unwrap();
    for file in ["krl", "list"] {
        let file = keys.path(file);
        assert!(passes(&keys, &file, "host").await.unwrap_err().contains(&keys.key("host").fingerprint()));
        assert_eq!(passes(&keys, &file, "other").await, Ok(()));
    }
}

/// What `ssh-keygen -Q` says of a certificate.
fn is_revoked_for_ssh_keygen(keys: &Keys, krl: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the oracle")]
    let mut command = Command::new("ssh-keygen");
    command.args(["-Q", "-f", krl, "host-cert.pub"]).current_dir(&keys.0);
    !command.output().unwrap().status.success()
}

#[tokio::test]
async fn a_certificate_is_revoked_by_its_serial_its_name_and_its_authority() {
    let keys = Keys::new();
    let offered = keys.certificate(&["-h", "-n", "n1", "-z", "7"]);
    let known = format!("@cert-authority * {}\nn1 {}\n", keys.key("ca"), keys.key("host"));
    for (name, spec, is_revoked) in [
        ("serial", "serial: 7\n", true),
        ("another-serial", "serial: 8\n", false),
        ("name", "id: host\n", true),
        ("another-name", "id: hosts\n", false),
    ] {
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(keys.path(&format!("{name}.spec")), spec).unwrap();
        keys.keygen(&["-k", "-f", name, "-s", "ca.pub", &format!("{name}.spec")]);
        assert_eq!(is_revoked_for_ssh_keygen(&keys, name), is_revoked, "{name}");
        let verifier = HostKeyVerifier { revoked: Some(keys.path(name)), ..keys.verifier(&known, true) };
        let refused = verify(verifier, &offered).await;
        assert_eq!(refused.is_some(), is_revoked, "{name}");
        assert!(refused.iter().all(|r| r.reason.contains("it has the certificate of ssh-ed25519")), "{name}");
    }
    keys.keygen(&["-k", "-f", "authority", "ca.pub"]);
    std::fs::copy(keys.path("ca.pub"), keys.path("list")).unwrap();
    for name in ["authority", "list"] {
        let verifier = HostKeyVerifier { revoked: Some(keys.path(name)), ..keys.verifier(&known, true) };
        assert!(verify(verifier, &offered).await.is_some(), "{name}");
        // The key itself is not revoked.
        let verifier = HostKeyVerifier { revoked: Some(keys.path(name)), ..keys.verifier(&known, true) };
        assert!(verify(verifier, &keys.plain("host")).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_file_of_revoked_keys_that_cannot_be_read_refuses_all_keys() {
    let keys = Keys::new();
    assert!(passes(&keys, &keys.path("missing"), "host").await.is_err());
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(keys.path("broken"), b"SSHKRL\n\0 and no more").unwrap();
    assert!(passes(&keys, &keys.path("broken"), "host").await.is_err());
}
