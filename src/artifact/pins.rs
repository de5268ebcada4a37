//! The lock file beside an inventory: the digests of sources that were unknown when they were first used.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    spec::ArtifactSpec,
    store,
};
use crate::inventory::{Engine, ProjectFiles, Version};

/// The lock file of one inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    path: PathBuf,
    pins: Vec<Pin>,
}

/// One pinned source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    pub engine: Engine,
    pub version: Version,
    pub sha256: String,
    /// Where it came from when it was pinned.
    pub from: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    source: Vec<Pin>,
}

const HEAD: &str = "# Written by provision: the SHA-256 of sources that were unknown when they were first used.\n\
                    # Keep this file with the inventory, so that the next run gets the same source.\n\n";

impl Pins {
    /// Reads the lock file of an inventory; a missing one is empty.
    pub fn load(inventory: &Path) -> Result<Self> {
        let path = ProjectFiles::of(inventory).lock();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::Pins { path, source: error.into() }),
        };
        match toml::from_str::<Document>(&text) {
            Ok(document) => Ok(Self { path, pins: document.source }),
            Err(error) => Err(Error::Pins { path, source: error.into() }),
        }
    }

    /// Writes the lock file; an error names it.
    pub fn save(&self) -> Result<()> {
        let document = Document { source: self.pins.clone() };
        let unwritable = |source| Error::PinsUnwritable { path: self.path.clone(), source };
        let text = toml::to_string(&document).map_err(|e| unwritable(io::Error::other(e)))?;
        store::write(&self.path, &format!("{HEAD}{text}")).map_err(unwritable)
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digests pinned for what is wanted.
    pub fn of(&self, spec: &ArtifactSpec) -> Vec<&str> {
        let same = |pin: &&Pin| pin.engine == spec.engine && pin.version == spec.version;
        self.pins.iter().filter(same).map(|pin| pin.sha256.as_str()).collect()
    }

    pub(super) fn add(&mut self, spec: &ArtifactSpec, sha256: &str, from: &str) {
        let (sha256, from) = (sha256.to_owned(), from.to_owned());
        self.pins.push(Pin { engine: spec.engine, version: spec.version, sha256, from });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::spec::tests::spec;

    #[test]
    fn what_is_pinned_is_read_again_for_its_engine_and_version_only() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("x.toml");
        let mut pins = Pins::load(&inventory).unwrap();
        let wanted = spec(Engine::Redis, "7.0.15");
        assert!(pins.of(&wanted).is_empty());
        pins.add(&wanted, "aa", "a \"mirror\"\nof two lines");
        pins.add(&wanted, "bb", "b");
        pins.add(&spec(Engine::Valkey, "8.1.1"), "cc", "c");
        pins.save().unwrap();
        let read = Pins::load(&inventory).unwrap();
        assert_eq!(read, pins);
        assert_eq!(read.of(&wanted), ["aa", "bb"]);
        assert_eq!(read.of(&spec(Engine::Valkey, "7.0.15")), Vec::<&str>::new());
        assert_eq!(read.path(), home.path().join("x.toml.lock"));
        let text = fs::read_to_string(read.path()).unwrap();
        assert!(text.starts_with("# Written by provision") && text.contains("\n[[source]]\n"), "{text}");
    }

    #[test]
    fn a_lock_file_that_is_not_understood_is_an_error_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("x.toml");
        let lock = home.path().join("x.toml.lock");
        for text in
            ["[[source]]\n", "nonsense", "[[source]]\nengine = \"redis\"\nversion = \"7\"\n", "[new]\n"]
        {
            store::write(&lock, text).unwrap();
            let error = Pins::load(&inventory).unwrap_err();
            assert!(error.to_string().contains("x.toml.lock"), "{error}");
            assert_eq!(fs::read_to_string(&lock).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let pins = Pins::load(Path::new("/proc/no-such-folder/x.toml")).unwrap();
        let error = pins.save().unwrap_err();
        assert_eq!(error.to_string(), "could not write the lock file /proc/no-such-folder/x.toml.lock");
    }
}
