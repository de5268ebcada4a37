//! A cluster and its hosts: all that [`Facts`] are made of, to be broken.

use std::{collections::BTreeMap, time::Duration};

use super::super::{Facts, TABLE};
use crate::{
    cluster::{
        observe::{Observed, State, View},
        testing::{at, cluster, hosts, row_mut, view_mut},
        topology::Topology,
        verify::{
            check::Check,
            details::Details,
            host_checks::{BinaryFacts, HostFacts, LogFacts, NodeFacts, UnitFacts},
            node_config::NodeConfig,
            redirect::{Answer, Endpoint, Redirect},
            syncs::SyncCount,
            write_probe::WriteProbe,
        },
    },
    inventory::{Fleet, NodeRef},
    redis::{ClusterLinks, MemoryInfo, NodeRow, ProbeKey, Role, show_slots},
};

/// Stands for a `nodes.conf` that follows the live view.
const LIVE: &str = "(live)";

/// The clock of every node, and the age of every link.
const NOW_MS: u64 = 1_000_000;

/// What the template and the inventory make of a node's configuration.
const FILE: &str = "appendonly yes\nappendfsync everysec\nmaxmemory 1gb\ndir \"/data\"\n";

/// All that the checks look at.
#[derive(Clone)]
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) topology: Topology,
    pub(super) observed: Observed,
    pub(super) details: BTreeMap<NodeRef, Details>,
    pub(super) syncs: BTreeMap<NodeRef, SyncCount>,
    pub(super) probes: BTreeMap<NodeRef, WriteProbe>,
    pub(super) redirects: BTreeMap<NodeRef, Redirect>,
    pub(super) hosts: HostFacts,
    pub(super) configs: BTreeMap<NodeRef, NodeConfig>,
    pub(super) read_only: bool,
}

impl World {
    /// Three hosts with two nodes each, as planned.
    pub(super) fn healthy() -> Self {
        Self::planned(hosts(&[2, 2, 2], 1))
    }

    /// The same with a seventh node, which is the second replica of [`spare`](Self::spare)'s shard.
    pub(super) fn with_spare() -> Self {
        Self::planned(hosts(&[3, 2, 2], 1))
    }

    /// A fleet that has become what is planned for it.
    pub(super) fn planned(fleet: Fleet) -> Self {
        let shards = Topology::place(&fleet).shards;
        let line = |shard: &crate::cluster::Shard| {
            let replicas =
                shard.replicas.iter().map(|replica| format!("{replica} replica {}\n", shard.master));
            let master = format!("{} master {}\n", shard.master, show_slots(&shard.slots).replace(',', ""));
            [master].into_iter().chain(replicas).collect::<String>()
        };
        Self::of(fleet, &shards.iter().map(line).collect::<String>())
    }

    /// A fleet that has become this; a line a node, as in [`cluster`].
    pub(super) fn of(mut fleet: Fleet, text: &str) -> Self {
        fleet.config.insert("maxmemory".to_owned(), vec!["1gb".to_owned()]);
        let mut observed = cluster(text);
        for (_, state) in &mut observed.nodes {
            if let State::Up(view) = state {
                (view.now_ms, view.info.memory) = (NOW_MS, memory());
            }
        }
        let mut world = Self {
            topology: Topology::place(&fleet),
            details: observed.views().map(|(node, view)| (node, details(view))).collect(),
            syncs: observed.slot_owners().map(|(node, _)| (node, syncs())).collect(),
            probes: observed.slot_owners().map(|(node, view)| (node, probe(&observed, view))).collect(),
            redirects: BTreeMap::new(),
            hosts: observed.views().map(|(node, _)| (node, Ok(node_facts()))).collect(),
            configs: fleet.nodes().map(|node| (node.key, config(&fleet, node))).collect(),
            fleet,
            observed,
            read_only: false,
        };
        world.redirects = world.correct_redirects();
        world
    }

    fn correct_redirects(&self) -> BTreeMap<NodeRef, Redirect> {
        let masters: Vec<NodeRef> = self.observed.slot_owners().map(|(master, _)| master).collect();
        let redirect = |owner: &NodeRef| {
            let asked = *masters.iter().find(|master| *master != owner)?;
            let answer = Answer::Moved {
                slot: 7,
                endpoint: Endpoint::Ip(owner.address().ip()),
                port: owner.address().port(),
            };
            Some((*owner, Redirect { asked, slot: 7, answer }))
        };
        masters.iter().filter_map(redirect).collect()
    }

