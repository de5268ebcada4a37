//! The table of known source digests, compiled in.

use crate::inventory::{Engine, Version};

const TABLE: &str = include_str!("digests.txt");

/// The digests any of which the source of a version may have: the release, and a distribution's own packing of it.
pub(super) fn known(engine: Engine, version: Version) -> Vec<&'static str> {
    let version = version.to_string();
    entries().filter(|(e, v, _)| *e == engine.name() && *v == version).map(|(_, _, digest)| digest).collect()
}

/// `engine version digest`, one line each; what follows is for people.
fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?, words.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_an_engine_a_version_and_a_sha256() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(words[0] == "redis" || words[0] == "valkey", "{line}");
            assert!(words[1].parse::<Version>().is_ok(), "{line}");
            assert!(words[2].len() == 64 && words[2].bytes().all(|b| b.is_ascii_hexdigit()), "{line}");
            assert!(words[2].bytes().any(|b| b != b'0'), "{line}");
            assert!(words.len() == 4, "where a digest comes from is part of it: {line}");
        }
    }

    #[test]
    fn a_distribution_may_pack_a_release_anew() {
        assert_eq!(known(Engine::Redis, Version::new(7, 0, 15)).len(), 2);
        assert!(known(Engine::Redis, Version::new(99, 0, 0)).is_empty());
    }
}
