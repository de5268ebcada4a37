//! Why a host could not be reached, in words: which phase failed, what was offered, and how to see it again by hand.

use std::fmt;

/// What connecting goes through, in this order.
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
            Self::Banner => "what answers does not speak SSH",
            Self::KeyExchange => "the key exchange failed",
            Self::HostKey => "its host key is not trusted",
            Self::Authentication => "authentication failed",
            Self::Channel => "no channel could be opened",
            Self::Sudo => "sudo did not let us in",
            Self::Shell => "the shell did not start",
        })
    }
}

/// One failed attempt.
#[derive(Debug, Clone)]
pub(super) struct ConnectError {
    pub(super) phase: Phase,
    pub(super) reason: String,
    /// What to do, where the phase alone does not say it.
    pub(super) hint: Option<String>,
    /// Whether another attempt may go better.
    pub(super) transient: bool,
}

impl ConnectError {
    pub(super) fn new(phase: Phase, reason: impl Into<String>) -> Self {
        Self { phase, reason: reason.into(), hint: None, transient: false }
    }

    pub(super) fn hint(mut self, fix: impl Into<String>) -> Self {
        self.hint = Some(fix.into());
        self
    }

    /// A failure that may pass: a busy server, a lost packet.
    pub(super) fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// What to do about it; `reproduce` is the command line that fails in the same way.
    pub(super) fn help(&self, reproduce: &str) -> String {
        let fix = self.hint.clone().unwrap_or_else(|| advice(self.phase).to_owned());
        format!("{fix}; to see it by hand: {reproduce}")
    }
}

fn advice(phase: Phase) -> &'static str {
    match phase {
        Phase::Config => "mend the [ssh] table of the inventory, or ~/.ssh/config",
        Phase::Resolve => "write the IP address, or mend DNS or /etc/hosts",
        Phase::Tcp => "see that the host is on, that sshd runs there, and that port and firewall let you in",
        Phase::Banner => {
            "see what listens on that port, and whether sshd turns you away (MaxStartups, hosts.deny, penalties)"
        }
        Phase::KeyExchange => "an old server may need legacy = true under [hosts.ssh]",
        Phase::HostKey => "compare the fingerprint with the host's prompt",
        Phase::Authentication => "see `user` and `identity` under [ssh], and the host's authorized_keys",
        Phase::Channel => "see MaxSessions in its sshd_config",
        Phase::Sudo => "allow this account in sudoers, or use [ssh] user = \"root\"",
        Phase::Shell => "see that the account's login shell starts and a POSIX `sh` is in its PATH",
    }
}
