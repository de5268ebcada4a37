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

use super::check::Check;

/// One numbered statement about a cluster, and how it is checked.
pub(super) struct InvariantCheck {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) converges: Converges,
    /// Whether one look at the nodes judges it: their views and running values, and no further question.
    pub(super) by_reading: bool,
    pub(super) check: fn(&Facts<'_>) -> Check,
}

/// Whether waiting may make an invariant hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Converges {
    /// Not for binaries, logs, configuration, units and roles.
    Never,
    /// Nodes hear of each other, and replicas catch up: they are asked again.
    AtNodes,
    /// Nodes write to disk what they heard: their hosts are asked again, once.
    OnHosts,
}

impl InvariantCheck {
    const fn by_reading(self) -> Self {
        Self { by_reading: true, ..self }
    }
}

type CheckFn = fn(&Facts<'_>) -> Check;

const fn lasting(id: &'static str, title: &'static str, check: CheckFn) -> InvariantCheck {
    InvariantCheck { id, title, converges: Converges::Never, by_reading: false, check }
}

const fn converging(id: &'static str, title: &'static str, check: CheckFn) -> InvariantCheck {
    InvariantCheck { id, title, converges: Converges::AtNodes, by_reading: false, check }
}

const fn on_hosts(id: &'static str, title: &'static str, check: CheckFn) -> InvariantCheck {
    InvariantCheck { id, title, converges: Converges::OnHosts, by_reading: false, check }
}

/// The invariants that are no more. I11 (slot ranges are the planned ones) could not fail, as slots may be
/// moved on purpose; I10 shows the ranges. I14 (replicas own no slots) could not fail on any engine.
#[cfg(test)]
const RETIRED: [&str; 2] = ["I11", "I14"];

/// All invariants, in the order of their ids.
///
/// Those by reading are findings of every look, also of `plan` and `status` (`reading.rs`). What I4 (the
/// version that runs), I5 (the binary), I35 (running values) and I36 (units) speak of is compared by the
/// resources of the plan: what differs is a change there, or drift, and is told once.
pub(super) const TABLE: [InvariantCheck; 37] = [
    lasting("I1", "node ids are distinct", identity::distinct_ids).by_reading(),
    converging("I2", "every node knows exactly the nodes of the fleet", identity::known_nodes).by_reading(),
    converging("I3", "every node has every address right", identity::addresses).by_reading(),
    lasting("I4", "the nodes run the inventory's engine and version", identity::engine_and_version),
    lasting("I5", "the processes run the installed binary", identity::installed_binary),
    converging("I6", "no node is failing, unknown or in handshake", flags::flags).by_reading(),
    converging("I7", "every link is connected", flags::connected_links).by_reading(),
    converging("I8", "links arrive at their other end", flags::links_arrive),
    converging("I9", "pings are answered in time", flags::pings_answered).by_reading(),
    converging("I10", "every slot has one owner, the same on all nodes", slots::one_owner).by_reading(),
    converging("I12", "no slot is being migrated", slots::no_open_slot).by_reading(),
    converging("I13", "no slot is of a failing master", slots::none_failing).by_reading(),
    converging("I15", "the cluster has the planned number of masters", slots::cluster_size).by_reading(),
    converging("I16", "masters have distinct epochs", epochs::distinct_epochs).by_reading(),
    converging("I17", "all nodes agree on each master's epoch", epochs::agreed_epochs).by_reading(),
    converging("I18", "the current epoch is the same on all nodes", epochs::current_epoch).by_reading(),
    converging("I19", "each master has its replicas", roles::replica_count).by_reading(),
    converging("I20", "replicas follow their master's address", roles::master_address).by_reading(),
    lasting("I21", "no host or zone holds too much", roles::separation).by_reading(),
    converging("I22", "replicas are online at their master", replication::online_at_master).by_reading(),
    converging("I23", "replicas have their link and are read-only", replication::replica_link).by_reading(),
    converging("I24", "a shard has one replication id", replication::replication_id).by_reading(),
    converging("I25", "writes reach the replicas: WAIT, offset gap 0", replication::writes_acknowledged),
    converging("I26", "what was written is read from the replicas", replication::replica_reads),
    converging("I27", "no replica syncs again and again", replication::no_repeated_syncs),
    converging("I28", "ROLE agrees with CLUSTER NODES", replication::role_agrees),
    converging("I29", "cluster_state is ok and every master takes writes", service::writable).by_reading(),
    converging("I30", "the wrong node redirects", service::redirects),
    converging("I31", "the probe keys are gone", service::probes_removed),
    lasting("I32", "no faults in the logs since start", service::log_faults),
    on_hosts("I33", "nodes.conf on disk is what is live", durability::nodes_conf),
    converging("I34", "persistence works", durability::persistence).by_reading(),
    lasting("I35", "running configuration is the rendered one", durability::running_config),
    lasting("I36", "units start at boot", durability::units_enabled),
    converging("I37", "settings of the formation are put back", durability::settings_restored).by_reading(),
    converging("I38", "every node answers", identity::answering).by_reading(),
    lasting("I39", "masters have memory left for writes", service::memory_left).by_reading(),
];

#[cfg(test)]
mod tests;
