//! The directives that formation and hand-over set for a while, and the values they have otherwise.

use crate::{
    inventory::{Fleet, Node},
    redis::Reply,
};

/// A directive that is changed while a cluster forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tunable {
    /// Milliseconds between the pings of a node to its peers; only newer engines have it.
    PingInterval,
    /// Seconds a master waits for more replicas before it begins a full synchronisation.
    SyncDelay,
    /// Seconds between the pings of a master to its replicas.
    ReplicaPingPeriod,
}

impl Tunable {
    pub(super) const ALL: [Self; 3] = [Self::PingInterval, Self::SyncDelay, Self::ReplicaPingPeriod];

    /// The directive's name in every supported version.
    pub fn name(self) -> &'static str {
        match self {
            Self::PingInterval => "cluster-ping-interval",
            Self::SyncDelay => "repl-diskless-sync-delay",
            Self::ReplicaPingPeriod => "repl-ping-replica-period",
        }
    }

    /// The value while a cluster forms: gossip goes out within 0.1 s, and replicas synchronise at once.
    pub(super) fn forming_value(self) -> &'static str {
        match self {
            Self::PingInterval => "100",
            Self::SyncDelay => "0",
            Self::ReplicaPingPeriod => "1",
        }
    }

    /// The engine's default in every supported version.
    fn default_value(self) -> &'static str {
        match self {
            Self::PingInterval => "0",
            Self::SyncDelay => "5",
            Self::ReplicaPingPeriod => "10",
        }
    }

    /// The value when no formation is going on: the inventory's, else the engine's default.
    pub(super) fn resting_value(self, fleet: &Fleet, node: &Node) -> String {
        let old_name = self.name().replace("replica", "slave");
        let configured = [&node.config, &fleet.config]
            .into_iter()
            .find_map(|config| config.get(self.name()).or_else(|| config.get(&old_name))?.last());
        configured.map_or_else(|| self.default_value().to_owned(), Clone::clone)
    }
}

/// The running values of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuning([Option<String>; 3]);

impl Tuning {
    /// From the answers to `CONFIG GET`, in the order of [`Tunable::ALL`].
    pub(super) fn parse(replies: &[Reply]) -> Self {
        let mut tuning = Self::default();
        for (value, reply) in tuning.0.iter_mut().zip(replies) {
            *value = reply.config_value().map(str::to_owned);
        }
        tuning
    }

    /// The running value; `None` where the engine does not know the directive.
    pub fn get(&self, directive: Tunable) -> Option<&str> {
        self.0[directive as usize].as_deref()
    }

    #[cfg(test)]
    pub(super) fn set(&mut self, directive: Tunable, value: &str) {
        self.0[directive as usize] = Some(value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::six;

    #[test]
    fn a_directive_rests_at_the_value_of_the_node_the_fleet_or_the_engine() {
        let mut fleet = six();
        let value = |fleet: &Fleet| Tunable::SyncDelay.resting_value(fleet, &fleet.hosts[0].nodes[0]);
        assert_eq!(value(&fleet), "5");
        fleet.config.insert("repl-diskless-sync-delay".to_owned(), vec!["7".to_owned()]);
        assert_eq!(value(&fleet), "7");
        let own = vec!["8".to_owned(), "9".to_owned()];
        fleet.hosts[0].nodes[0].config.insert("repl-diskless-sync-delay".to_owned(), own);
        assert_eq!(value(&fleet), "9", "the last line counts");
    }

    #[test]
    fn the_older_name_of_a_directive_counts_too() {
        let mut fleet = six();
        fleet.config.insert("repl-ping-slave-period".to_owned(), vec!["3".to_owned()]);
        assert_eq!(Tunable::ReplicaPingPeriod.resting_value(&fleet, &fleet.hosts[0].nodes[0]), "3");
    }

    #[test]
    fn values_are_read_in_the_order_of_the_queries() {
        let value = |value: &str| Reply::List(vec![Reply::Nil, Reply::Text(value.to_owned())]);
        let tuning = Tuning::parse(&[value("100"), Reply::List(Vec::new()), value("1")]);
        let values = Tunable::ALL.map(|directive| tuning.get(directive).map(str::to_owned));
        assert_eq!(values, [Some("100".to_owned()), None, Some("1".to_owned())]);
    }
}
