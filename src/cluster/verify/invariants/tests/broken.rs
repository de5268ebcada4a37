//! The table of broken clusters: each breaks one invariant, and no other.

use std::time::Duration;

use super::{
    super::TABLE,
    world::{World, address, crowded, leaning, leaning_zones},
};
use crate::{
    cluster::{
        observe::State,
        testing::{add_row, hosts},
        tunable::Tunable,
        verify::{
            check::Check,
            host_checks::LogFacts,
            redirect::{Answer, Endpoint},
            syncs::SyncCount,
            write_probe::Trouble,
        },
    },
    inventory::NodeRef,
    redis::{Role, SlotRange},
};

/// A broken cluster.
struct Row {
    what: &'static str,
    /// The one invariant that is broken.
    id: &'static str,
    /// A part of its evidence.
    evidence: &'static str,
    /// What cannot be proven for the same reason.
    unproven: &'static [&'static str],
    world: fn() -> World,
}

/// A row whose defect leaves all else provable.
macro_rules! breaks {
    ($id:literal, $what:literal, $evidence:literal, $break:expr) => {
        breaks!($id, $what, $evidence, &[], World::healthy(), $break)
    };
    ($id:literal, $what:literal, $evidence:literal, $unproven:expr, $break:expr) => {
        breaks!($id, $what, $evidence, $unproven, World::healthy(), $break)
    };
    ($id:literal, $what:literal, $evidence:literal, $unproven:expr, $world:expr, $break:expr) => {
        Row {
            what: $what,
            id: $id,
            evidence: $evidence,
            unproven: $unproven,
            world: || {
                let mut world = $world;
                let break_world: fn(&mut World) = $break;
                break_world(&mut world);
                world
            },
        }
    };
}

/// What rests on the answers of all nodes.
const ASKED_OF_NODES: &[&str] = &[
    "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I12", "I13", "I15", "I16", "I17", "I18",
    "I19", "I20", "I21", "I22", "I23", "I24", "I25", "I26", "I27", "I28", "I29", "I30", "I31", "I32", "I33",
    "I34", "I35", "I37", "I39",
];

/// What the probe of a master shows that was not written.
const PROBED: &[&str] = &["I25", "I26"];