    /// What every check says.
    pub(super) fn judge(&self) -> Vec<(&'static str, Check)> {
        let hosts =
            self.hosts.iter().map(|(node, answer)| (*node, self.with_file(*node, answer.clone()))).collect();
        let facts = Facts {
            fleet: &self.fleet,
            topology: &self.topology,
            observed: &self.observed,
            details: &self.details,
            syncs: &self.syncs,
            probes: (!self.read_only).then_some(&self.probes),
            redirects: &self.redirects,
            hosts: &hosts,
            configs: &self.configs,
        };
        TABLE.iter().map(|invariant| (invariant.id, (invariant.check)(&facts))).collect()
    }

    fn with_file(&self, node: NodeRef, answer: Result<NodeFacts, String>) -> Result<NodeFacts, String> {
        let mut facts = answer?;
        if facts.nodes_conf == LIVE {
            let view = self.observed.view(node).or_else(|| Some(self.observed.views().next()?.1));
            let rows = view.map(|view| view.rows.iter().map(line).collect());
            facts.nodes_conf =
                rows.unwrap_or_else(|| "id 10.0.0.1:1@2 myself,master - 0 0 1 connected".to_owned());
        }
        Ok(facts)
    }

    pub(super) fn check(&self, id: &str) -> Check {
        self.judge().into_iter().find(|(other, _)| *other == id).unwrap().1
    }

    /// The invariants with such a result.
    pub(super) fn with(&self, is: impl Fn(&Check) -> bool) -> Vec<&'static str> {
        self.judge().into_iter().filter(|(_, check)| is(check)).map(|(id, _)| id).collect()
    }

    pub(super) fn broken(&self) -> Vec<&'static str> {
        self.with(|check| matches!(check, Check::Broken(_)))
    }

    pub(super) fn unproven(&self) -> Vec<&'static str> {
        self.with(|check| matches!(check, Check::NotProven(_)))
    }

    pub(super) fn not_applicable(&self) -> Vec<&'static str> {
        self.with(|check| matches!(check, Check::NotApplicable(_)))
    }

    /// That nothing is broken or unproven, with what is.
    pub(super) fn assert_fine(&self) {
        let open: Vec<_> = self.judge().into_iter().filter(|(_, check)| check.is_open()).collect();
        assert!(open.is_empty(), "{open:#?}");
    }

    pub(super) fn master(&self, shard: usize) -> NodeRef {
        self.topology.shards[shard].master
    }

    pub(super) fn replica(&self, shard: usize) -> NodeRef {
        self.topology.shards[shard].replicas[0]
    }

    /// The second replica of a shard that has two, and the first one.
    pub(super) fn spare(&self) -> (NodeRef, NodeRef) {
        let shard = self.topology.shards.iter().find(|shard| shard.replicas.len() == 2).unwrap();
        (shard.replicas[1], shard.replicas[0])
    }

    pub(super) fn view(&mut self, node: NodeRef) -> &mut View {
        view_mut(&mut self.observed, &node.to_string())
    }

    pub(super) fn views(&mut self) -> impl Iterator<Item = &mut View> {
        self.observed.nodes.iter_mut().filter_map(|(_, state)| match state {
            State::Up(view) => Some(&mut **view),
            _ => None,
        })
    }

    pub(super) fn row(&mut self, reader: NodeRef, node: NodeRef) -> &mut NodeRow {
        row_mut(&mut self.observed, &reader.to_string(), &node.to_string())
    }

    /// The rows of all nodes about one.
    pub(super) fn rows_about(&mut self, node: NodeRef) -> Vec<&mut NodeRow> {
        let id = self.observed.view(node).unwrap().id.clone();
        self.views().flat_map(|view| &mut view.rows).filter(|row| row.id == id).collect()
    }

    pub(super) fn details(&mut self, node: NodeRef) -> &mut Details {
        self.details.get_mut(&node).unwrap()
    }

    pub(super) fn host(&mut self, node: NodeRef) -> &mut NodeFacts {
        self.hosts.get_mut(&node).unwrap().as_mut().unwrap()
    }

    pub(super) fn config(&mut self, node: NodeRef) -> &mut NodeConfig {
        self.configs.get_mut(&node).unwrap()
    }

    pub(super) fn probe(&mut self, shard: usize) -> &mut WriteProbe {
        let master = self.master(shard);
        self.probes.get_mut(&master).unwrap()
    }

    /// What another node answers for a key of this shard.
    pub(super) fn answer(&mut self, shard: usize) -> &mut Answer {
        let master = self.master(shard);
        &mut self.redirects.get_mut(&master).unwrap().answer
    }

    pub(super) fn set_endpoint(&mut self, shard: usize, is: Endpoint) {
        let Answer::Moved { endpoint, .. } = self.answer(shard) else { panic!() };
        *endpoint = is;
    }

    /// A directive of the node's file; the engine answers with the same value.
    pub(super) fn set(&mut self, node: NodeRef, name: &str, value: &str) {
        let of_fleet = self.fleet.nodes().find(|other| other.key == node).unwrap().clone();
        let file = format!("{FILE}{name} {value}\n");
        let running = std::mem::take(&mut self.config(node).running);
        *self.config(node) = NodeConfig { running, ..NodeConfig::expected(&self.fleet, &of_fleet, &file) };
        self.config(node).running.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn state(&mut self, node: NodeRef, is: State) {
        let state = self.observed.nodes.iter_mut().find(|(address, _)| *address == node);
        state.unwrap().1 = is;
        self.details.remove(&node);
        self.probes.remove(&node);
        self.configs.remove(&node);
        let facts = self.host(node);
        facts.log = LogFacts::NoLines;
        facts.binary.as_mut().unwrap().running.clear();
    }
}

