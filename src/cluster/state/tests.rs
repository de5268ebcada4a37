use std::fmt::Write;

use super::*;
use crate::{
    cluster::{State, View},
    inventory::{Address, Engine, Host, Node, Source, Version},
    redis::parse_nodes,
};

fn fleet() -> Fleet {
    let node = |port: u16| Node {
        name: port.to_string(),
        host: "here".to_owned(),
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        simulated: false,
        config: BTreeMap::new(),
    };
    let nodes = (7001..=7006).map(node).collect();
    Fleet {
        name: "test".to_owned(),
        engine: Engine::Redis,
        version: Version::new(7, 0, 15),
        replicas: 1,
        config: BTreeMap::new(),
        auth: None,
        source: Source::default(),
        hosts: vec![Host {
            name: "here".to_owned(),
            address: Address::Local,
            ssh: crate::inventory::Ssh::default(),
            zone: None,
            nodes,
        }],
        environment: crate::inventory::Environment::SingleHost,
        inventory: "test.toml".into(),
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A node that runs with these rows, and this many keys.
fn up(port: u16, rows: &str, keys: u64) -> (SocketAddr, State) {
    let rows = parse_nodes(rows).unwrap().rows;
    let view = View {
        id: rows.iter().find(|row| row.is_myself()).unwrap().id.clone(),
        rows,
        cluster: BTreeMap::new(),
        info: BTreeMap::new(),
        keys,
        tuning: BTreeMap::new(),
        node_timeout_ms: 15_000,
        now_ms: 0,
        slot_ranges: true,
    };
    (at(port), State::Up(Box::new(view)))
}

fn myself(port: u16, slots: &str) -> String {
    format!("id{port} :{port}@{} myself,master - 0 0 1 connected {slots}\n", port + 10_000)
}

fn row(id: &str, address: &str, slots: &str) -> String {
    format!("{id} {address}@1 master - 0 0 1 connected {slots}\n")
}

fn judge(nodes: Vec<(SocketAddr, State)>) -> Result<ClusterState, SafetyViolation> {
    assess(&fleet(), &Observed { nodes }, &BTreeMap::new())
}

#[test]
fn blank_nodes_are_unformed() {
    let down = (7001..=7006).map(|port| (at(port), State::Down("connection refused".to_owned()))).collect();
    assert_eq!(judge(down), Ok(ClusterState::Unformed { no_process_running: true }));
    let warm = (7001..=7006).map(|port| up(port, &myself(port, ""), 0)).collect();
    assert_eq!(judge(warm), Ok(ClusterState::Unformed { no_process_running: false }));
}

#[test]
fn an_address_outside_the_fleet_is_foreign() {
    let rows = myself(7002, "") + &row("id7001", "127.0.0.1:7001", "") + &row("alien", "10.9.9.9:6379", "");
    let refused = judge(vec![up(7001, &myself(7001, ""), 0), up(7002, &rows, 0)]).unwrap_err();
    let expected = SafetyViolation::Foreign {
        node: at(7002),
        id: "alien".to_owned(),
        address: "10.9.9.9:6379".to_owned(),
    };
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains("127.0.0.1:7002 knows node alien at 10.9.9.9:6379"));
}

#[test]
fn our_addresses_with_nothing_but_strangers_are_another_cluster() {
    let rows = myself(7002, "") + &row("alien", "127.0.0.1:7001", "");
    let refused = judge(vec![up(7001, &myself(7001, ""), 0), up(7002, &rows, 0)]);
    assert!(
        matches!(refused, Err(SafetyViolation::OtherCluster { node, .. }) if node == at(7002)),
        "{refused:?}"
    );
}

/// A member that lost its `nodes.conf` has a new id; the others still list the old one.
#[test]
fn a_former_id_of_ours_is_no_stranger_where_others_of_ours_are_known() {
    let rows = |port| {
        let mut rows = myself(port, "") + &row("former", "127.0.0.1:7003", "");
        let other = if port == 7001 { 7002 } else { 7001 };
        rows += &row(&format!("id{other}"), &format!("127.0.0.1:{other}"), "");
        up(port, &rows, 0)
    };
    let standing = judge(vec![rows(7001), rows(7002), up(7003, &myself(7003, ""), 0)]);
    assert!(matches!(standing, Ok(ClusterState::Partial { .. })), "{standing:?}");
}

#[test]
fn a_node_that_is_down_may_be_any_id_at_its_address() {
    let rows = myself(7001, "0-16383") + &row("whoever", "127.0.0.1:7002", "");
    let standing = judge(vec![up(7001, &rows, 0), (at(7002), State::Down("connection refused".to_owned()))]);
    assert_eq!(
        standing,
        Ok(ClusterState::Degraded { down: vec!["127.0.0.1:7002: connection refused".to_owned()] })
    );
}

#[test]
fn one_id_on_two_addresses_is_refused() {
    let copy = myself(7001, "");
    let refused = judge(vec![up(7001, &copy, 0), up(7002, &copy, 0)]);
    assert!(matches!(refused, Err(SafetyViolation::SameId { .. })), "{refused:?}");
}

#[test]
fn a_slot_owned_twice_by_strangers_is_two_clusters() {
    let refused = judge(vec![up(7001, &myself(7001, "0-100"), 0), up(7002, &myself(7002, "100-200"), 0)]);
    assert_eq!(refused, Err(SafetyViolation::TwoClusters { one: at(7001), other: at(7002), slot: 100 }));
    let apart = judge(vec![up(7001, &myself(7001, "0-100"), 0), up(7002, &myself(7002, "101-200"), 0)]);
    assert!(matches!(apart, Ok(ClusterState::Partial { .. })), "{apart:?}");
}

#[test]
fn keys_of_a_lonely_node_are_not_flushed() {
    let refused = judge(vec![up(7001, &myself(7001, ""), 7)]);
    assert_eq!(refused, Err(SafetyViolation::WouldFlush { node: at(7001), keys: 7 }));
}

#[test]
fn the_file_of_a_stopped_node_speaks_for_it() {
    let mut file = myself(7001, "0-8191");
    writeln!(file, "{}vars currentEpoch 2 lastVoteEpoch 0", row("alien", "10.9.9.9:6379", "8192-16383"))
        .unwrap();
    let observed = Observed { nodes: vec![(at(7001), State::Down("connection refused".to_owned()))] };
    let refused = assess(&fleet(), &observed, &BTreeMap::from([(at(7001), file)]));
    assert!(matches!(refused, Err(SafetyViolation::Foreign { node, .. }) if node == at(7001)), "{refused:?}");
}
