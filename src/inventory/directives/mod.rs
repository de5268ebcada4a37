//! The directives each engine knows, read off the parsers of real releases (`directives/extract.sh`), and
//! those that provision writes itself.

mod refused;

pub use refused::refused;

use super::{
    engine::{Engine, Version},
    hints,
};

/// The directives of one release, one a line.
struct Table {
    version: Version,
    names: &'static str,
}

const REDIS: &[Table] = &[
    Table { version: Version::new(3, 2, 6), names: include_str!("redis-3.2.6.txt") },
    Table { version: Version::new(5, 0, 6), names: include_str!("redis-5.0.6.txt") },
    Table { version: Version::new(6, 2, 14), names: include_str!("redis-6.2.14.txt") },
    Table { version: Version::new(7, 0, 15), names: include_str!("redis-7.0.15.txt") },
    Table { version: Version::new(8, 0, 2), names: include_str!("redis-8.0.2.txt") },
];

const VALKEY: &[Table] = &[
    Table { version: Version::new(8, 1, 1), names: include_str!("valkey-8.1.1.txt") },
    Table { version: Version::new(9, 1, 2), names: include_str!("valkey-9.1.2.txt") },
];

const PER_NODE: &str = "it differs from node to node, and provision writes it; remove it";
const ANNOUNCE: &str = "it differs from node to node; give the host `announce = { address = \"…\" }`";
const SHARED: &str = "every node would get the same one, and they would clash; remove it";
const PASSWORD: &str = "passwords are never written in an inventory; remove it and set `auth` in [cluster]";

/// What may not be set here, and what to do instead.
const MANAGED: &[(&str, &str)] = &[
    ("port", "set `port` in [cluster]"),
    ("bind", PER_NODE),
    ("bind-source-addr", PER_NODE),
    ("rdma-bind", SHARED),
    ("rdma-port", SHARED),
    ("unixsocket", SHARED),
    ("dir", PER_NODE),
    ("pidfile", PER_NODE),
    ("logfile", PER_NODE),
    ("daemonize", "provision decides how the server is supervised; remove it"),
    ("supervised", "provision decides how the server is supervised; remove it"),
    ("cluster-enabled", "it is always yes; remove it"),
    ("cluster-config-file", PER_NODE),
    ("cluster-port", "set `bus_port` in [cluster]"),
    ("cluster-announce-ip", ANNOUNCE),
    ("cluster-announce-port", ANNOUNCE),
    ("cluster-announce-tls-port", PER_NODE),
    ("cluster-announce-bus-port", ANNOUNCE),
    ("replica-announce-ip", SHARED),
    ("replica-announce-port", SHARED),
    ("slave-announce-ip", SHARED),
    ("slave-announce-port", SHARED),
    ("replicaof", "the cluster decides which node replicates which; set `replicas` in [cluster]"),
    ("slaveof", "the cluster decides which node replicates which; set `replicas` in [cluster]"),
    ("requirepass", PASSWORD),
    ("masterauth", PASSWORD),
    ("primaryauth", PASSWORD),
    ("tls-key-file-pass", "passwords are never written in an inventory; use a key file without one"),
    ("tls-client-key-file-pass", "passwords are never written in an inventory; use a key file without one"),
    ("tls-port", "TLS is not set up by provision yet; remove it"),
    ("user", "its passwords would be in the inventory; keep accounts in a file and set `aclfile`"),
    ("include", "what another file says could not be planned; write its directives here"),
    (
        "rename-command",
        "provision, clients and failover tools need the commands' own names; restrict them with an `aclfile`",
    ),
    ("sentinel", "a cluster needs no Sentinel; remove it"),
];

/// Whether a directive may be set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DirectiveStatus {
    Known,
    /// Refused, for this reason; `secret` where its value must not be shown.
    Managed {
        help: &'static str,
        secret: bool,
    },
    Unknown {
        meant: Option<&'static str>,
        /// Another release, of this engine or the other one, that knows exactly this directive.
        known_by: Option<String>,
    },
}

