//! Each invariant with a healthy cluster, and with one that breaks it.

use std::{collections::BTreeMap, net::SocketAddr};

use super::*;
use crate::{
    cluster::{
        observe::{Observed, State, View},
        testing::{add_row, cluster, hosts, row_mut, view_mut},
        topology::Topology,
        tunable::Tunable,
        verify::{
            details::Details,
            host_checks::{HostFacts, NodeFacts, Scope},
            write_probe::WriteProbe,
        },
    },
    inventory::Fleet,
    redis::{ClusterLinks, NodeRow, ProbeKey, Role, SlotRange, show_slots},
};

/// Three hosts with two nodes each: all that [`Facts`] are made of.
#[derive(Clone)]
struct World {
    fleet: Fleet,
    topology: Topology,
    observed: Observed,
    details: BTreeMap<SocketAddr, Details>,
    probes: BTreeMap<SocketAddr, WriteProbe>,
    hosts: HostFacts,
    scope: Scope,
}

impl World {
    fn healthy() -> Self {
        let mut fleet = hosts(&[2, 2, 2], 1);
        fleet.config.insert("maxmemory".to_owned(), vec!["1gb".to_owned()]);
        let topology = Topology::place(&fleet);
        let line = |shard: &crate::cluster::Shard| {
            let slots = show_slots(&shard.slots);
            format!("{0} master {slots}\n{1} replica {0}\n", shard.master, shard.replicas[0])
        };
        let observed = cluster(&topology.shards.iter().map(line).collect::<String>());
        let all = Scope { hosts: true, binary: true, units: true };
        Self {
            details: observed.views().map(|(node, view)| (node, details(view))).collect(),
            probes: topology.shards.iter().map(|shard| (shard.master, probe(shard))).collect(),
            hosts: observed.views().map(|(node, view)| (node, Ok(node_facts(view)))).collect(),
            scope: all,
            fleet,
            topology,
            observed,
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            fleet: &self.fleet,
            topology: &self.topology,
            observed: &self.observed,
            details: self.details.clone(),
            probes: self.probes.clone(),
            hosts: self.hosts.clone(),
            scope: self.scope,
        }
    }

    fn judge(&self, id: &str) -> Check {
        (TABLE.iter().find(|invariant| invariant.id == id).unwrap().check)(&self.facts())
    }

    fn failing(&self) -> Vec<&'static str> {
        let facts = self.facts();
        let failing = TABLE.iter().filter(|invariant| matches!((invariant.check)(&facts), Check::Fail(_)));
        failing.map(|invariant| invariant.id).collect()
    }

    fn master(&self, shard: usize) -> SocketAddr {
        self.topology.shards[shard].master
    }

    fn replica(&self, shard: usize) -> SocketAddr {
        self.topology.shards[shard].replicas[0]
    }

    fn view(&mut self, node: SocketAddr) -> &mut View {
        view_mut(&mut self.observed, &node.to_string())
    }

    fn row(&mut self, reader: SocketAddr, node: SocketAddr) -> &mut NodeRow {
        row_mut(&mut self.observed, &reader.to_string(), &node.to_string())
    }

    fn details(&mut self, node: SocketAddr) -> &mut Details {
        self.details.get_mut(&node).unwrap()
    }

    fn host(&mut self, node: SocketAddr) -> &mut NodeFacts {
        self.hosts.get_mut(&node).unwrap().as_mut().unwrap()
    }

    fn probe(&mut self, shard: usize) -> &mut WriteProbe {
        let master = self.master(shard);
        self.probes.get_mut(&master).unwrap()
    }

    fn silence(&mut self, node: SocketAddr) {
        let state =
            self.observed.nodes.iter_mut().find(|(address, _)| *address == node).map(|(_, state)| state);
        *state.unwrap() = State::Down("connection refused".to_owned());
        self.details.remove(&node);
        self.probes.remove(&node);
    }
}

fn details(view: &View) -> Details {
    Details {
        role: Some(if view.is_replica() { Role::Replica } else { Role::Master }),
        links: Some(ClusterLinks::both_ways(view.peers().map(|row| row.id.clone()))),
        sync_full: view.info.stats.sync_full,
        config: BTreeMap::from([("maxmemory".to_owned(), "1073741824".to_owned())]),
    }
}

