//! How a host is reached: the inventory over `ssh -G` over defaults. The user's `ssh` knows its own configuration best, with
//! every `Include`, `Match` and token in it.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::inventory;

/// So many jump hosts are no mistake yet.
const MOST_JUMPS: usize = 8;

/// How long `ssh -G` may take; a `Match exec` of the user's may be slow.
const ASK: Duration = Duration::from_secs(10);

/// One way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshConfig {
    pub(super) user: String,
    /// What is connected to.
    pub(super) host: String,
    pub(super) port: u16,
    /// Private key files, not all of which need exist.
    pub(super) identity: Vec<PathBuf>,
    /// Files of certificates for these keys, besides those that stand beside them.
    pub(super) certificates: Vec<PathBuf>,
    /// Whether an agent's other keys are left out.
    pub(super) identities_only: bool,
    pub(super) agent: Agent,
    /// Jump hosts, the nearest first.
    pub(super) via: Vec<String>,
    /// The user's and the machine's files of known hosts.
    pub(super) known_hosts: Vec<PathBuf>,
    /// The name it has in them, where that is another one (`HostKeyAlias`).
    pub(super) alias: Option<String>,
    /// A file of keys no host may have (`RevokedHostKeys`).
    pub(super) revoked: Option<PathBuf>,
    pub(super) ssh: inventory::Ssh,
}

/// Where keys may be held that sign without being seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Agent {
    /// As `SSH_AUTH_SOCK` says.
    Environment,
    Socket(PathBuf),
    None,
}

impl SshConfig {
    /// The config of an address. The error is a reason. A jump host that is itself behind another one by the user's
    /// configuration is reached through that.
    pub(super) async fn of(address: &str, ssh: &inventory::Ssh) -> Result<Self, String> {
        let mut config = Self::alone(address, ssh).await?;
        while let (None, Some(first)) = (&ssh.via, config.via.first()) {
            let before = Self::to_jump(first, ssh, None).await?.via;
            let Some(next) = before.first().filter(|next| *next != first) else { break };
            if config.via.contains(next) || config.via.len() >= MOST_JUMPS {
                return Err(format!("its jump hosts never end: {}", config.via.join(" after ")));
            }
            config.via.splice(..0, before);
        }
        Ok(config)
    }

    async fn alone(address: &str, ssh: &inventory::Ssh) -> Result<Self, String> {
        let home = etcetera::home_dir().unwrap_or_default();
        // With all of these given the user's configuration is not asked, which takes a process for each host, unless it has
        // something that an inventory cannot say. A name may be an alias in it.
        let open = ssh.user.is_none()
            || ssh.identity.is_empty()
            || ssh.via.is_none()
            || ssh.port.is_none()
            || address.parse::<IpAddr>().is_err()
            || says_more(&home);
        let said = if open { ask(address, ssh).await? } else { String::new() };
        Self::read(&said, address, ssh, &home)
    }

    /// Reads the answer of `ssh -G`: a line `key value` for each setting.
    fn read(said: &str, address: &str, ssh: &inventory::Ssh, home: &Path) -> Result<Self, String> {
        let mut map: HashMap<&str, Vec<&str>> = HashMap::new();
        for (key, value) in said.lines().filter_map(|line| line.split_once(' ')) {
            map.entry(key).or_default().push(value.trim());
        }
        let one =
            |key: &str| map.get(key).and_then(|all| all.first()).copied().filter(|value| *value != "none");
        if let Some(command) = one("proxycommand").filter(|_| ssh.via.is_none()) {
            return Err(format!(
                "its ssh configuration has the ProxyCommand `{command}`, which is not run here; name the jump host with ProxyJump, or with `via` in the inventory"
            ));
        }
        let us = user()?;
        let user = ssh.user.clone().or_else(|| one("user").map(str::to_owned)).unwrap_or_else(|| us.clone());
        let host = one("hostname").unwrap_or(address).to_owned();
        let port = ssh.port.or_else(|| one("port")?.parse().ok()).unwrap_or(22);
        let mut tokens = Tokens { home, name: address, host: &host, port, user: &user, us: &us, alias: None };
        let alias = one("hostkeyalias").map(|alias| tokens.expand(alias)).transpose()?;
        tokens.alias = alias.as_deref();
        let all = |files: Vec<&str>| -> Result<Vec<PathBuf>, String> {
            files.into_iter().filter(|file| *file != "none").map(|file| tokens.path(file)).collect()
        };
        let words = |key: &str, default: &str| -> Result<Vec<PathBuf>, String> {
            let written = map.get(key).cloned().unwrap_or_else(|| vec![default]);
            all(written.into_iter().flat_map(str::split_whitespace).collect())
        };
        // One a line, blanks and all.
        let lines = |key: &str, default: &[&'static str]| {
            all(map.get(key).cloned().unwrap_or_else(|| default.to_vec()))
        };
        let mut known_hosts = words("userknownhostsfile", "~/.ssh/known_hosts")?;
        known_hosts.extend(words("globalknownhostsfile", "/etc/ssh/ssh_known_hosts")?);
        let identity = if ssh.identity.is_empty() {
            lines("identityfile", &["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"])?
        } else {
            ssh.identity.clone()
        };
        let agent = match map.get("identityagent").and_then(|all| all.first()).copied() {
            None | Some("SSH_AUTH_SOCK") => Agent::Environment,
            Some("none") => Agent::None,
            Some(variable) if variable.starts_with('$') && !variable.starts_with("${") => {
                Agent::Socket(tokens.path(&format!("${{{}}}", &variable[1..]))?)
            }
            Some(socket) => Agent::Socket(tokens.path(socket)?),
        };
        let jumps =
            |text: &str| text.split(',').map(|hop| hop.trim_start_matches("ssh://").to_owned()).collect();
        Ok(Self {
            identity,
            certificates: lines("certificatefile", &[])?,
            identities_only: !ssh.identity.is_empty() || one("identitiesonly") == Some("yes"),
            agent,
            via: ssh.via.clone().unwrap_or_else(|| one("proxyjump").map_or_else(Vec::new, jumps)),
            known_hosts,
            revoked: one("revokedhostkeys").map(|file| tokens.path(file)).transpose()?,
            ssh: ssh.clone(),
            alias,
            user,
            host,
            port,
        })
    }

