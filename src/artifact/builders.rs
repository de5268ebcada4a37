//! Who compiles, and for whom: one host of each kind, so that the machine provision runs on never needs a
//! compiler.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{libc, spec::ArtifactSpec};
use crate::{host::Facts, units::HostName};

/// A host that compiles the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// The host's name in the inventory.
    pub host: HostName,
    /// The other hosts that get its binary.
    pub consumers: Vec<HostName>,
    /// Why it must compile, for the plan.
    pub why: String,
}

/// Chooses builders among hosts that lack the binary: in each group of one architecture and one kind of C
/// library the host with the oldest one, because newer hosts run what older ones have compiled and never the
/// other way. Among equals one that has a compiler already, then one with more cores, then the first by name.
pub fn builders(spec: &ArtifactSpec, lacking: &BTreeMap<HostName, Facts>) -> Vec<Builder> {
    let mut groups: BTreeMap<(&str, String), Vec<(&HostName, &Facts)>> = BTreeMap::new();
    for (host, facts) in lacking {
        groups.entry((&facts.arch, libc::kind(&facts.libc))).or_default().push((host, facts));
    }
    let alone = groups.len() == 1;
    let builder = |((arch, libc), mut group): ((&str, String), Vec<(&HostName, &Facts)>)| {
        group.sort_by_key(|(host, facts)| {
            (libc::version(&facts.libc), facts.compiler.is_empty(), u32::MAX - facts.cores, *host)
        });
        let mut hosts = group.into_iter().map(|(host, _)| host.clone());
        let host = hosts.next()?;
        let mut consumers: Vec<HostName> = hosts.collect();
        consumers.sort();
        let missing = format!("{} is neither installed nor in the cache", spec.title());
        let kind = if alone { String::new() } else { format!(" for {arch} with {libc}") };
        let why = match consumers.len() {
            0 => format!("{missing}{kind}"),
            n => format!("{missing}{kind}; {n} more hosts get what it compiles"),
        };
        Some(Builder { host, consumers, why })
    };
    groups.into_iter().filter_map(builder).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{host::InitSystem, inventory::Engine};

    fn spec() -> ArtifactSpec {
        crate::artifact::spec::tests::spec(Engine::Redis, "7.0.15")
    }

    pub(in crate::artifact) fn facts(arch: &str, libc: &str, compiler: &str, cores: u32) -> Facts {
        let word = str::to_owned;
        Facts {
            uid: 0,
            data_home: word("/root"),
            cache_home: word("/root"),
            arch: word(arch),
            cores,
            systemd: 0,
            init: InitSystem::Systemd,
            os: vec![word("debian")],
            os_version: word("12"),
            codename: String::new(),
            libc: word(libc),
            lacks: Vec::new(),
            level: 1,
            compiler: word(compiler),
            boot_id: String::new(),
            accounts: std::collections::BTreeMap::new(),
            knows: std::collections::BTreeMap::new(),
        }
    }

    fn hosts(list: &[(&str, Facts)]) -> BTreeMap<HostName, Facts> {
        list.iter().map(|(name, facts)| (HostName::from(*name), facts.clone())).collect()
    }

    #[test]
    fn the_oldest_libc_of_each_architecture_compiles() {
        let lacking = hosts(&[
            ("a", facts("x86_64", "glibc 2.36", "gcc 12", 8)),
            ("b", facts("x86_64", "glibc 2.9", "", 2)),
            ("c", facts("aarch64", "glibc 2.28", "", 2)),
            ("d", facts("x86_64", "musl libc (x86_64) Version 1.2.3", "", 2)),
        ]);
        let chosen = builders(&spec(), &lacking);
        let names: Vec<(&str, usize)> = chosen.iter().map(|b| (b.host.as_str(), b.consumers.len())).collect();
        assert_eq!(names, [("c", 0), ("b", 1), ("d", 0)]);
        assert!(chosen[1].why.contains("for x86_64 with glibc; 1 more hosts"), "{}", chosen[1].why);
    }

    #[test]
    fn among_equals_a_compiler_counts_then_cores() {
        let libc = "glibc 2.36";
        let lacking = hosts(&[
            ("a", facts("x86_64", libc, "", 64)),
            ("b", facts("x86_64", libc, "gcc 12", 2)),
            ("c", facts("x86_64", libc, "gcc 12", 8)),
        ]);
        assert_eq!(builders(&spec(), &lacking)[0].host, "c");
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let libc = prop_oneof![
            Just("glibc 2.17"),
            Just("glibc 2.9"),
            Just("glibc 2.36"),
            Just("musl libc Version 1.2.3")
        ];
        (prop_oneof![Just("x86_64"), Just("aarch64")], libc, prop_oneof![Just(""), Just("gcc")], 1u32..9)
            .prop_map(|(arch, libc, compiler, cores)| facts(arch, libc, compiler, cores))
    }

    proptest! {
        #[test]
        fn every_host_is_served_once_by_one_it_can_run_after(
            lacking in prop::collection::btree_map("[a-z]{1,4}".prop_map(HostName::from), any_facts(), 0..12)
        ) {
            let chosen = builders(&spec(), &lacking);
            let mut served: Vec<&HostName> = chosen.iter().flat_map(|b| b.consumers.iter().chain([&b.host])).collect();
            served.sort();
            prop_assert_eq!(served, lacking.keys().collect::<Vec<_>>());
            for builder in &chosen {
                let built = &lacking[&builder.host];
                for host in &builder.consumers {
                    prop_assert_eq!(&lacking[host].arch, &built.arch);
                    prop_assert!(libc::fits(&lacking[host].libc, &built.libc));
                }
            }
            prop_assert_eq!(chosen, builders(&spec(), &lacking));
        }
    }
}
