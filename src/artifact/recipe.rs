//! How a version is compiled: the make target, its flags, and the tools they need.

use serde::{Deserialize, Serialize};

use super::digest;
use crate::{
    distro::{Distro, Tool},
    inventory::{Engine, Version},
};

/// How a version is compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    engine: Engine,
    version: Version,
    /// The source digest the inventory demands: another source is then another recipe.
    sha256: Option<String>,
}

/// `BUILD_TLS` and `USE_SYSTEMD` are options since this version; before it there was neither.
const OPTIONS: Version = Version::new(6, 0, 0);

/// The bundled jemalloc takes configure options since this version of Redis.
const JEMALLOC_OPTIONS: Version = Version::new(7, 0, 0);

/// From the first of these versions to before the second, Redis bundles `fast_float`, which is C++.
const CXX: (Version, Version) = (Version::new(8, 0, 0), Version::new(8, 8, 0));

/// The command the makefiles compile it with.
pub(super) const CXX_COMPILER: &str = "g++";

impl Recipe {
    pub fn new(engine: Engine, version: Version, sha256: Option<&str>) -> Self {
        Self { engine, version, sha256: sha256.map(str::to_ascii_lowercase) }
    }

    /// The only thing that is compiled: sentinel and the checkers are the same binary, and the client is not needed.
    pub fn target(&self) -> &'static str {
        self.engine.server()
    }

    /// The variables that decide what the binary is. They must stand on make's command line: `.make-settings`
    /// overrides the environment.
    pub fn flags(&self, arch: &str) -> Vec<String> {
        // -O2 also keeps link time optimisation off, which takes longer than the rest of the build.
        let mut flags = vec!["OPTIMIZATION=-O2".to_owned(), "MALLOC=jemalloc".to_owned()];
        if self.version < OPTIONS {
            // It defines variables in headers, which gcc 10 and newer refuse unless told otherwise.
            flags.push("REDIS_CFLAGS=-fcommon".to_owned());
        } else {
            flags.extend(["BUILD_TLS=no".to_owned(), "USE_SYSTEMD=no".to_owned()]);
        }
        if arch == "aarch64" && self.version >= JEMALLOC_OPTIONS {
            // Built where pages are 4 KB, the binary must run where they are 64 KB.
            flags.push("JEMALLOC_CONFIGURE_OPTS=--with-lg-page=16".to_owned());
        }
        flags
    }

    /// Eight hex digits of what matters. The architecture is compared on its own.
    pub fn id(&self) -> String {
        let (version, flags) = (self.version.to_string(), self.flags("").join(" "));
        let parts =
            [self.engine.name(), &version, self.target(), &flags, self.sha256.as_deref().unwrap_or_default()];
        digest::of_parts(&parts)[..8].to_owned()
    }

    pub fn tools(&self) -> Vec<Tool> {
        let mut tools = vec![Tool::Compiler, Tool::Make, Tool::Tar, Tool::Libc];
        if self.needs_cxx() {
            tools.push(Tool::CxxCompiler);
        }
        tools
    }

    /// The packages of a distribution that provide the tools.
    pub fn packages(&self, distro: &Distro) -> Vec<&'static str> {
        self.tools().into_iter().filter_map(|tool| distro.package(tool)).collect()
    }

    pub(super) fn needs_cxx(&self) -> bool {
        self.engine == Engine::Redis && (CXX.0..CXX.1).contains(&self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(engine: Engine, version: &str) -> Recipe {
        Recipe::new(engine, version.parse().unwrap(), None)
    }

    #[test]
    fn the_id_is_stable_and_follows_the_inventorys_digest() {
        let plain = recipe(Engine::Redis, "7.0.15");
        assert_eq!(plain.id(), "65cc9407");
        let pinned = Recipe::new(Engine::Redis, Version::new(7, 0, 15), Some("ABcd"));
        assert_ne!(plain.id(), pinned.id());
        assert_eq!(pinned.id(), Recipe::new(Engine::Redis, Version::new(7, 0, 15), Some("abCD")).id());
        assert_ne!(plain.id(), recipe(Engine::Redis, "7.0.14").id());
    }

    #[test]
    fn only_versions_that_bundle_cxx_need_its_compiler() {
        let cxx: Vec<&str> = ["5.0.6", "7.2.5", "8.0.0", "8.6.6", "8.8.0"]
            .into_iter()
            .filter(|version| recipe(Engine::Redis, version).tools().contains(&Tool::CxxCompiler))
            .collect();
        assert_eq!(cxx, ["8.0.0", "8.6.6"]);
        assert!(!recipe(Engine::Valkey, "8.0.0").needs_cxx());
    }

    #[test]
    fn versions_get_only_the_flags_they_know() {
        assert_eq!(
            recipe(Engine::Redis, "5.0.6").flags("x86_64"),
            ["OPTIMIZATION=-O2", "MALLOC=jemalloc", "REDIS_CFLAGS=-fcommon"]
        );
        assert_eq!(recipe(Engine::Valkey, "9.1.2").flags("x86_64").len(), 4);
        assert_eq!(recipe(Engine::Redis, "7.0.15").flags("aarch64").len(), 5);
    }
}