    /// The config of a jump host on the way, `[user@]host[:port]`, after those `before` it.
    pub(super) async fn of_jump(jump: &str, before: &[String], ssh: &inventory::Ssh) -> Result<Self, String> {
        Self::to_jump(jump, ssh, Some(before.to_vec())).await
    }

    /// The password of the hosts is none of a jump host's business.
    async fn to_jump(jump: &str, ssh: &inventory::Ssh, via: Option<Vec<String>>) -> Result<Self, String> {
        let (user, rest) = jump.split_once('@').map_or((None, jump), |(user, rest)| (Some(user), rest));
        let (host, port) = split_port(rest);
        let user = user.map(str::to_owned);
        let mut own = inventory::Ssh { user, port, via, password: None, ..ssh.clone() };
        if own.user.is_none() && !ssh.identity.is_empty() {
            own.user.clone_from(&ssh.user);
        }
        Self::alone(host, &own).await
    }

    /// The name and port a server has in files of known hosts: an alias stands for both.
    pub(super) fn known_as(&self) -> (&str, u16) {
        self.alias.as_deref().map_or((&self.host, self.port), |alias| (alias, 22))
    }

    /// The command line that does the same, with the keys that are pinned beside the inventory.
    pub(super) fn reproduce(&self, pins: &Path) -> String {
        let mut words = vec!["ssh -v".to_owned()];
        if pins.exists() {
            words.push(format!("-o {}", super::quote(&format!("UserKnownHostsFile={}", pins.display()))));
        }
        if self.port != 22 {
            words.push(format!("-p {}", self.port));
        }
        if !self.via.is_empty() {
            words.push(format!("-J {}", self.via.join(",")));
        }
        words.extend(
            self.ssh.identity.iter().map(|file| format!("-i {}", super::quote(&file.display().to_string()))),
        );
        words.push(format!("{}@{}", self.user, self.host));
        words.join(" ")
    }
}

/// The host, without brackets, and the port behind it.
fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