fn probe(shard: &crate::cluster::Shard) -> WriteProbe {
    WriteProbe {
        key: ProbeKey::for_test("provision:probe:test"),
        trouble: None,
        offset: 100,
        acknowledged: (1, 1),
        replicas: BTreeMap::from([(shard.replicas[0], (Ok(()), 100))]),
        redirect: Some(Ok("asked a node: Redirected to slot [1] located at another".to_owned())),
        removed: true,
    }
}

fn node_facts(view: &View) -> NodeFacts {
    let line = |row: &NodeRow| {
        let master = row.master.as_deref().unwrap_or("-");
        let slots = show_slots(&row.slots).replace(',', "");
        let address = format!("{}@{}", row.written_address(), row.bus_port);
        format!("{} {address} {} {master} 0 0 {} connected {slots}\n", row.id, row.flags.join(","), row.epoch)
    };
    NodeFacts {
        running: "8:1".to_owned(),
        installed: "8:1".to_owned(),
        nodes_conf: view.rows.iter().map(line).collect(),
        faults: Vec::new(),
        enabled: "enabled".to_owned(),
        restarts: "0".to_owned(),
    }
}

type Break = fn(&mut World);

/// What is wrong, the invariants that fail, the one that is meant first, and a part of its evidence. I33
/// fails wherever a live view differs from the file, and I8 wherever it has a node without links.
const BROKEN: &[(&str, &[&str], &str, Break)] = &[
    ("two nodes have one id", &["I1", "I2"], "are both id-", |w| {
        let id = w.view(w.replica(0)).id.clone();
        w.view(w.replica(1)).id = id;
    }),
    ("a node lists an id that is no node's", &["I2", "I8", "I33"], "which is the id of no node", |w| {
        let master = w.master(0).to_string();
        add_row(&mut w.observed, &master, "old 10.0.0.9:1@2 master - 0 1000 0 connected");
    }),
    ("a node has a wrong bus port", &["I3"], "@1", |w| w.row(w.master(0), w.replica(1)).bus_port = 1),
    ("a node has another version", &["I4"], "is 7.0.15", |w| {
        w.view(w.replica(2)).info.server.redis_version = Some("7.2.0".to_owned());
    }),
    ("a node runs outside cluster mode", &["I4"], "runs in mode \"standalone\"", |w| {
        w.view(w.replica(2)).info.server.mode = Some("standalone".to_owned());
    }),
    ("a process runs a replaced binary", &["I5"], "runs another file", |w| {
        w.host(w.replica(0)).running = "8:2".to_owned();
    }),
    ("the installed binary is gone", &["I5"], "is missing", |w| w.host(w.replica(0)).installed.clear()),
    ("a node has nofailover", &["I6"], "as nofailover", |w| {
        w.row(w.master(0), w.master(1)).flags.push("nofailover".to_owned());
    }),
    ("a link is down", &["I7"], "has no link to", |w| w.row(w.master(0), w.master(1)).connected = false),
    ("a node lists no links", &["I8"], "has no link to", |w| {
        w.details(w.master(0)).links = Some(ClusterLinks::default());
    }),
    ("a ping waits", &["I9"], "waits for an answer of", |w| {
        w.view(w.master(0)).now_ms = 5_000;
        w.row(w.master(0), w.replica(1)).ping_sent = 3_000;
    }),
    ("a pong is older than the node timeout", &["I9"], "waits for an answer of", |w| {
        w.view(w.master(0)).now_ms = 60_000;
    }),
    ("a node knows no owner of some slots", &["I10", "I33"], "knows no owner of", |w| {
        w.row(w.replica(0), w.master(1)).slots.clear();
    }),
    ("a node knows two owners of a slot", &["I10", "I33"], "knows two owners", |w| {
        w.row(w.replica(0), w.master(1)).slots.push(SlotRange::new(0, 0));
    }),
    ("two nodes disagree on a slot", &["I10", "I33"], "disagree on slot 0", |w| {
        let (one, two, reader) = (w.master(0), w.master(1), w.replica(0));
        let slots = w.row(reader, one).slots.clone();
        w.row(reader, one).slots = w.row(reader, two).slots.clone();
        w.row(reader, two).slots = slots;
    }),
    ("a slot is being migrated", &["I12"], "[93->-id]", |w| {
        w.row(w.master(0), w.master(0)).moving.push("[93->-id]".to_owned());
    }),
    ("slots of a suspected master", &["I13"], "16384 ok, 5 pfail", |w| {
        w.view(w.replica(0)).cluster.slots_pfail = Some(5);
    }),
    ("an engine does not count slots", &["I13"], "unknown ok", |w| {
        w.view(w.replica(0)).cluster.slots_ok = None;
    }),
    ("a replica owns a slot", &["I14", "I10", "I33"], "owns slots", |w| {
        w.row(w.master(0), w.replica(1)).slots.push(SlotRange::new(0, 0));
    }),
    ("a node counts a node too many", &["I15"], "3 masters and 7 nodes", |w| {
        w.view(w.replica(0)).cluster.known_nodes = Some(7);
    }),
    ("two masters have one epoch", &["I16", "I17"], "both have epoch", |w| {
        w.row(w.master(1), w.master(1)).epoch = 1;
    }),
    ("a master has no epoch", &["I16", "I17"], "has epoch 0", |w| w.row(w.master(1), w.master(1)).epoch = 0),
    ("a node has an old epoch of a master", &["I17"], "has another epoch for", |w| {
        w.row(w.replica(0), w.master(1)).epoch = 0;
    }),
    ("a node has not heard of the newest epoch", &["I18"], "is at epoch 1", |w| {
        w.view(w.replica(0)).cluster.current_epoch = Some(1);
        w.view(w.replica(0)).cluster.my_epoch = Some(1);
    }),
    ("a master has lost its replica on one view", &["I19", "I33"], "has 0 replicas", |w| {
        w.row(w.master(0), w.replica(1)).master = None;
    }),
    ("a replica follows another address", &["I20"], ":1, its master is", |w| {
        w.view(w.replica(0)).info.replication.master_port = Some(1);
    }),
    ("a replica is on its master's host", &["I21", "I19", "I20", "I22", "I24", "I33"], "share a host", |w| {
        let master = w.master(0);
        let beside = w
            .topology
            .shards
            .iter()
            .find_map(|shard| shard.replicas.iter().copied().find(|replica| replica.ip() == master.ip()));
        let beside = beside.unwrap();
        let id = w.view(master).id.clone();
        let readers: Vec<SocketAddr> = w.observed.nodes.iter().map(|(node, _)| *node).collect();
        for reader in readers {
            w.row(reader, beside).master = Some(id.clone());
        }
    }),
    ("a master does not have its replica online", &["I22"], "online", |w| {
        w.view(w.master(0)).info.replication.replicas[0].online = false;
    }),
    ("a replica lags", &["I22"], "lags 5 s behind", |w| {
        w.view(w.master(0)).info.replication.replicas[0].lag = Some(5);
    }),
    ("a replica has no link", &["I23"], "has no link to", |w| {
        w.view(w.replica(0)).info.replication.master_link_up = Some(false);
    }),
    ("a replica synchronises", &["I23"], "still syncs", |w| {
        w.view(w.replica(0)).info.replication.master_sync_in_progress = Some(true);
    }),
    ("a replica is writable", &["I23"], "is writable", |w| {
        w.view(w.replica(0)).info.replication.replica_read_only = Some(false);
    }),
    ("a replica gets nothing from its master", &["I23"], "for 12 s", |w| {
        w.view(w.replica(0)).info.replication.master_last_io_seconds_ago = Some(12);
    }),
    ("a replica has another replication id", &["I24"], "another replication id", |w| {
        w.view(w.replica(0)).info.replication.master_replid = Some("other".to_owned());
    }),
    ("WAIT counts no replica", &["I25"], "WAIT counted 0 of 1", |w| w.probe(0).acknowledged = (0, 1)),
    ("a replica is behind", &["I25"], "is 40 bytes behind", |w| {
        let replica = w.replica(0);
        w.probe(0).replicas.insert(replica, (Ok(()), 60));
    }),
    ("a replica does not have the probe key", &["I26"], "answered nothing", |w| {
        let replica = w.replica(0);
        w.probe(0).replicas.insert(replica, (Err("nothing".to_owned()), 100));
    }),
    ("a full synchronisation has begun", &["I27"], "another full sync", |w| {
        w.details(w.master(0)).sync_full = Some(2);
    }),
    ("a node says it is a master", &["I28"], "says its role is master, the cluster says replica", |w| {
        w.details(w.replica(0)).role = Some(Role::Master);
    }),
    ("a node gave no details", &["I28", "I8", "I27", "I35"], "says its role is unknown", |w| {
        w.details.remove(&w.replica(0));
    }),
    ("a node serves nothing", &["I29"], "cluster_state:fail", |w| {
        w.view(w.replica(0)).cluster.state = "fail".to_owned();
    }),
    ("a write is refused", &["I29", "I25", "I26", "I30"], "MISCONF", |w| {
        w.probe(0).trouble = Some("MISCONF Errors writing to the AOF file".to_owned());
    }),
    ("a master was not probed", &["I29", "I25", "I26", "I30"], "could not be tested yet", |w| {
        w.probes.remove(&w.master(0));
    }),
    ("a node redirects wrongly", &["I30"], "points nowhere", |w| {
        w.probe(0).redirect = Some(Err("it points nowhere".to_owned()));
    }),
    ("a probe key is left", &["I31"], "provision:probe:test is still on", |w| w.probe(0).removed = false),
    ("a log has a fault", &["I32"], "Fatal", |w| w.host(w.replica(0)).faults.push("9:M Fatal".to_owned())),
    ("nodes.conf is missing", &["I33"], "missing or empty", |w| w.host(w.master(0)).nodes_conf.clear()),
    ("nodes.conf is not a table", &["I33"], "is not a cluster node", |w| {
        w.host(w.master(0)).nodes_conf = "x".to_owned();
    }),
    ("nodes.conf is old", &["I33"], "differs from the live view at", |w| {
        let host = w.host(w.master(0));
        host.nodes_conf = host.nodes_conf.replace("0-5460", "0-5459");
    }),
    ("the last AOF write failed", &["I34"], "aof_last_write_status:err", |w| {
        w.view(w.master(0)).info.persistence.aof_last_write_status = Some("err".to_owned());
    }),
    ("the AOF is off although the inventory turns it on", &["I34", "I35"], "has aof_enabled:0", |w| {
        w.fleet.config.insert("appendonly".to_owned(), vec!["yes".to_owned()]);
        w.view(w.master(0)).info.persistence.aof_enabled = Some(false);
        w.details(w.master(0)).config.insert("appendonly".to_owned(), "no".to_owned());
    }),
    ("a directive has another value", &["I35"], "has maxmemory \"0\", not 1gb", |w| {
        w.details(w.master(0)).config.insert("maxmemory".to_owned(), "0".to_owned());
    }),
    ("a unit is disabled", &["I36"], "its unit is disabled", |w| {
        w.host(w.replica(0)).enabled = "disabled".to_owned();
    }),
    ("formation left a setting", &["I37"], "should have repl-diskless-sync-delay 5 again", |w| {
        w.view(w.replica(0)).tuning.set(Tunable::SyncDelay, "0");
    }),
];

