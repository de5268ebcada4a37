use proptest::prelude::*;

use super::*;
use crate::mutated::mutated;

const ANSWER: &str = "user deploy\nhostname 10.0.0.7\nport 2222\nidentityfile ~/.ssh/id_rsa\nidentityfile /keys/one\n\
                    userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2\n\
                    globalknownhostsfile /etc/ssh/ssh_known_hosts\nproxyjump me@bastion:2200,inner\nidentitiesonly no\n";

fn read(answer: &str, ssh: &inventory::Ssh) -> Result<SshConfig, String> {
    SshConfig::read(answer, "n1", ssh, Path::new("/home/me"))
}

#[test]
fn the_users_configuration_counts() {
    let config = read(ANSWER, &inventory::Ssh::default()).unwrap();
    assert_eq!((config.user.as_str(), config.host.as_str(), config.port), ("deploy", "10.0.0.7", 2222));
    assert_eq!(config.identity, [Path::new("/home/me/.ssh/id_rsa"), Path::new("/keys/one")]);
    assert_eq!(config.via, ["me@bastion:2200", "inner"]);
    assert_eq!(config.known_hosts.len(), 3);
    assert_eq!(
        config.reproduce(Path::new("/no/pins")),
        "ssh -v -p 2222 -J me@bastion:2200,inner deploy@10.0.0.7"
    );
}

#[test]
fn the_inventory_has_the_last_word() {
    let ssh = inventory::Ssh {
        user: Some("root".to_owned()),
        port: Some(22),
        identity: vec!["/mine".into()],
        via: Some(Vec::new()),
        ..inventory::Ssh::default()
    };
    let config = read(ANSWER, &ssh).unwrap();
    assert_eq!((config.user.as_str(), config.port, config.via.len()), ("root", 22, 0));
    assert_eq!(config.identity, [Path::new("/mine")]);
    let pins = tempfile::NamedTempFile::new().unwrap();
    let pinned = format!("ssh -v -o UserKnownHostsFile={} -i /mine root@10.0.0.7", pins.path().display());
    let command = config.reproduce(pins.path());
    assert_eq!(shlex::split(&command), shlex::split(&pinned));
}

#[test]
fn tokens_and_variables_stand_for_what_ssh_config_says() {
    let answer = "user deploy\nhostname 10.0.0.7\nport 2222\nidentityfile %d/.ssh/%h_%r\nidentityfile ~/a%%b\n\
                identityfile ${PATH}/k\ncertificatefile ~/certs/%n.pub\nhostkeyalias %h.%p\nuserknownhostsfile ~/.ssh/%k\n";
    let config = read(answer, &inventory::Ssh::default()).unwrap();
    let home = Path::new("/home/me");
    assert_eq!(config.identity[..2], [home.join(".ssh/10.0.0.7_deploy"), home.join("a%b")]);
    assert!(!config.identity[2].to_string_lossy().contains('$'));
    assert_eq!(config.certificates, [home.join("certs/n1.pub")]);
    assert_eq!(config.known_as(), ("10.0.0.7.2222", 22));
    assert_eq!(config.known_hosts[0], home.join(".ssh/10.0.0.7.2222"));
    for unknown in ["identityfile ~/%q", "identityfile ${NO_SUCH_VARIABLE_HERE}"] {
        assert!(read(&format!("hostname n1\n{unknown}\n"), &inventory::Ssh::default()).is_err());
    }
}

#[test]
fn a_proxy_command_is_named() {
    let answer = "hostname n1\nproxycommand nc %h %p\n";
    assert!(read(answer, &inventory::Ssh::default()).unwrap_err().contains("nc %h %p"));
}

/// The answer of `ssh -G`, with more lines.
fn with(lines: &str) -> Result<SshConfig, String> {
    read(&format!("hostname 10.0.0.7\n{lines}\n"), &inventory::Ssh::default())
}

#[test]
fn without_an_answer_the_defaults_of_ssh_count() {
    let config = read("", &inventory::Ssh::default()).unwrap();
    let home = Path::new("/home/me/.ssh");
    assert_eq!((config.host.as_str(), config.port), ("n1", 22));
    assert_eq!(config.identity, ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| home.join(name)));
    assert_eq!(config.known_hosts, [home.join("known_hosts"), PathBuf::from("/etc/ssh/ssh_known_hosts")]);
    assert_eq!((config.agent, config.identities_only, config.via.len()), (Agent::Environment, false, 0));
}

#[test]
fn the_agent_is_the_one_the_configuration_names() {
    let agent = |line: &str| with(line).unwrap().agent;
    assert_eq!(agent("identityagent none"), Agent::None);
    assert_eq!(agent("identityagent SSH_AUTH_SOCK"), Agent::Environment);
    assert_eq!(agent("identityagent ~/agent"), Agent::Socket("/home/me/agent".into()));
    assert!(matches!(agent("identityagent $HOME"), Agent::Socket(path) if path.is_absolute()));
}

