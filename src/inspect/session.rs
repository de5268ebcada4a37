//! One value for each connected host: the handle that reaches it, its facts, and the paths that follow from
//! them.

use std::collections::BTreeMap;

use crate::{
    host::{self, Facts, LockedHost, Probe},
    inventory::Fleet,
    resource::Layout,
    units::HostName,
};

/// A handle on a host that can at least ask: a [`Probe`], or a [`LockedHost`] where the host may be changed.
pub trait HostHandle {
    /// The read-only side.
    fn probe(&self) -> &Probe;
}

impl HostHandle for Probe {
    fn probe(&self) -> &Probe {
        self
    }
}

impl HostHandle for LockedHost {
    fn probe(&self) -> &Probe {
        Self::probe(self)
    }
}

/// A connected host. `H` is what may be done with it: [`Probe`] for the verbs that only read, [`LockedHost`]
/// for the others.
#[derive(Debug)]
pub struct Session<H> {
    /// The handle: what may be done with the host.
    pub host: H,
    /// What the host said about itself when it was connected.
    pub facts: Facts,
    /// Made once: every path on the host comes from here.
    pub layout: Layout,
}

impl<H: HostHandle> Session<H> {
    /// Asks for the facts, which a connected host has already given, and derives the layout. Fails where the
    /// host is lost, or its answer is not understood.
    pub async fn open(fleet: &Fleet, host: H) -> Result<Self, host::Error> {
        let facts = host.probe().facts().await?;
        let layout = Layout::new(fleet, &facts);
        Ok(Self { host, facts, layout })
    }

    /// The read-only side of the host.
    pub fn probe(&self) -> &Probe {
        self.host.probe()
    }
}

/// A defect of provision: a host it must work on, without a session. Skipping the host would look like
/// success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("internal error: {host} takes part in this run, and there is no session with it")]
#[diagnostic(help(
    "please report this, with the inventory and the plan (`provision plan INVENTORY -o FILE`); nothing was changed on \
     {host} by this step, and running the same command again is safe"
))]
pub struct NoSession {
    /// Its name in the inventory.
    pub host: HostName,
}

/// The sessions of one run, by the host's name in the inventory.
#[derive(Debug)]
pub struct Sessions<H>(BTreeMap<HostName, Session<H>>);

/// The sessions of a verb that only reads.
pub type ProbeSessions = Sessions<Probe>;

/// The sessions of a verb that changes hosts.
pub type LockedSessions = Sessions<LockedHost>;

impl<H> Default for Sessions<H> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<H> Sessions<H> {
    /// The session with a host that takes part; that there is none is an error, and never a reason to skip
    /// the host.
    pub fn get(&self, host: &HostName) -> Result<&Session<H>, NoSession> {
        self.0.get(host).ok_or_else(|| NoSession { host: host.clone() })
    }

    pub fn insert(&mut self, host: HostName, session: Session<H>) {
        self.0.insert(host, session);
    }

    /// Takes out a host that was lost.
    pub fn remove(&mut self, host: &HostName) -> Option<Session<H>> {
        self.0.remove(host)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sessions in the order of the hosts' names.
    pub fn iter(&self) -> impl Iterator<Item = (&HostName, &Session<H>)> {
        self.0.iter()
    }

    /// The read-only sides, in the order of the hosts' names.
    pub fn probes(&self) -> impl Iterator<Item = &Probe>
    where
        H: HostHandle,
    {
        self.0.values().map(Session::probe)
    }

    /// Ends the sessions, and gives back what they were made from.
    pub fn into_hosts(self) -> impl Iterator<Item = (HostName, H)> {
        self.0.into_iter().map(|(name, session)| (name, session.host))
    }
}

impl LockedSessions {
    /// The locked hosts, in the order of their names.
    pub fn locked_hosts(&self) -> impl Iterator<Item = &LockedHost> {
        self.0.values().map(|session| &session.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_session_is_an_error_that_names_it_and_asks_for_a_report() {
        let sessions = LockedSessions::default();
        let error = sessions.get(&"web-1".into()).err().unwrap();
        assert_eq!(error, NoSession { host: "web-1".into() });
        assert!(error.to_string().starts_with("internal error: web-1 "), "{error}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.contains("please report this"), "{help}");
    }
}
