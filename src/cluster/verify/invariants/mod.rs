//! The numbered invariants: a table, and a check each. Ids never change and are never used again; a check
//! that cannot apply says so instead of being left out.

mod durability;
mod epochs;
mod facts;
mod flags;
mod identity;
mod replication;
mod roles;
mod service;
mod slots;

pub(super) use facts::Facts;

use super::evidence::Check;

/// One numbered statement about a cluster, and how it is checked.
pub(super) struct InvariantCheck {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Whether waiting may make it hold; false for binaries, logs, configuration and units.
    pub(super) converges: bool,
    pub(super) check: fn(&Facts<'_>) -> Check,
}

const fn converging(id: &'static str, title: &'static str, check: fn(&Facts<'_>) -> Check) -> InvariantCheck {
    InvariantCheck { id, title, converges: true, check }
}

const fn lasting(id: &'static str, title: &'static str, check: fn(&Facts<'_>) -> Check) -> InvariantCheck {
    InvariantCheck { id, title, converges: false, check }
}

/// All invariants, in the order of their ids.
pub(super) const TABLE: [InvariantCheck; 37] = [
    lasting("I1", "node ids are distinct", identity::distinct_ids),
    converging("I2", "every node knows exactly the nodes of the fleet", identity::known_nodes),
    converging("I3", "every node has every address right", identity::addresses),
    lasting("I4", "one engine, version and build", identity::one_build),
    lasting("I5", "the processes run the installed binary", identity::installed_binary),
    converging("I6", "no node is failing, unknown or in handshake", flags::flags),
    converging("I7", "every link is connected", flags::connected_links),
    converging("I8", "links exist in both directions", flags::links_both_ways),
    converging("I9", "pings are answered in time", flags::pings_answered),
    converging("I10", "every slot has one owner, the same on all nodes", slots::one_owner),
    converging("I11", "slot ranges are the planned ones", slots::planned_ranges),
    converging("I12", "no slot is being migrated", slots::no_migration),
    converging("I13", "all slots are ok", slots::all_ok),
    converging("I14", "replicas own no slots", slots::replicas_own_none),
    converging("I15", "the cluster has the planned size", slots::cluster_size),
    converging("I16", "masters have distinct epochs", epochs::distinct_epochs),
    converging("I17", "all nodes agree on each master's epoch", epochs::agreed_epochs),
    converging("I18", "the current epoch is the same on all nodes", epochs::current_epoch),
    converging("I19", "each master has its replicas", roles::replica_count),
    converging("I20", "replicas follow their master's address", roles::master_address),
    converging("I21", "a master and its replicas are apart", roles::separation),
    converging("I22", "replicas are online at their master", replication::online_at_master),
    converging("I23", "replicas have their link and are read-only", replication::replica_link),
    converging("I24", "a shard has one replication id", replication::replication_id),
    converging("I25", "writes reach the replicas: WAIT, offset gap 0", replication::writes_acknowledged),
    converging("I26", "what was written is read from the replicas", replication::replica_reads),
    converging("I27", "no replica syncs again and again", replication::no_repeated_syncs),
    converging("I28", "ROLE agrees with CLUSTER NODES", replication::role_agrees),
    converging("I29", "cluster_state is ok and every master takes writes", service::writable),
    converging("I30", "the wrong node redirects", service::redirects),
    converging("I31", "the probe keys are gone", service::probes_removed),
    lasting("I32", "no faults in the logs since start", service::log_faults),
    converging("I33", "nodes.conf on disk is what is live", durability::nodes_conf),
    converging("I34", "persistence works", durability::persistence),
    lasting("I35", "running configuration is the rendered one", durability::running_config),
    lasting("I36", "units start at boot", durability::units_enabled),
    converging("I37", "settings of the formation are put back", durability::settings_restored),
];

#[cfg(test)]
mod tests;
