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

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 10] = [
        Phase::Config,
        Phase::Resolve,
        Phase::Tcp,
        Phase::Banner,
        Phase::KeyExchange,
        Phase::HostKey,
        Phase::Authentication,
        Phase::Channel,
        Phase::Sudo,
        Phase::Shell,
    ];

    #[test]
    fn every_phase_has_a_text_and_a_hint_of_its_own() {
        for text in [|phase: Phase| phase.to_string(), |phase| default_hint(phase).to_owned()] {
            let texts: std::collections::BTreeSet<String> = PHASES.into_iter().map(text).collect();
            assert_eq!(texts.len(), PHASES.len(), "{texts:?}");
            assert!(texts.iter().all(|text| !text.is_empty() && !text.ends_with('.')));
        }
    }

    #[test]
    fn help_is_the_hint_and_the_command_that_fails_in_the_same_way() {
        let failed = ConnectError::new(Phase::KeyExchange, "no common algorithm");
        let help =
            "an old server may need legacy = true under [hosts.ssh]; to reproduce it by hand: ssh -v root@n1";
        assert_eq!(failed.help("ssh -v root@n1"), help);
        let help = failed.hint("upgrade it").help("ssh -v root@n1");
        assert_eq!(help, "upgrade it; to reproduce it by hand: ssh -v root@n1");
    }

    #[test]
    fn only_what_is_said_to_be_transient_is() {
        let failed = ConnectError::new(Phase::Tcp, "refused");
        assert!(!failed.transient && failed.transient().transient);
    }
}
