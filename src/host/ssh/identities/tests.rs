use std::{path::PathBuf, process::Command};

use super::*;
use crate::{
    atomic_file::{self, Mode},
    host::prompt::{NoPrompt, Prompt},
    inventory,
};

/// A folder of keys that ssh-keygen made.
struct Keyring(tempfile::TempDir);

impl Keyring {
    /// Keys without a passphrase, by name.
    fn new(names: &[&str]) -> Self {
        let keyring = Self(tempfile::tempdir().unwrap());
        for name in names {
            keyring.make(name, "");
        }
        keyring
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn keygen(&self, args: &[&str]) {
        #[expect(clippy::disallowed_methods, reason = "it makes the keys of a test")]
        let status = Command::new("ssh-keygen").arg("-q").args(args).current_dir(&self.0).status();
        assert!(status.unwrap().success());
    }

    fn make(&self, name: &str, passphrase: &str) {
        // One round of its key derivation: the default takes seconds in a debug build.
        self.keygen(&["-t", "ed25519", "-a", "1", "-N", passphrase, "-C", name, "-f", name]);
    }

    /// A certificate of a key by the authority `ca`, beside the key.
    fn certify(&self, name: &str) {
        self.keygen(&["-s", "ca", "-I", "me", "-n", "root", &format!("{name}.pub")]);
    }

    fn public(&self, name: &str) -> PublicKey {
        keys::load_public_key(self.path(&format!("{name}.pub"))).unwrap()
    }

    fn held(&self, name: &str) -> AgentIdentity {
        AgentIdentity::PublicKey { key: self.public(name), comment: name.to_owned() }
    }

    fn held_certificate(&self, name: &str) -> AgentIdentity {
        let certificate = keys::load_openssh_certificate(self.path(&format!("{name}-cert.pub"))).unwrap();
        AgentIdentity::Certificate { certificate, comment: name.to_owned() }
    }

    /// Keys that the configuration of ssh(1) offers, and no agent.
    fn config(&self, names: &[&str]) -> SshConfig {
        SshConfig {
            user: "root".to_owned(),
            host: "n1".to_owned(),
            port: 22,
            identity: names.iter().map(|name| self.path(name)).collect(),
            certificates: Vec::new(),
            identities_only: false,
            agent: ssh_config::Agent::None,
            via: Vec::new(),
            known_hosts: Vec::new(),
            alias: None,
            revoked: None,
            ssh: inventory::Ssh::default(),
        }
    }

    /// The same keys, named in the inventory.
    fn named(&self, names: &[&str]) -> SshConfig {
        let config = self.config(names);
        let ssh = inventory::Ssh { identity: config.identity.clone(), ..inventory::Ssh::default() };
        SshConfig { identities_only: true, ssh, ..config }
    }

    /// What is offered, in order: file names, and what was skipped.
    async fn offered(&self, config: &SshConfig, prompt: impl Prompt + 'static) -> (Vec<String>, Vec<String>) {
        let connector = Connector::new(PathBuf::new(), false, Box::new(prompt));
        let identities = prepare(config, &connector, &Keys::default()).await.unwrap();
        let folder = format!("{}/", self.0.path().display());
        let names = identities.keys.iter().map(|identity| identity.name.replace(&folder, "")).collect();
        (names, identities.skipped.iter().map(|text| text.replace(&folder, "")).collect())
    }

    async fn refused(&self, config: &SshConfig) -> ConnectError {
        let connector = Connector::new(PathBuf::new(), false, Box::new(NoPrompt));
        prepare(config, &connector, &Keys::default()).await.err().unwrap()
    }
}

/// Answers every question with one word.
struct Answer(&'static str);

impl Prompt for Answer {
    fn secret(&self, _: &str) -> Option<SecretString> {
        Some(self.0.to_owned().into())
    }

    fn notice(&self, _: &str, _: &str) {}
}

fn names(identities: &[Identity]) -> Vec<&str> {
    identities.iter().map(|identity| identity.name.as_str()).collect()
}

#[tokio::test]
async fn files_are_offered_in_the_order_of_the_configuration() {
    let keys = Keyring::new(&["b", "a"]);
    assert_eq!(keys.offered(&keys.config(&["b", "missing", "a"]), NoPrompt).await.0, ["b", "a"]);
}

#[tokio::test]
async fn a_certificate_is_offered_before_its_key() {
    let keys = Keyring::new(&["ca", "plain", "certified"]);
    keys.certify("certified");
    let config = keys.config(&["plain", "certified"]);
    assert_eq!(keys.offered(&config, NoPrompt).await.0, ["plain", "certified-cert.pub", "certified"]);
}

#[tokio::test]
async fn a_certificate_elsewhere_counts_for_its_own_key_only() {
    let keys = Keyring::new(&["ca", "one", "two"]);
    keys.certify("two");
    std::fs::rename(keys.path("two-cert.pub"), keys.path("elsewhere")).unwrap();
    let config = SshConfig { certificates: vec![keys.path("elsewhere")], ..keys.config(&["one", "two"]) };
    assert_eq!(keys.offered(&config, NoPrompt).await.0, ["one", "elsewhere", "two"]);
}

#[tokio::test]
async fn an_encrypted_key_is_left_alone_where_another_one_may_do() {
    let keys = Keyring::new(&["plain"]);
    keys.make("locked", "open sesame");
    let config = keys.config(&["locked", "plain"]);
    assert_eq!(keys.offered(&config, Answer("open sesame")).await, (vec!["plain".to_owned()], vec![]));
}

#[tokio::test]
async fn the_passphrase_of_the_only_key_is_asked_for() {
    let keys = Keyring::new(&[]);
    keys.make("locked", "open sesame");
    let config = keys.config(&["locked"]);
    assert_eq!(keys.offered(&config, Answer("open sesame")).await.0, ["locked"]);
    let skipped = vec!["not locked, which is encrypted".to_owned()];
    assert_eq!(keys.offered(&config, NoPrompt).await, (vec![], skipped));
}

#[tokio::test]
async fn the_passphrase_of_a_key_that_the_inventory_names_is_asked_for() {
    let keys = Keyring::new(&["plain"]);
    keys.make("locked", "open sesame");
    let config = keys.named(&["locked", "plain"]);
    assert_eq!(keys.offered(&config, Answer("open sesame")).await.0, ["plain", "locked"]);
}

#[tokio::test]
async fn a_wrong_passphrase_is_an_error_with_a_fix() {
    let keys = Keyring::new(&[]);
    keys.make("locked", "open sesame");
    let connector = Connector::new(PathBuf::new(), false, Box::new(Answer("wrong")));
    let failed = prepare(&keys.config(&["locked"]), &connector, &Keys::default()).await.err().unwrap();
    assert!(failed.reason.contains("does not open") && failed.hint.unwrap().contains("ssh-add"));
}

#[tokio::test]
async fn a_key_that_the_inventory_names_must_exist() {
    let keys = Keyring::new(&[]);
    let failed = keys.refused(&keys.named(&["missing"])).await;
    assert!(failed.phase == Phase::Authentication && failed.reason.contains("there is no private key"));
    assert!(failed.hint.unwrap().contains("ssh-keygen"));
}

#[tokio::test]
async fn a_named_file_that_is_no_key_is_an_error_and_one_of_the_configuration_is_skipped() {
    let keys = Keyring::new(&["plain"]);
    atomic_file::write(&keys.path("broken"), b"no key\n", Mode::Private).unwrap();
    assert!(keys.refused(&keys.named(&["broken"])).await.reason.contains("cannot be used"));
    assert_eq!(keys.offered(&keys.config(&["broken", "plain"]), NoPrompt).await.0, ["plain"]);
}

#[tokio::test]
async fn a_key_that_others_may_read_is_an_error_where_it_is_named_and_else_left_out() {
    let keys = Keyring::new(&["plain", "open"]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(keys.path("open"), mode).unwrap();
    let refused = keys.refused(&keys.named(&["open"])).await;
    assert!(refused.reason.contains("open to other accounts (its mode is 0640)"), "{}", refused.reason);
    assert!(refused.hint.unwrap().contains("chmod 600"));
    assert_eq!(keys.offered(&keys.config(&["open", "plain"]), NoPrompt).await.0, ["plain"]);
}

#[test]
fn an_agent_offers_named_keys_first_and_certificates_before_their_keys() {
    let keys = Keyring::new(&["ca", "one", "two", "three"]);
    keys.certify("two");
    let held = vec![keys.held("one"), keys.held("two"), keys.held_certificate("two"), keys.held("three")];
    let named = [keys.public("three").key_data().clone(), keys.public("two").key_data().clone()];
    let offered = agent_identities(held, &named, false);
    assert_eq!(names(&offered), ["agent's three", "agent's certificate two", "agent's two", "agent's one"]);
}

#[test]
fn an_agent_keeps_other_keys_back_where_only_named_ones_count() {
    let keys = Keyring::new(&["one", "two"]);
    let held = || vec![keys.held("one"), keys.held("two")];
    let named = [keys.public("two").key_data().clone()];
    assert_eq!(names(&agent_identities(held(), &named, true)), ["agent's two"]);
    assert!(agent_identities(held(), &[], true).is_empty());
}

#[tokio::test]
async fn keys_of_a_running_agent_come_before_those_of_files() {
    let keys = Keyring::new(&["file", "held"]);
    let socket = keys.path("socket");
    #[expect(clippy::disallowed_methods, reason = "an agent of the test's own")]
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..500 {
        if socket.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    #[expect(clippy::disallowed_methods, reason = "it adds a key to the test's own agent")]
    let added =
        Command::new("ssh-add").arg("-q").arg(keys.path("held")).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.unwrap().success());
    let config = SshConfig { agent: ssh_config::Agent::Socket(socket), ..keys.config(&["file", "held"]) };
    let offered = keys.offered(&config, NoPrompt).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(offered, (vec!["agent's held".to_owned(), "file".to_owned()], vec![]));
}

#[test]
fn a_suffix_is_appended_to_the_whole_name() {
    assert_eq!(with_suffix(Path::new("/keys/id.old"), "-cert.pub"), Path::new("/keys/id.old-cert.pub"));
}
