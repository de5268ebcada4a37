//! The addresses a source is downloaded from.

use super::ArtifactSpec;
use crate::inventory::Engine;

/// The engine's own release. Valkey releases no tarballs of its own: its list of digests names the tag archives.
pub(super) fn release(spec: &ArtifactSpec) -> String {
    match spec.engine {
        Engine::Redis => format!("https://download.redis.io/releases/redis-{}.tar.gz", spec.version),
        Engine::Valkey => {
            format!("https://github.com/valkey-io/valkey/archive/refs/tags/{}.tar.gz", spec.version)
        }
    }
}

/// A mirror of the inventory with `{engine}`, `{version}` and `{file}` filled in.
pub(super) fn mirror(template: &str, spec: &ArtifactSpec) -> String {
    template
        .replace("{engine}", spec.engine.name())
        .replace("{version}", &spec.version.to_string())
        .replace("{file}", &format!("{}.tar.gz", spec.stem()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::spec::tests::spec;

    #[test]
    fn releases_of_both_engines() {
        let redis = release(&spec(Engine::Redis, "7.0.15"));
        assert_eq!(redis, "https://download.redis.io/releases/redis-7.0.15.tar.gz");
        let valkey = release(&spec(Engine::Valkey, "8.1.1"));
        assert_eq!(valkey, "https://github.com/valkey-io/valkey/archive/refs/tags/8.1.1.tar.gz");
    }

    #[test]
    fn a_mirror_is_filled_in_wherever_a_hole_stands() {
        let spec = spec(Engine::Valkey, "8.1.1");
        let url = mirror("https://m.example/{engine}/{version}/{file}?{version}", &spec);
        assert_eq!(url, "https://m.example/valkey/8.1.1/valkey-8.1.1.tar.gz?8.1.1");
        assert_eq!(mirror("https://m.example/fixed.tgz", &spec), "https://m.example/fixed.tgz");
    }
}