const BROKEN: &[Row] = &[
    breaks!("I1", "two nodes of a shard have one id", "are both id-", &[], World::with_spare(), |w| {
        let (spare, first) = w.spare();
        let [old, id] = [spare, first].map(|node| w.observed.view(node).unwrap().id.clone());
        w.views().for_each(|view| view.rows.retain(|row| row.id != old || row.is_myself()));
        let view = w.view(spare);
        view.rows.retain(|row| row.id != id);
        view.rows.iter_mut().filter(|row| row.is_myself()).for_each(|row| row.id = id.clone());
        view.id = id;
    }),
    breaks!("I2", "a node lists an id that is no node's", "which is the id of no node", |w| {
        let master = w.master(0).to_string();
        add_row(&mut w.observed, &master, "old 10.0.0.9:1@2 master - 0 1000 0 connected");
    }),
    breaks!("I2", "a node does not know another", "does not know", &[], World::with_spare(), |w| {
        let (spare, reader) = (w.spare().0.to_string(), w.master(0).to_string());
        crate::cluster::testing::unmeet(&mut w.observed, &reader, &spare);
    }),
    breaks!("I3", "a node has a wrong bus port", "@1", |w| w.row(w.master(0), w.replica(1)).bus_port = 1),
    breaks!("I3", "a node has a wrong address", "as 10.0.0.99:", |w| {
        w.row(w.master(0), w.replica(1)).ip = "10.0.0.99".to_owned();
    }),
    breaks!("I4", "all nodes have a version that the inventory does not mean", "says redis 7.0.15", |w| {
        w.views().for_each(|view| view.info.server.redis_version = Some("7.2.0".to_owned()));
    }),
    breaks!("I4", "a node is another engine", "is valkey 8.1.1", |w| {
        w.view(w.replica(2)).info.server.valkey_version = Some("8.1.1".to_owned());
    }),
    breaks!("I4", "a node runs outside cluster mode", "runs in mode \"standalone\"", |w| {
        w.view(w.replica(2)).info.server.mode = Some("standalone".to_owned());
    }),
    breaks!("I5", "a process runs a replaced binary", "runs another file", |w| {
        w.host(w.replica(0)).binary.as_mut().unwrap().running = "8:2".to_owned();
    }),
    breaks!("I5", "the installed binary is gone", "is missing", |w| {
        w.host(w.replica(0)).binary.as_mut().unwrap().installed.clear();
    }),
    breaks!("I6", "a node has nofailover", "as nofailover", |w| {
        w.row(w.master(0), w.master(1)).flags.push("nofailover".to_owned());
    }),
    breaks!("I6", "a node suspects another", "as fail?", |w| {
        w.row(w.master(0), w.replica(1)).flags.push("fail?".to_owned());
    }),
    breaks!("I7", "a link is down", "has no link to", |w| w.row(w.master(0), w.master(1)).connected = false),
    breaks!("I8", "a link is open at one end only", "has not arrived there for", |w| {
        let id = w.observed.view(w.master(0)).unwrap().id.clone();
        w.details(w.master(1)).links.as_mut().unwrap().count_mut(&id).inbound = 0;
    }),
    breaks!("I9", "a ping waits", "waits for an answer of", |w| {
        let now = w.view(w.master(0)).now_ms;
        w.row(w.master(0), w.replica(1)).ping_sent = now - 2_000;
    }),
    breaks!("I10", "a node knows no owner of some slots", "knows no owner of", |w| {
        w.row(w.replica(0), w.master(1)).slots.clear();
    }),
    breaks!("I10", "a node knows two owners of a slot", "knows two owners", |w| {
        w.row(w.replica(0), w.master(1)).slots.push(SlotRange::new(0, 0));
    }),
    breaks!("I10", "two nodes disagree on a slot", "disagree on slot 0", |w| {
        let (one, two, reader) = (w.master(0), w.master(1), w.replica(0));
        let slots = w.row(reader, one).slots.clone();
        w.row(reader, one).slots = w.row(reader, two).slots.clone();
        w.row(reader, two).slots = slots;
    }),
    breaks!("I12", "a slot is on the move", "slot 93 is on the move from 10.0.0.1:7001 to", |w| {
        let [from, to] =
            [w.master(0), w.master(1)].map(|node| (node, w.observed.view(node).unwrap().id.clone()));
        w.row(from.0, from.0).moving.push(format!("[93->-{}]", to.1));
        w.row(to.0, to.0).moving.push(format!("[93-<-{}]", from.1));
    }),
    breaks!("I12", "a slot is left importing", "imports slot 93 of 10.0.0.1:7001, which does not", |w| {
        let id = w.observed.view(w.master(0)).unwrap().id.clone();
        w.row(w.master(1), w.master(1)).moving.push(format!("[93-<-{id}]"));
    }),
    breaks!("I12", "a slot is left migrating", "gives slot 93 to node gone, which does not", |w| {
        w.row(w.master(1), w.master(1)).moving.push("[93->-gone]".to_owned());
    }),
    breaks!("I13", "slots are of a suspected master", "5 slots pfail", |w| {
        w.view(w.replica(0)).cluster.slots_pfail = Some(5);
    }),
    breaks!("I15", "a node counts a master too few", "counts 2 masters with slots, not 3", |w| {
        w.view(w.replica(0)).cluster.size = Some(2);
    }),
    breaks!("I16", "two masters have one epoch", "both have epoch", |w| {
        w.rows_about(w.master(1)).into_iter().for_each(|row| row.epoch = 1);
    }),
    breaks!("I16", "a master has no epoch", "has epoch 0", |w| {
        w.rows_about(w.master(1)).into_iter().for_each(|row| row.epoch = 0);
    }),
    breaks!("I17", "a node has an old epoch of a master", "has another epoch for", |w| {
        w.row(w.replica(0), w.master(1)).epoch = 0;
    }),
    breaks!("I18", "a node has not heard of the newest epoch", "is at epoch 1", |w| {
        w.view(w.replica(0)).cluster.current_epoch = Some(1);
        w.view(w.replica(0)).cluster.my_epoch = Some(1);
    }),
    breaks!("I19", "a master has lost its replica on one view", "has 0 replicas", |w| {
        w.row(w.master(0), w.replica(1)).master = None;
    }),
    breaks!("I20", "a replica follows another address", ":1, its master is", |w| {
        w.view(w.replica(0)).info.replication.master_port = Some(1);
    }),
    breaks!(
        "I20",
        "a replica follows a replica",
        "which is a replica itself",
        &[],
        World::with_spare(),
        |w| {
            let (spare, replica) = w.spare();
            let id = w.observed.view(replica).unwrap().id.clone();
            w.rows_about(spare).into_iter().for_each(|row| row.master = Some(id.clone()));
            let replication = &mut w.view(spare).info.replication;
            replication.master_host = Some(replica.address().ip().to_string());
            replication.master_port = Some(replica.address().port());
            let master =
                w.topology.shards.iter().find(|shard| shard.replicas.contains(&spare)).unwrap().master;
            let lines = w.view(master).info.replication.replicas.clone();
            w.view(replica).info.replication.replicas = lines;
        }
    ),
    breaks!(
        "I21",
        "a shard is on one host",
        "share a host: the shards of 10.0.0.1:7001",
        &[],
        World::of(hosts(&[2, 2, 2], 1), &crowded()),
        |_| {}
    ),
    breaks!(
        "I21",
        "failovers put the majority of masters on one host",
        "host h0 holds 2 of 3 masters: its loss stops the cluster; `provision apply`",
        &[],
        World::of(hosts(&[2, 2, 2], 1), &leaning()),
        |_| {}
    ),
    breaks!(
        "I21",
        "failovers put the majority of masters into one zone",
        "zone east holds 2 of 3 masters",
        &[],
        leaning_zones(),
        |_| {}
    ),
    breaks!("I22", "a master does not have its replica online", "online", |w| {
        w.view(w.master(0)).info.replication.replicas[0].online = false;
    }),
    breaks!("I22", "a replica lags", "lags 5 s behind", |w| {
        w.view(w.master(0)).info.replication.replicas[0].lag = Some(5);
    }),
    breaks!("I23", "a replica has no link", "has no link to", |w| {
        w.view(w.replica(0)).info.replication.master_link_up = Some(false);
    }),
    breaks!("I23", "a replica synchronises", "still syncs", |w| {
        w.view(w.replica(0)).info.replication.master_sync_in_progress = Some(true);
    }),
    breaks!("I23", "a replica is writable", "is writable", |w| {
        w.view(w.replica(0)).info.replication.replica_read_only = Some(false);
    }),
    breaks!("I23", "a replica gets nothing from its master", "for 12 s", |w| {
        w.view(w.replica(0)).info.replication.master_last_io_seconds_ago = Some(12);
    }),
    breaks!("I24", "a replica has another replication id", "another replication id", |w| {
        w.view(w.replica(0)).info.replication.master_replid = Some("other".to_owned());
    }),
    breaks!("I25", "WAIT counts no replica", "WAIT counted 0 of 1", |w| w.probe(0).acknowledged = (0, 1)),
    breaks!("I25", "a replica is behind", "is 40 bytes behind", |w| {
        let replica = w.replica(0);
        w.probe(0).replicas.insert(replica, (Ok(()), 60));
    }),
    breaks!("I26", "a replica does not have the probe key", "answered nothing", |w| {
        let replica = w.replica(0);
        w.probe(0).replicas.insert(replica, (Err("nothing".to_owned()), 100));
    }),
    breaks!("I27", "a replica synchronises over and over", "began 2 full syncs while it was watched", |w| {
        let count = SyncCount { first: 5, last: 7, steady: Duration::from_millis(900) };
        w.syncs.insert(w.master(0), count);
    }),
    breaks!("I28", "a node says it is a master", "says its role is master, the cluster says replica", |w| {
        w.details(w.replica(0)).role = Some(Role::Master);
    }),
    breaks!("I29", "a node serves nothing", "cluster_state:fail", |w| {
        w.view(w.replica(0)).cluster.state = "fail".to_owned();
    }),
    breaks!("I29", "a write is refused", "MISCONF", PROBED, |w| {
        w.probe(0).trouble = Some(Trouble::Other("MISCONF Errors writing to the AOF file".to_owned()));
    }),
    breaks!("I30", "a node sends clients elsewhere", "to 10.0.0.99:", |w| {
        w.set_endpoint(0, Endpoint::Ip(address("99:1").address().ip()));
    }),
    breaks!(
        "I30",
        "a node sends clients to a node without a name",
        "has no cluster-announce-hostname",
        |w| {
            w.set_endpoint(0, Endpoint::Nameless);
        }
    ),
    breaks!("I30", "a node serves what is not its own", "instead of MOVED", |w| {
        *w.answer(0) = Answer::Other("it answered Nil".to_owned());
    }),
    breaks!("I31", "a probe key is left", "provision:probe:test is still on", |w| w.probe(0).removed =
        Ok(false)),
    breaks!(
        "I31",
        "a probe key is left where the write had trouble",
        "is still on",
        PROBED_AND_REFUSED,
        |w| {
            w.probe(0).trouble = Some(Trouble::OutOfMemory("OOM".to_owned()));
            w.view(w.master(0)).info.memory.policy = Some("allkeys-lru".to_owned());
            w.probe(0).removed = Ok(false);
        }
    ),
    breaks!("I32", "a log has a fault", "Fatal", |w| {
        w.host(w.replica(0)).log = LogFacts::Read(vec!["9:M Fatal".to_owned()]);
    }),
    breaks!("I33", "nodes.conf is missing", "missing or empty", |w| w.host(w.master(0)).nodes_conf.clear()),
    breaks!("I33", "nodes.conf is not a table", "is not a cluster node", |w| {
        w.host(w.master(0)).nodes_conf = "x".to_owned();
    }),
    breaks!("I33", "nodes.conf is old", "differs from the live view at", |w| {
        w.host(w.master(0)).nodes_conf =
            "id-x 10.0.0.1:7001@17001 myself,master - 0 0 1 connected".to_owned();
    }),
    breaks!("I34", "the last AOF write failed", "aof_last_write_status:err", |w| {
        w.view(w.master(0)).info.persistence.aof_last_write_status = Some("err".to_owned());
    }),
    breaks!("I34", "the AOF is off although the node was told to keep it", "has aof_enabled:0", |w| {
        w.view(w.master(0)).info.persistence.aof_enabled = Some(false);
    }),
    breaks!("I35", "a directive of the inventory has another value", "has maxmemory \"0\", not 1gb", |w| {
        w.config(w.master(0)).running.insert("maxmemory".to_owned(), "0".to_owned());
    }),
    breaks!(
        "I35",
        "a directive of the template has another value",
        "has appendfsync \"no\", not everysec",
        |w| {
            w.config(w.replica(0)).running.insert("appendfsync".to_owned(), "no".to_owned());
        }
    ),
    breaks!("I35", "the AOF was switched off by hand", "has appendonly \"no\", not yes", |w| {
        w.config(w.master(0)).running.insert("appendonly".to_owned(), "no".to_owned());
        w.view(w.master(0)).info.persistence.aof_enabled = Some(false);
    }),
    breaks!("I35", "the data folder was changed by hand", "has dir \"/tmp\"", |w| {
        w.config(w.master(0)).running.insert("dir".to_owned(), "/tmp".to_owned());
    }),
    breaks!("I36", "a unit is disabled", "its unit is disabled", |w| {
        w.host(w.replica(0)).unit.as_mut().unwrap().enabled = "disabled".to_owned();
    }),
    breaks!("I37", "formation left a setting", "should have repl-diskless-sync-delay 5 again", |w| {
        w.view(w.replica(0)).tuning.set(Tunable::SyncDelay, "0");
    }),
    breaks!("I38", "a node is down", "10.0.0.2:7002 does not answer: refused", ASKED_OF_NODES, |w| {
        w.state(second_replica(w), State::Down("refused".to_owned()));
    }),
    breaks!(
        "I38",
        "a node has another password",
        "runs with another password: NOAUTH",
        ASKED_OF_NODES,
        |w| {
            w.state(second_replica(w), State::AuthRejected("NOAUTH".to_owned()));
        }
    ),
    breaks!("I38", "a node loads its data", "is still loading its data", ASKED_OF_NODES, |w| {
        w.state(second_replica(w), State::Loading(1));
    }),
    breaks!("I39", "a master is at its limit", "refuses writes: 1073741824 of maxmemory 1073741824", |w| {
        w.view(w.master(0)).info.memory.used = Some(1 << 30);
    }),
    breaks!(
        "I39",
        "a master refuses a write for want of memory",
        "refuses writes",
        PROBED_AND_REFUSED,
        |w| {
            w.probe(0).trouble = Some(Trouble::OutOfMemory("OOM".to_owned()));
        }
    ),
];

/// As [`PROBED`], where the master may take other writes.
const PROBED_AND_REFUSED: &[&str] = &["I25", "I26", "I29"];

fn second_replica(w: &World) -> NodeRef {
    let node = address("2:7002");
    assert!(w.observed.view(node).unwrap().is_replica());
    node
}

#[test]
fn every_defect_breaks_its_own_invariant_and_no_other() {
    let mut surprises = Vec::new();
    for Row { what, id, evidence, unproven, world } in BROKEN {
        let world = world();
        let check = world.check(id);
        let as_expected = matches!(&check, Check::Broken(text) if text.contains(evidence));
        if !as_expected || world.broken() != [*id] || world.unproven() != *unproven {
            let (broken, open) = (world.broken(), world.unproven());
            surprises.push(format!("{what}: {id} is {check:?}; broken {broken:?}, unproven {open:?}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn every_invariant_is_broken_by_something() {
    let is_broken = |id: &str| BROKEN.iter().any(|row| row.id == id);
    let without: Vec<&str> = TABLE.iter().map(|invariant| invariant.id).filter(|id| !is_broken(id)).collect();
    assert_eq!(without, [""; 0]);
    assert!(BROKEN.len() >= TABLE.len());
}
