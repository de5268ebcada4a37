//! The hosts a verb could not reach: each is reported once, however the verb ends.

use std::collections::{BTreeMap, BTreeSet};

use super::exit::{Exit, Failure};
use crate::{host, report, units::HostName};

/// Hosts that could not be reached, or were lost, with the reason of each.
#[derive(Default)]
pub(super) struct Unreachable(BTreeMap<HostName, host::Error>);

/// Runs a verb; when it has ended, well or not, reports each host it could not reach, with its reason and its
/// fix.
pub(super) async fn reporting_unreachable(
    verb: impl AsyncFnOnce(&mut Unreachable) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let mut unreachable = Unreachable::default();
    let ended = verb(&mut unreachable).await;
    for error in unreachable.0.into_values() {
        report::failure(&error.into());
    }
    ended
}

impl Unreachable {
    pub(super) fn add(&mut self, host: HostName, error: host::Error) {
        self.0.insert(host, error);
    }

    /// Whether a host of the limit is missing; no limit means all hosts.
    pub(super) fn is_partial(&self, limit: Option<&BTreeSet<HostName>>) -> bool {
        self.0.keys().any(|host| limit.is_none_or(|limit| limit.contains(host)))
    }

    /// How the verb ends: a missing host of the limit makes it a failure.
    pub(super) fn exit(&self, exit: Exit, limit: Option<&BTreeSet<HostName>>) -> Exit {
        if self.is_partial(limit) { Exit::Failed } else { exit }
    }

    /// Without any connected host the verb ends, with the reason of the last one.
    pub(super) fn require_some(&mut self, connected: bool) -> Result<(), Failure> {
        match if connected { None } else { self.0.pop_last() } {
            Some((_, last)) => Err(last.into()),
            None => Ok(()),
        }
    }

    /// Ends the verb if one of these hosts is missing, with the reason of the first one.
    pub(super) fn require_all<'a>(
        &mut self,
        hosts: impl IntoIterator<Item = &'a HostName>,
    ) -> Result<(), Failure> {
        match hosts.into_iter().find_map(|host| self.0.remove(host)) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// The reasons, for the plan.
    pub(super) fn reasons(&self) -> BTreeMap<HostName, String> {
        self.0.iter().map(|(host, error)| (host.clone(), error.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(hosts: &[&str]) -> Unreachable {
        let mut unreachable = Unreachable::default();
        for host in hosts {
            let (name, what) = (HostName::from(*host), "facts".to_owned());
            let error = host::Error::ShellLost { host: name.clone(), what, said: String::new() };
            unreachable.add(name, error);
        }
        unreachable
    }

    fn set(hosts: &[&str]) -> BTreeSet<HostName> {
        hosts.iter().copied().map(HostName::from).collect()
    }

    #[test]
    fn a_missing_host_counts_only_within_the_limit() {
        let unreachable = lost(&["b"]);
        assert!(unreachable.is_partial(None));
        assert!(unreachable.is_partial(Some(&set(&["a", "b"]))));
        assert!(!unreachable.is_partial(Some(&set(&["a"]))));
        assert!(!Unreachable::default().is_partial(None));
        assert_eq!(unreachable.exit(Exit::Changes, None), Exit::Failed);
        assert_eq!(unreachable.exit(Exit::Changes, Some(&set(&["a"]))), Exit::Changes);
    }

    #[test]
    fn with_no_host_left_the_last_reason_is_the_failure_and_not_reported_twice() {
        let mut unreachable = lost(&["a", "b"]);
        assert!(unreachable.require_some(true).is_ok());
        let failure = unreachable.require_some(false).err().unwrap();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.report.to_string().starts_with("b: "), "{}", failure.report);
        assert_eq!(unreachable.reasons().into_keys().collect::<Vec<_>>(), ["a"]);
        assert!(Unreachable::default().require_some(false).is_ok());
    }

    #[test]
    fn a_saved_plan_needs_all_its_hosts_and_no_others() {
        let (plan, other) = (set(&["a", "c"]), set(&["a"]));
        let mut unreachable = lost(&["b", "c"]);
        assert!(unreachable.require_all(&other).is_ok());
        let failure = unreachable.require_all(&plan).err().unwrap();
        assert!(failure.report.to_string().starts_with("c: "), "{}", failure.report);
        assert_eq!(unreachable.reasons().into_keys().collect::<Vec<_>>(), ["b"]);
    }

    #[tokio::test]
    async fn the_result_of_the_verb_is_kept() {
        let done = reporting_unreachable(async |_| Ok(Exit::Changes)).await;
        assert!(matches!(done, Ok(Exit::Changes)));
        let failed = reporting_unreachable(async |_| Err(Failure::usage(miette::miette!("no")))).await;
        assert_eq!(failed.err().map(|failure| failure.exit), Some(Exit::Usage));
    }
}
