//! Connecting to the hosts of a fleet, and locking them.

use std::{collections::BTreeMap, iter, sync::OnceLock};

use futures_util::future::join_all;

use super::{args::Trust, exit::Failure, prompt::Terminal, unreachable::Unreachable};
use crate::{
    host::{Connector, LockedHost, Pool, Probe},
    inspect::{HostHandle, LockedSessions, ProbeSessions, Session, Sessions},
    inventory::Fleet,
    report,
    units::HostName,
};

/// Connects to all hosts at once. The run goes on with those that answer; at least one must.
pub(super) async fn connect(
    fleet: &Fleet,
    trust: Trust,
    unreachable: &mut Unreachable,
) -> Result<BTreeMap<HostName, Probe>, Failure> {
    let connector = Connector::new(fleet.known_hosts(), trust.accept_new, Box::new(Terminal));
    let pool = Pool::new(connector);
    let connecting = fleet.hosts.iter().map(|host| async {
        let probe = Probe::connect(host, &pool).await;
        (host.name.clone(), probe)
    });
    let mut probes = BTreeMap::new();
    for (name, probe) in join_all(connecting).await {
        match probe {
            Ok(probe) => drop(probes.insert(name, probe)),
            Err(error) => unreachable.add(name, error),
        }
    }
    unreachable.require_some(!probes.is_empty())?;
    Ok(probes)
}

/// Sessions with all hosts that answer, for verbs that only read.
pub(super) async fn open(
    fleet: &Fleet,
    trust: Trust,
    unreachable: &mut Unreachable,
) -> Result<ProbeSessions, Failure> {
    let probes = connect(fleet, trust, unreachable).await?;
    sessions(fleet, probes, unreachable).await
}

/// Takes the cluster's lock on all connected hosts, on the first one first. A host that is lost meanwhile has
/// no session.
pub(super) async fn lock(
    fleet: &Fleet,
    probes: BTreeMap<HostName, Probe>,
    unreachable: &mut Unreachable,
) -> Result<LockedSessions, Failure> {
    let holder = holder();
    let reported = OnceLock::new();
    // All hosts have the same holder, which is reported once.
    let waits = |other: &str| {
        if reported.set(()).is_ok() {
            report::note(&format!(
                "waiting up to 15s for another run that changes cluster {}: {other}",
                fleet.name
            ));
        }
    };
    let (mut open, mut locked) = (probes, BTreeMap::<HostName, LockedHost>::new());
    while let Some(first) = open.pop_first() {
        // Of two runs that begin together one gets the first host, and with it all others: else each would
        // get some.
        let others = if locked.is_empty() { BTreeMap::new() } else { std::mem::take(&mut open) };
        let locking = iter::once(first).chain(others).map(|(name, probe)| {
            let (holder, waits) = (&holder, &waits);
            async move { (name, probe.lock(&fleet.name, holder, waits).await) }
        });
        for (name, host) in join_all(locking).await {
            match host {
                Ok(host) => drop(locked.insert(name, host)),
                Err(error) if error.is_lost() => unreachable.add(name, error),
                Err(error) => return Err(error.into()),
            }
        }
    }
    unreachable.require_some(!locked.is_empty())?;
    sessions(fleet, locked, unreachable).await
}

async fn sessions<H: HostHandle>(
    fleet: &Fleet,
    hosts: BTreeMap<HostName, H>,
    unreachable: &mut Unreachable,
) -> Result<Sessions<H>, Failure> {
    let opening = hosts.into_iter().map(async |(name, host)| (name, Session::open(fleet, host).await));
    let mut sessions = Sessions::default();
    for (name, session) in join_all(opening).await {
        match session {
            Ok(session) => sessions.insert(name, session),
            Err(error) if error.is_lost() => unreachable.add(name, error),
            Err(error) => return Err(error.into()),
        }
    }
    unreachable.require_some(!sessions.is_empty())?;
    Ok(sessions)
}

/// Releases the locks: when this returns, the next command can take them.
pub(super) async fn release(sessions: LockedSessions) {
    join_all(sessions.into_hosts().map(|(_, host)| host.release())).await;
}

/// Names this run to others that find the lock taken.
fn holder() -> String {
    let uname = rustix::system::uname();
    let machine = uname.nodename().to_string_lossy();
    let uid = rustix::process::getuid().as_raw();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("user {uid} on {machine}, process {}, since {now}", std::process::id())
}