#[test]
fn every_invariant_holds_for_a_healthy_cluster() {
    let world = World::healthy();
    for invariant in &TABLE {
        let check = world.judge(invariant.id);
        assert!(matches!(check, Check::Pass(_)), "{}: {check:?}", invariant.id);
    }
}

#[test]
fn what_is_wrong_fails_its_invariant_and_only_those_that_depend_on_it() {
    let mut surprises = Vec::new();
    for (what, expected, evidence, break_world) in BROKEN {
        let mut world = World::healthy();
        break_world(&mut world);
        let (mut failing, mut all) = (world.failing(), expected.to_vec());
        failing.sort_unstable();
        all.sort_unstable();
        let check = world.judge(expected[0]);
        if failing != all || !matches!(&check, Check::Fail(text) if text.contains(evidence)) {
            surprises.push(format!("{what}: {failing:?} fail, not {all:?}; {check:?}"));
        }
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
}

/// I11 is the exception: it never fails while all nodes answer.
#[test]
fn every_invariant_is_broken_by_something() {
    let broken = |id: &str| BROKEN.iter().any(|(_, expected, ..)| expected[0] == id);
    let without: Vec<&str> = TABLE.iter().map(|invariant| invariant.id).filter(|id| !broken(id)).collect();
    assert_eq!(without, ["I11"]);
}

#[test]
fn a_silent_node_is_named_by_all_that_ask_nodes() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.silence(node);
    let unconcerned = ["I1", "I5", "I32", "I33", "I36", "I37"];
    for invariant in TABLE.iter().filter(|invariant| !unconcerned.contains(&invariant.id)) {
        let Check::Fail(text) = world.judge(invariant.id) else {
            // The rest finds nothing wrong with the other nodes.
            assert!(["I21", "I31"].contains(&invariant.id), "{} holds", invariant.id);
            continue;
        };
        assert!(text.contains(&format!("{node} does not answer")), "{}: {text}", invariant.id);
    }
}