fn memory() -> MemoryInfo {
    MemoryInfo {
        used: Some(2_000_000),
        max: Some(1 << 30),
        policy: Some("noeviction".to_owned()),
        ..MemoryInfo::default()
    }
}

fn details(view: &View) -> Details {
    Details {
        role: Some(if view.is_replica() { Role::Replica } else { Role::Master }),
        links: Some(ClusterLinks::both_ways(view.peers().map(|row| row.id.clone()), 1_000)),
        sync_full: view.info.stats.sync_full,
    }
}

fn syncs() -> SyncCount {
    SyncCount { first: 1, last: 1, steady: Duration::ZERO }
}

fn probe(observed: &Observed, master: &View) -> WriteProbe {
    let replicas: BTreeMap<_, _> =
        observed.replicas_of(&master.id).map(|(replica, _)| (replica, (Ok(()), 100))).collect();
    WriteProbe {
        key: ProbeKey::for_test("provision:probe:test"),
        trouble: None,
        offset: 100,
        acknowledged: (i64::try_from(replicas.len()).unwrap(), replicas.len()),
        replicas,
        removed: Ok(true),
    }
}

fn node_facts() -> NodeFacts {
    NodeFacts {
        binary: Some(BinaryFacts { running: "8:1".to_owned(), installed: "8:1".to_owned() }),
        nodes_conf: LIVE.to_owned(),
        data: "/data".to_owned(),
        config: Some(FILE.to_owned()),
        log: LogFacts::Read(Vec::new()),
        unit: Some(UnitFacts { enabled: "enabled".to_owned(), restarts: 0 }),
    }
}

fn config(fleet: &Fleet, node: &crate::inventory::Node) -> NodeConfig {
    let values =
        [("appendonly", "yes"), ("appendfsync", "everysec"), ("maxmemory", "1073741824"), ("dir", "/data")];
    let running = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    NodeConfig { running, ..NodeConfig::expected(fleet, node, FILE) }
}

/// A line of `nodes.conf`.
fn line(row: &NodeRow) -> String {
    let master = row.master.as_deref().unwrap_or("-");
    let slots = show_slots(&row.slots).replace(',', "");
    let place = format!("{}@{}", row.written_address(), row.bus_port);
    let flags = if row.flags.is_empty() { "noflags".to_owned() } else { row.flags.join(",") };
    format!("{} {place} {flags} {master} 0 0 {} connected {slots}\n", row.id, row.epoch)
}

/// Two masters on the first host and one on the second.
pub(super) fn leaning() -> String {
    let lines = [
        ("7001 master 0-5460", "2:7002 replica 7001"),
        ("7002 master 5461-10922", "3:7001 replica 7002"),
        ("2:7001 master 10923-16383", "3:7002 replica 2:7001"),
    ];
    lines.iter().map(|(master, replica)| format!("{master}\n{replica}\n")).collect()
}

/// Six hosts in three zones, two masters in the first one.
pub(super) fn leaning_zones() -> World {
    let mut fleet = hosts(&[1; 6], 1);
    for (index, host) in fleet.hosts.iter_mut().enumerate() {
        host.zone = Some(["east", "west", "north"][index / 2].to_owned());
    }
    let lines = [
        ("1:7001 master 0-5460", "5:7001 replica 1:7001"),
        ("2:7001 master 5461-10922", "4:7001 replica 2:7001"),
        ("3:7001 master 10923-16383", "6:7001 replica 3:7001"),
    ];
    let lines = lines.iter().map(|(master, replica)| format!("{master}\n{replica}\n"));
    World::of(fleet, &lines.collect::<String>())
}

/// Masters apart, and a shard that is on one host only.
pub(super) fn crowded() -> String {
    let lines = [
        ("7001 master 0-5460", "7002 replica 7001"),
        ("2:7001 master 5461-10922", "3:7002 replica 2:7001"),
        ("3:7001 master 10923-16383", "2:7002 replica 3:7001"),
    ];
    lines.iter().map(|(master, replica)| format!("{master}\n{replica}\n")).collect()
}

/// An address, as in [`cluster`].
pub(super) fn address(text: &str) -> NodeRef {
    at(text)
}
