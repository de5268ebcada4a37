use proptest::prelude::*;

use super::*;
use crate::{mutated::mutated, redis::Role};

/// A master of Redis 5.0.14.
const REDIS_5: &str = "\
# Server\r
redis_version:5.0.14\r
redis_git_sha1:00000000\r
redis_git_dirty:0\r
redis_build_id:ddd3b1f81e7bc3c0\r
redis_mode:cluster\r
os:Linux 6.1.0 x86_64\r
arch_bits:64\r
process_id:4711\r
run_id:0a1cd9d4b6f4d0c0a9d3e6c1c1a0f6c9a5b3e7d1\r
tcp_port:7001\r
config_file:/etc/provision/orders/7001/redis.conf\r
\r
# Memory\r
used_memory:2654272\r
used_memory_human:2.53M\r
\r
# Persistence\r
loading:0\r
rdb_changes_since_last_save:0\r
rdb_last_bgsave_status:ok\r
aof_enabled:1\r
aof_last_bgrewrite_status:ok\r
aof_last_write_status:ok\r
\r
# Stats\r
sync_full:1\r
sync_partial_ok:0\r
\r
# Replication\r
role:master\r
connected_slaves:1\r
slave0:ip=127.0.0.1,port=7004,state=online,offset=1288,lag=1\r
master_replid:6d3bc5bb9bb3b1c7b0a3a4a2c1c1a0f6c9a5b3e7\r
master_replid2:0000000000000000000000000000000000000000\r
master_repl_offset:1288\r
second_repl_offset:-1\r
repl_backlog_active:1\r
\r
# Keyspace\r
db0:keys=12,expires=3,avg_ttl=0\r
";

/// A replica of Redis 7.0.15.
const REDIS_7: &str = "\
# Server\r
redis_version:7.0.15\r
redis_git_sha1:00000000\r
redis_build_id:ae4d7c971a948f0\r
redis_mode:cluster\r
process_id:31415\r
process_supervised:systemd\r
\r
# Persistence\r
loading:0\r
async_loading:0\r
aof_enabled:0\r
aof_last_bgrewrite_status:ok\r
aof_last_write_status:err\r
rdb_last_bgsave_status:ok\r
\r
# Replication\r
role:slave\r
master_host:10.0.0.1\r
master_port:7001\r
master_link_status:up\r
master_last_io_seconds_ago:0\r
master_sync_in_progress:0\r
slave_read_repl_offset:70\r
slave_repl_offset:56\r
slave_priority:100\r
slave_read_only:1\r
replica_announced:1\r
connected_slaves:0\r
master_failover_state:no-failover\r
master_replid:0123456789012345678901234567890123456789\r
master_repl_offset:70\r
";

/// A master of Valkey 8.0.1 with one replica online and one that still receives the data set.
const VALKEY_8: &str = "\
# Server\r
redis_version:7.2.4\r
server_name:valkey\r
valkey_version:8.0.1\r
redis_git_sha1:00000000\r
redis_build_id:a1b2c3d4e5f60718\r
server_mode:cluster\r
process_id:77\r
\r
# Replication\r
role:master\r
connected_slaves:2\r
slave0:ip=10.0.0.2,port=7001,state=online,offset=300,lag=0,type=replica\r
slave1:ip=10.0.0.3,port=7001,state=send_bulk,offset=0,lag=9,type=replica\r
slaves_waiting_psync:0\r
master_repl_offset:314\r
\r
# Keyspace\r
db0:keys=2,expires=0,avg_ttl=0\r
db3:keys=40,expires=0,avg_ttl=0,subexpiry=0\r
";

fn at(address: &str) -> std::net::SocketAddr {
    address.parse().unwrap()
}

#[test]
fn a_redis_5_names_version_build_mode_and_process() {
    let server = ServerInfo::parse(REDIS_5);
    assert_eq!(server.version(), Some("5.0.14"));
    assert_eq!(server.build(), "5.0.14 ddd3b1f81e7bc3c0");
    assert_eq!(server.mode.as_deref(), Some("cluster"));
    assert_eq!(server.process_id, Some(4711));
}

#[test]
fn a_valkey_names_its_own_version_beside_that_of_redis() {
    let server = ServerInfo::parse(VALKEY_8);
    assert_eq!(server.version(), Some("8.0.1"));
    assert_eq!(server.build(), "valkey 7.2.4 8.0.1 a1b2c3d4e5f60718");
    assert_eq!(server.mode.as_deref(), Some("cluster"));
}

#[test]
fn a_server_outside_a_cluster_says_its_mode() {
    assert_eq!(ServerInfo::parse("redis_mode:standalone").mode.as_deref(), Some("standalone"));
    assert_eq!(ServerInfo::parse("").mode, None);
}

#[test]
fn a_master_lists_its_replicas() {
    let info = ReplicationInfo::parse(REDIS_5);
    assert_eq!(info.role, Some(Role::Master));
    assert_eq!(info.master_repl_offset, Some(1288));
    let line = ReplicaLine {
        ip: "127.0.0.1".to_owned(),
        port: 7004,
        online: true,
        offset: Some(1288),
        lag: Some(1),
    };
    assert_eq!(info.replicas, [line]);
    assert!(!info.link_is_up(), "a master follows no node");
}

