//! How a host is reached: the inventory over `ssh -G` over defaults. The user's `ssh` knows its own
//! configuration best, with every `Include`, `Match` and token in it.

mod agent;
mod answer;
mod query;
mod tokens;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

pub(super) use self::agent::Agent;
use self::{
    answer::Answer,
    query::{needs_ssh_g, run_ssh_g},
    tokens::Tokens,
};
use super::shell::quote;
use crate::inventory;

/// The longest chain of jump hosts; a longer one is taken for a loop.
const MAX_JUMP_HOSTS: usize = 8;

/// The keys that are offered where the configuration names none.
const DEFAULT_IDENTITIES: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];

/// How one server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshConfig {
    pub(super) user: String,
    /// The name or address to connect to.
    pub(super) host: String,
    pub(super) port: u16,
    /// Private key files, not all of which need exist.
    pub(super) identity: Vec<PathBuf>,
    /// Files of certificates for these keys, besides the ones next to them.
    pub(super) certificates: Vec<PathBuf>,
    /// Whether an agent's other keys are not offered.
    pub(super) identities_only: bool,
    pub(super) agent: Agent,
    /// Jump hosts, the nearest first.
    pub(super) via: Vec<String>,
    /// The user's and the machine's files of known hosts.
    pub(super) known_hosts: Vec<PathBuf>,
    /// Its name in these files, where it differs (`HostKeyAlias`).
    pub(super) alias: Option<String>,
    /// A file of keys no host may have (`RevokedHostKeys`).
    pub(super) revoked: Option<PathBuf>,
    pub(super) ssh: inventory::Ssh,
}

impl SshConfig {
    /// The config of an address. The error is a reason. A jump host that is itself behind another one by the
    /// user's configuration is reached through that.
    pub(super) async fn resolve(address: &str, ssh: &inventory::Ssh) -> Result<Self, String> {
        let mut config = Self::resolve_one(address, ssh).await?;
        while let (None, Some(first)) = (&ssh.via, config.via.first()) {
            let before = Self::resolve_hop(first, ssh, None).await?.via;
            let Some(next) = before.first().filter(|next| *next != first) else { break };
            if config.via.contains(next) || config.via.len() >= MAX_JUMP_HOSTS {
                return Err(format!("its chain of jump hosts has no end: {}", config.via.join(" after ")));
            }
            config.via.splice(..0, before);
        }
        Ok(config)
    }

    async fn resolve_one(address: &str, ssh: &inventory::Ssh) -> Result<Self, String> {
        let home = etcetera::home_dir().unwrap_or_default();
        // With all of these set the user's configuration is not read, which takes a process for each host,
        // unless it has settings that an inventory cannot have. A name may be an alias in it.
        let open = ssh.user.is_none()
            || ssh.identity.is_empty()
            || ssh.via.is_none()
            || ssh.port.is_none()
            || address.parse::<IpAddr>().is_err()
            || needs_ssh_g(&home);
        let answer = if open { run_ssh_g(address, ssh).await? } else { String::new() };
        Self::read(&answer, address, ssh, &home)
    }

    /// The inventory over the answer of `ssh -G` over defaults.
    fn read(answer: &str, address: &str, ssh: &inventory::Ssh, home: &Path) -> Result<Self, String> {
        let answer = Answer::parse(answer);
        if let Some(command) = answer.one("proxycommand").filter(|_| ssh.via.is_none()) {
            return Err(format!(
                "its ssh configuration has the ProxyCommand `{command}`, which provision does not run; \
                 name the jump host with ProxyJump, or with `via` in the inventory"
            ));
        }
        let local_user = local_user()?;
        let user = ssh.user.as_deref().or(answer.one("user")).unwrap_or(&local_user).to_owned();
        let host = answer.one("hostname").unwrap_or(address).to_owned();
        let port = ssh.port.or_else(|| answer.one("port")?.parse().ok()).unwrap_or(22);
        let mut tokens = Tokens {
            home,
            name: address,
            host: &host,
            port,
            user: &user,
            local_user: &local_user,
            alias: None,
        };
        let alias = answer.one("hostkeyalias").map(|alias| tokens.expand(alias)).transpose()?;
        tokens.alias = alias.as_deref();
        let mut known_hosts = tokens.paths(answer.words("userknownhostsfile", "~/.ssh/known_hosts"))?;
        known_hosts.extend(tokens.paths(answer.words("globalknownhostsfile", "/etc/ssh/ssh_known_hosts"))?);
        let identity = match &ssh.identity[..] {
            [] => tokens.paths(answer.lines("identityfile", &DEFAULT_IDENTITIES))?,
            named => named.to_vec(),
        };
        Ok(Self {
            identity,
            certificates: tokens.paths(answer.lines("certificatefile", &[]))?,
            identities_only: !ssh.identity.is_empty() || answer.one("identitiesonly") == Some("yes"),
            agent: Agent::parse(answer.first("identityagent"), &tokens)?,
            via: ssh.via.clone().unwrap_or_else(|| answer.jump_hosts()),
            known_hosts,
            revoked: answer.one("revokedhostkeys").map(|file| tokens.path(file)).transpose()?,
            ssh: ssh.clone(),
            alias,
            user,
            host,
            port,
        })
    }

    /// The config of a jump host on the way, `[user@]host[:port]`, after those `before` it.
    pub(super) async fn resolve_jump(
        jump: &str,
        before: &[String],
        ssh: &inventory::Ssh,
    ) -> Result<Self, String> {
        Self::resolve_hop(jump, ssh, Some(before.to_vec())).await
    }

    /// A jump host gets no password: the one in the inventory is that of the hosts behind it.
    async fn resolve_hop(jump: &str, ssh: &inventory::Ssh, via: Option<Vec<String>>) -> Result<Self, String> {
        let (user, rest) = jump.split_once('@').map_or((None, jump), |(user, rest)| (Some(user), rest));
        let (host, port) = split_port(rest);
        let user = user.map(str::to_owned);
        let mut own = inventory::Ssh { user, port, via, password: None, ..ssh.clone() };
        if own.user.is_none() && !ssh.identity.is_empty() {
            own.user.clone_from(&ssh.user);
        }
        Self::resolve_one(host, &own).await
    }

    /// The name and port of a server in files of known hosts: an alias replaces both.
    pub(super) fn known_as(&self) -> (&str, u16) {
        self.alias.as_deref().map_or((&self.host, self.port), |alias| (alias, 22))
    }

    /// The command line that does the same, with the keys that are pinned beside the inventory.
    pub(super) fn reproduce(&self, pins: &Path) -> String {
        let mut words = vec!["ssh -v".to_owned()];
        if pins.exists() {
            words.push(format!("-o {}", quote(&format!("UserKnownHostsFile={}", pins.display()))));
        }
        if self.port != 22 {
            words.push(format!("-p {}", self.port));
        }
        if !self.via.is_empty() {
            words.push(format!("-J {}", self.via.join(",")));
        }
        words.extend(
            self.ssh.identity.iter().map(|file| format!("-i {}", quote(&file.display().to_string()))),
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

/// Our own account.
fn local_user() -> Result<String, String> {
    whoami::username().map_err(|error| format!("the name of this account is not known: {error}; set `user`"))
}

#[cfg(test)]
mod tests;