/// Classifies a directive. Between two listed releases, both lists count; the binary has the last word.
pub(super) fn classify(engine: Engine, version: Version, name: &str) -> DirectiveStatus {
    if let Some((_, help)) = MANAGED.iter().find(|(managed, _)| name.eq_ignore_ascii_case(managed)) {
        let secret = ["auth", "pass", "user"].iter().any(|word| name.to_lowercase().ends_with(word));
        return DirectiveStatus::Managed { help, secret };
    }
    let tables = nearest(engine, version);
    let names = || tables.iter().flat_map(|table| table.names.lines());
    if names().any(|known| known == name) {
        return DirectiveStatus::Known;
    }
    let settable = names().filter(|known| MANAGED.iter().all(|(managed, _)| managed != known));
    match hints::did_you_mean(name, settable) {
        // A release line newer than every list may well have directives that are in no list.
        None if tables
            .iter()
            .all(|table| (table.version.major, table.version.minor) < (version.major, version.minor)) =>
        {
            DirectiveStatus::Known
        }
        meant => DirectiveStatus::Unknown { meant, known_by: known_by(engine, name) },
    }
}

/// The engine's own releases first.
fn known_by(engine: Engine, name: &str) -> Option<String> {
    let redis = REDIS.iter().map(|table| (Engine::Redis, table));
    let mut all: Vec<_> = redis.chain(VALKEY.iter().map(|table| (Engine::Valkey, table))).collect();
    all.sort_by_key(|(other, _)| *other != engine);
    let (other, table) = all.into_iter().find(|(_, table)| table.names.lines().any(|known| known == name))?;
    Some(format!("{other} {}", table.version))
}

/// The nearest releases: itself, or the one before and the one after.
fn nearest(engine: Engine, version: Version) -> Vec<&'static Table> {
    let tables = match engine {
        Engine::Redis => REDIS,
        Engine::Valkey => VALKEY,
    };
    let before = tables.iter().rev().find(|table| table.version <= version);
    let after = tables.iter().find(|table| table.version >= version);
    before.into_iter().chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(version: Version, name: &str) -> DirectiveStatus {
        classify(Engine::Redis, version, name)
    }

    #[test]
    fn a_release_knows_its_own_directives() {
        assert_eq!(redis(Version::new(7, 0, 15), "maxmemory"), DirectiveStatus::Known);
        assert_eq!(redis(Version::new(5, 0, 6), "slave-read-only"), DirectiveStatus::Known);
        let newer = DirectiveStatus::Unknown { meant: None, known_by: Some("redis 6.2.14".to_owned()) };
        assert_eq!(redis(Version::new(5, 0, 6), "io-threads"), newer);
        assert_eq!(
            classify(Engine::Valkey, Version::new(9, 1, 2), "commandlog-request-larger-than"),
            DirectiveStatus::Known
        );
    }

    #[test]
    fn between_two_releases_both_lists_count() {
        assert_eq!(redis(Version::new(6, 0, 9), "io-threads"), DirectiveStatus::Known);
        assert_eq!(redis(Version::new(6, 0, 9), "gopher-enabled"), DirectiveStatus::Known);
    }

    #[test]
    fn a_newer_release_may_know_more_but_a_slip_stays_a_slip() {
        assert_eq!(redis(Version::new(99, 0, 0), "telepathy-enabled"), DirectiveStatus::Known);
        let slip = redis(Version::new(99, 0, 0), "max_memmory");
        assert_eq!(slip, DirectiveStatus::Unknown { meant: Some("maxmemory"), known_by: None });
    }

    #[test]
    fn passwords_are_refused_and_hidden() {
        assert!(matches!(
            redis(Version::new(7, 0, 15), "requirepass"),
            DirectiveStatus::Managed { secret: true, .. }
        ));
        assert!(matches!(
            redis(Version::new(7, 0, 15), "port"),
            DirectiveStatus::Managed { secret: false, .. }
        ));
    }

    #[test]
    fn every_table_is_sorted_and_known_to_its_own_release() {
        for (engine, tables) in [(Engine::Redis, REDIS), (Engine::Valkey, VALKEY)] {
            assert!(tables.windows(2).all(|pair| pair[0].version < pair[1].version), "{engine}");
            for table in tables {
                let names: Vec<&str> = table.names.lines().collect();
                assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{engine} {}", table.version);
                for name in names {
                    let status = classify(engine, table.version, name);
                    assert!(!matches!(status, DirectiveStatus::Unknown { .. }), "{engine} {name}");
                }
            }
        }
    }

    #[test]
    fn a_refused_directive_is_refused_in_any_letters_and_never_proposed() {
        for (name, help) in MANAGED {
            let upper = name.to_uppercase();
            let status = redis(Version::new(7, 0, 15), &upper);
            assert!(matches!(status, DirectiveStatus::Managed { help: h, .. } if h == *help), "{upper}");
        }
        let DirectiveStatus::Unknown { meant, .. } = redis(Version::new(7, 0, 15), "cluster-enabld") else {
            panic!("it is a slip");
        };
        assert_ne!(meant, Some("cluster-enabled"));
    }
}
