use super::*;

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