#[test]
fn migrated_slots_are_no_fault_but_the_plan_does_not_apply() {
    let mut world = World::healthy();
    for shard in [0, 1] {
        let master = world.master(shard);
        world.row(master, master).slots[0] = SlotRange::new(1, 2);
    }
    let check = world.judge("I11");
    assert!(
        matches!(&check, Check::NotApplicable(text) if text.starts_with("slots were moved: ")),
        "{check:?}"
    );
}

#[test]
fn roles_after_a_failover_break_nothing() {
    let mut world = World::healthy();
    let shards = world.topology.shards.clone();
    let line = |(index, shard): (usize, &crate::cluster::Shard)| {
        let (lead, follow) =
            if index == 0 { (shard.replicas[0], shard.master) } else { (shard.master, shard.replicas[0]) };
        format!("{lead} master {}\n{follow} replica {lead}\n", show_slots(&shard.slots))
    };
    world.observed = cluster(&shards.iter().enumerate().map(line).collect::<String>());
    world.details = world.observed.views().map(|(node, view)| (node, details(view))).collect();
    world.hosts = world.observed.views().map(|(node, view)| (node, Ok(node_facts(view)))).collect();
    let probe = world.probes.remove(&shards[0].master).unwrap();
    let probe = WriteProbe { replicas: BTreeMap::from([(shards[0].master, (Ok(()), 100))]), ..probe };
    world.probes.insert(shards[0].replicas[0], probe);
    assert_eq!(world.failing(), [""; 0]);
}