#[test]
fn none_is_no_value() {
    let config = with(
        "identityfile none\nuserknownhostsfile none\nproxyjump none\nhostkeyalias none\n\
                       revokedhostkeys none\nproxycommand none",
    )
    .unwrap();
    assert!(config.identity.is_empty() && config.via.is_empty());
    assert_eq!(config.known_hosts, [Path::new("/etc/ssh/ssh_known_hosts")]);
    assert_eq!((config.alias, config.revoked), (None, None));
}

#[test]
fn a_key_of_the_inventory_is_the_only_one() {
    let ssh = inventory::Ssh { identity: vec!["/mine".into()], ..inventory::Ssh::default() };
    assert!(read(ANSWER, &ssh).unwrap().identities_only);
    assert!(!read(ANSWER, &inventory::Ssh::default()).unwrap().identities_only);
    assert!(with("identitiesonly yes").unwrap().identities_only);
}

#[test]
fn a_proxy_command_does_not_matter_where_the_inventory_names_the_jump_host() {
    let ssh = inventory::Ssh { via: Some(vec!["jump".to_owned()]), ..inventory::Ssh::default() };
    assert_eq!(read("hostname n1\nproxycommand nc %h %p\n", &ssh).unwrap().via, ["jump"]);
}

#[test]
fn jump_hosts_may_be_written_as_addresses_of_ssh() {
    assert_eq!(with("proxyjump ssh://me@one:2200,ssh://two").unwrap().via, ["me@one:2200", "two"]);
}

#[test]
fn a_host_and_its_port_are_split_at_the_right_colon() {
    for (text, host, port) in [
        ("n1", "n1", None),
        ("n1:2222", "n1", Some(2222)),
        ("10.0.0.7:22", "10.0.0.7", Some(22)),
        ("::1", "::1", None),
        ("fe80::1:22", "fe80::1:22", None),
        ("[::1]", "::1", None),
        ("[::1]:2222", "::1", Some(2222)),
        ("n1:port", "n1", None),
    ] {
        assert_eq!(split_port(text), (host, port), "{text}");
    }
}

#[tokio::test]
async fn a_jump_host_has_its_own_user_and_port_and_no_password_of_the_hosts() {
    let password = crate::secret::Credential::Kept(crate::secret::SecretSource::Env("X".to_owned()));
    let ssh = inventory::Ssh {
        user: Some("deploy".to_owned()),
        port: Some(2222),
        identity: vec!["/mine".into()],
        via: Some(vec!["ignored".to_owned()]),
        password: Some(password),
        ..inventory::Ssh::default()
    };
    let config = SshConfig::resolve_jump("me@10.0.0.9:2200", &["10.0.0.8".to_owned()], &ssh).await.unwrap();
    assert_eq!((config.user.as_str(), config.host.as_str(), config.port), ("me", "10.0.0.9", 2200));
    assert_eq!(config.via, ["10.0.0.8"], "it is behind the ones before it");
    assert!(config.ssh.password.is_none() && config.identity == [Path::new("/mine")]);
    let config = SshConfig::resolve_jump("10.0.0.9", &[], &ssh).await.unwrap();
    assert_eq!(config.user, "deploy", "with a key of the inventory its user counts, too");
}

#[test]
fn an_alias_replaces_host_and_port_in_known_hosts() {
    let config = with("port 2222").unwrap();
    assert_eq!(config.known_as(), ("10.0.0.7", 2222));
    let config = with("port 2222\nhostkeyalias Name").unwrap();
    assert_eq!(config.known_as(), ("Name", 22));
}

#[test]
fn settings_that_an_inventory_cannot_have_are_found_in_the_users_configuration() {
    use super::query::needs_ssh_g;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let needs = |text: &str| {
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(home.path().join(".ssh/config"), text).unwrap();
        needs_ssh_g(home.path())
    };
    // The machine's own file counts, too: only a machine without such settings shows the difference.
    if needs("Host n1\n  User me\n") {
        return;
    }
    for text in ["UserKnownHostsFile ~/x", "  identityagent=none", "Include other", "RevokedHostKeys\t/x"] {
        assert!(needs(text), "{text}");
    }
    assert!(!needs("# Include other\nUser include\n"));
}

proptest! {
    #[test]
    fn whatever_ssh_answers_is_read_or_refused(answer in mutated(ANSWER)) {
        if let Ok(config) = read(&answer, &inventory::Ssh::default()) {
            let _ = (config.known_as(), config.reproduce(Path::new("/pins")));
        }
    }
}