/// What `ssh` would do; nothing where there is none.
async fn ask(address: &str, ssh: &inventory::Ssh) -> Result<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it connects to nobody: it prints the user's configuration"
    )]
    let mut command = Command::new("ssh");
    command.arg("-G");
    if let Some(user) = &ssh.user {
        command.args(["-l", user]);
    }
    command.args(["--", address]).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = match timeout(ASK, command.output()).await {
        Err(_) => return Err(format!("`ssh -G {address}` gave no answer within {}s", ASK.as_secs())),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Ok(Err(error)) => return Err(format!("`ssh -G {address}` could not be run: {error}")),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`ssh -G {address}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Whether the configuration has what only it can say: where keys of hosts, certificates and the agent are.
fn says_more(home: &Path) -> bool {
    const KEYWORDS: [&str; 7] = [
        "certificatefile",
        "globalknownhostsfile",
        "hostkeyalias",
        "identityagent",
        "include",
        "revokedhostkeys",
        "userknownhostsfile",
    ];
    // Every distribution's own file includes these.
    let parts = std::fs::read_dir("/etc/ssh/ssh_config.d").into_iter().flatten().flatten();
    let files = [home.join(".ssh/config"), "/etc/ssh/ssh_config".into()];
    files.into_iter().chain(parts.map(|part| part.path())).any(|file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().filter(|line| line.trim() != "Include /etc/ssh/ssh_config.d/*.conf").any(|line| {
            let keyword = line.trim().split(|c: char| c.is_whitespace() || c == '=').next();
            keyword.is_some_and(|keyword| KEYWORDS.contains(&keyword.to_ascii_lowercase().as_str()))
        })
    })
}

/// Our own account.
fn user() -> Result<String, String> {
    whoami::username().map_err(|error| format!("the name of this account is not known: {error}; give `user`"))
}

/// What stands for something else in the answers of `ssh -G`, which leaves some of it as it is written
/// (`ssh_config(5)`, TOKENS).
struct Tokens<'a> {
    home: &'a Path,
    /// As it was asked for.
    name: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
    us: &'a str,
    alias: Option<&'a str>,
}

impl Tokens<'_> {
    fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = self.expand(text)?;
        Ok(text.strip_prefix("~/").map_or_else(|| PathBuf::from(&text), |rest| self.home.join(rest)))
    }

    fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, token) = rest.split_at(at);
            expanded.push_str(before);
            let (value, length) = self.token(token, text)?;
            expanded.push_str(&value);
            rest = &token[length..];
        }
        Ok(expanded + rest)
    }

    /// What the token at the beginning stands for, and its length.
    fn token(&self, text: &str, whole: &str) -> Result<(String, usize), String> {
        if let Some((name, _)) = text.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
            #[expect(clippy::disallowed_methods, reason = "the user's ssh configuration names the variable")]
            let value = std::env::var(name);
            let value = value.map_err(|_| format!("`{whole}` names a variable that is not set"))?;
            return Ok((value, name.len() + 3));
        }
        let value = match text.as_bytes().get(..2) {
            Some(b"%%") => "%".to_owned(),
            Some(b"%d") => self.home.display().to_string(),
            Some(b"%h") => self.host.to_owned(),
            Some(b"%k") => self.alias.unwrap_or(self.host).to_owned(),
            Some(b"%n") => self.name.to_owned(),
            Some(b"%p") => self.port.to_string(),
            Some(b"%r") => self.user.to_owned(),
            Some(b"%u") => self.us.to_owned(),
            Some(b"%i") => rustix::process::getuid().as_raw().to_string(),
            _ if text.starts_with('$') => return Ok(("$".to_owned(), 1)),
            _ => return Err(format!("a token in `{whole}` is not known here; write what it stands for")),
        };
        Ok((value, 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "user deploy\nhostname 10.0.0.7\nport 2222\nidentityfile ~/.ssh/id_rsa\nidentityfile /keys/one\n\
                        userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2\n\
                        globalknownhostsfile /etc/ssh/ssh_known_hosts\nproxyjump me@bastion:2200,inner\nidentitiesonly no\n";

    fn read(said: &str, ssh: &inventory::Ssh) -> Result<SshConfig, String> {
        SshConfig::read(said, "n1", ssh, Path::new("/home/me"))
    }

    #[test]
    fn the_users_configuration_counts() {
        let config = read(SAID, &inventory::Ssh::default()).unwrap();
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
        let config = read(SAID, &ssh).unwrap();
        assert_eq!((config.user.as_str(), config.port, config.via.len()), ("root", 22, 0));
        assert_eq!(config.identity, [Path::new("/mine")]);
        let pins = tempfile::NamedTempFile::new().unwrap();
        let pinned = format!("ssh -v -o UserKnownHostsFile={} -i /mine root@10.0.0.7", pins.path().display());
        let said = config.reproduce(pins.path());
        assert_eq!(shlex::split(&said), shlex::split(&pinned));
    }

    #[test]
    fn tokens_and_variables_stand_for_what_ssh_config_says() {
        let said = "user deploy\nhostname 10.0.0.7\nport 2222\nidentityfile %d/.ssh/%h_%r\nidentityfile ~/a%%b\n\
                    identityfile ${PATH}/k\ncertificatefile ~/certs/%n.pub\nhostkeyalias %h.%p\nuserknownhostsfile ~/.ssh/%k\n";
        let config = read(said, &inventory::Ssh::default()).unwrap();
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
        let said = "hostname n1\nproxycommand nc %h %p\n";
        assert!(read(said, &inventory::Ssh::default()).unwrap_err().contains("nc %h %p"));
    }
}