#[test]
fn what_cannot_be_checked_is_not_applicable() {
    let not_applicable = |world: &World| {
        let ids = TABLE.iter().map(|invariant| invariant.id);
        ids.filter(|id| matches!(world.judge(id), Check::NotApplicable(_))).collect::<Vec<_>>()
    };
    let mut blind = World { scope: Scope::default(), ..World::healthy() };
    assert_eq!(not_applicable(&blind), ["I5", "I32", "I33", "I36"]);
    blind.details.values_mut().for_each(|details| details.links = None);
    assert_eq!(not_applicable(&blind), ["I5", "I8", "I32", "I33", "I36"], "an engine before 7.0");
    let mut single = World::healthy();
    single.fleet = hosts(&[6], 1);
    assert_eq!(not_applicable(&single), ["I21"]);
    let mut bare = World::healthy();
    bare.fleet.replicas = 0;
    assert_eq!(not_applicable(&bare), ["I25", "I26"]);
}

#[test]
fn a_restart_by_systemd_is_reported_and_no_fault() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.host(node).restarts = "2".to_owned();
    let expected = format!("enabled at boot; {node} crashed and was restarted 2 times");
    assert_eq!(world.judge("I36"), Check::Pass(expected));
}

#[test]
fn a_host_that_does_not_answer_fails_what_only_it_knows() {
    let mut world = World::healthy();
    let node = world.replica(0);
    world.hosts.insert(node, Err("there is no connection to h0".to_owned()));
    assert_eq!(world.failing(), ["I5", "I32", "I33", "I36"]);
}

#[test]
fn ids_are_consecutive_and_titles_distinct() {
    let expected: Vec<String> = (1..=TABLE.len()).map(|n| format!("I{n}")).collect();
    assert_eq!(TABLE.iter().map(|invariant| invariant.id).collect::<Vec<_>>(), expected);
    let titles: std::collections::BTreeSet<_> = TABLE.iter().map(|invariant| invariant.title).collect();
    assert_eq!(titles.len(), TABLE.len());
}

#[test]
fn waiting_changes_no_binary_log_configuration_or_unit() {
    let lasting = TABLE.iter().filter(|invariant| !invariant.converges).map(|invariant| invariant.id);
    assert_eq!(lasting.collect::<Vec<_>>(), ["I1", "I4", "I5", "I32", "I35", "I36"]);
}