#[test]
fn only_the_replica_at_that_very_address_is_online() {
    let info = ReplicationInfo::parse(VALKEY_8);
    assert!(info.has_online(at("10.0.0.2:7001")));
    assert!(!info.has_online(at("10.0.0.3:7001")), "it still receives the data set");
    assert!(!info.has_online(at("10.0.0.2:7002")));
    assert_eq!((info.lag_of(at("10.0.0.2:7001")), info.lag_of(at("10.0.0.3:7001"))), (Some(0), Some(9)));
    assert_eq!(info.lag_of(at("10.0.0.4:7001")), None);
}

#[test]
fn a_replica_over_ipv6_is_found() {
    let info = ReplicationInfo::parse("slave0:ip=2001:db8::2,port=7001,state=online,offset=0,lag=0");
    assert!(info.has_online(at("[2001:db8::2]:7001")));
}

#[test]
fn a_replica_names_its_master() {
    let info = ReplicationInfo::parse(REDIS_7);
    assert_eq!(info.role, Some(Role::Replica));
    assert_eq!(info.master_address(), "10.0.0.1:7001");
    assert!(info.link_is_up());
    assert_eq!(info.master_sync_in_progress, Some(false));
    assert_eq!(info.replica_read_only, Some(true));
    assert_eq!(info.replica_offset, Some(56));
    assert_eq!(info.replicas, [], "slave_repl_offset is not a replica");
    assert_eq!(info.master_sync_read_bytes, None);
}

#[test]
fn a_replica_line_without_a_port_is_left_out() {
    assert_eq!(ReplicationInfo::parse("slave0:ip=10.0.0.2,state=online").replicas, []);
    assert_eq!(ReplicationInfo::parse("").master_address(), "?:?");
}

#[test]
fn only_numbered_lines_are_about_replicas() {
    for key in ["slave", "slave_x", "slave1x", "replica0"] {
        let line = format!("{key}:ip=10.0.0.2,port=7001,state=online");
        assert_eq!(ReplicationInfo::parse(&line).replicas, [], "{key}");
    }
}

#[test]
fn the_last_failed_write_is_named() {
    assert_eq!(PersistenceInfo::parse(REDIS_5).fault(), None);
    assert_eq!(PersistenceInfo::parse(REDIS_7).fault().as_deref(), Some("aof_last_write_status:err"));
    assert_eq!(PersistenceInfo::parse("").fault(), None);
    assert_eq!(PersistenceInfo::parse(REDIS_5).aof_enabled, Some(true));
}

#[test]
fn keys_of_all_databases_are_summed_up() {
    assert_eq!(KeyspaceInfo::parse(REDIS_5).keys, 12);
    assert_eq!(KeyspaceInfo::parse(VALKEY_8).keys, 42);
    assert_eq!(KeyspaceInfo::parse("# Keyspace").keys, 0);
    let absurd = format!("db0:keys={0},expires=0\ndb1:keys={0},expires=0", u64::MAX);
    assert_eq!(KeyspaceInfo::parse(&absurd).keys, u64::MAX);
}

#[test]
fn a_loading_server_counts_the_bytes_it_has_read() {
    let text = "loading:1\r\nloading_start_time:1\r\nloading_loaded_bytes:4096\r\n";
    assert_eq!(PersistenceInfo::parse(text).loaded_bytes, Some(4096));
}

#[test]
fn the_rest_of_the_sections() {
    assert_eq!(StatsInfo::parse(REDIS_5).sync_full, Some(1));
    assert_eq!(MemoryInfo::parse(REDIS_5).used_human.as_deref(), Some("2.53M"));
    assert_eq!(MemoryInfo::parse("").used_human, None);
}

#[test]
fn buffers_of_replicas_do_not_count_towards_the_limit() {
    let text = "used_memory:1000\r\nmem_not_counted_for_evict:300\r\nmaxmemory:800\r\nmaxmemory_policy:noeviction\r\n";
    let memory = MemoryInfo::parse(text);
    assert_eq!((memory.counted(), memory.max), (700, Some(800)));
    assert_eq!(memory.policy.as_deref(), Some("noeviction"));
    assert_eq!(
        MemoryInfo::parse(REDIS_5).counted(),
        2_654_272,
        "what an engine does not say counts for nothing"
    );
}

proptest! {
    #[test]
    fn no_damage_makes_a_parser_panic(text in mutated(REDIS_5)) {
        let _ = (ServerInfo::parse(&text), ReplicationInfo::parse(&text), PersistenceInfo::parse(&text));
        let _ = (StatsInfo::parse(&text), MemoryInfo::parse(&text).counted(), KeyspaceInfo::parse(&text));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "(slave[0-9]|db[0-9]|[a-z_]{1,20}):[-a-z0-9=,.:]{0,60}\r\n") {
        let _ = (ServerInfo::parse(&text), ReplicationInfo::parse(&text), PersistenceInfo::parse(&text));
        let _ = KeyspaceInfo::parse(&text);
    }
}
