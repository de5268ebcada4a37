//! Why a host could not be reached: which phase failed, what was offered, and how to reproduce it by hand.

use std::fmt;

/// The phases of connecting, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Config,
    Resolve,
    Tcp,
    Banner,
    KeyExchange,
    HostKey,
    Authentication,
    Channel,
    Sudo,
    Shell,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "its SSH settings cannot be used",
            Self::Resolve => "its name could not be resolved",
            Self::Tcp => "no TCP connection",
            Self::Banner => "the server does not speak SSH",
            Self::KeyExchange => "the key exchange failed",
            Self::HostKey => "its host key is not trusted",
            Self::Authentication => "authentication failed",
            Self::Channel => "no channel could be opened",
            Self::Sudo => "sudo refused",
            Self::Shell => "the shell did not start",
        })
    }
}

/// One failed attempt.
#[derive(Debug, Clone)]
pub(super) struct ConnectError {
    pub(super) phase: Phase,
    pub(super) reason: String,
    /// What to do, where the default hint of the phase does not fit.
    pub(super) hint: Option<String>,
    /// Whether another attempt may succeed.
    pub(super) transient: bool,
}

impl ConnectError {
    pub(super) fn new(phase: Phase, reason: impl Into<String>) -> Self {
        Self { phase, reason: reason.into(), hint: None, transient: false }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure that another attempt may not meet: a busy server, a lost packet.
    pub(super) fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// What to do about it; `reproduce` is the command line that fails in the same way.
    pub(super) fn help(&self, reproduce: &str) -> String {
        let hint = self.hint.as_deref().unwrap_or_else(|| default_hint(self.phase));
        format!("{hint}; to reproduce it by hand: {reproduce}")
    }
}

fn default_hint(phase: Phase) -> &'static str {
    match phase {
        Phase::Config => "fix the [ssh] table of the inventory, or ~/.ssh/config",
        Phase::Resolve => "write the IP address, or fix DNS or /etc/hosts",
        Phase::Tcp => {
            "check that the host is on, that sshd runs there, and that the port is right and open in its firewall"
        }
        Phase::Banner => {
            "check what listens on that port, and whether sshd refuses you (MaxStartups, hosts.deny, penalties)"
        }
        Phase::KeyExchange => "an old server may need legacy = true under [hosts.ssh]",
        Phase::HostKey => "compare the fingerprint on the host's console",
        Phase::Authentication => "check `user` and `identity` under [ssh], and the host's authorized_keys",
        Phase::Channel => "check MaxSessions in its sshd_config",
        Phase::Sudo => "allow this account in sudoers, or use [ssh] user = \"root\"",
        Phase::Shell => "check that the account's login shell starts and a POSIX `sh` is in its PATH",
    }
}
