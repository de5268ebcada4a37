//! The lock file beside an inventory: the digests of sources that no table knew when they were first used.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{ArtifactSpec, Error, Result, store};
use crate::inventory::{Engine, Version};

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

const HEAD: &str = "# Written by provision: the SHA-256 of sources nobody signed for when they were first used.\n\
                    # Keep this file with the inventory, so that the next run gets the same source.\n\n";

impl Pins {
    /// `<inventory>.lock`.
    pub fn path_of(inventory: &Path) -> PathBuf {
        let mut name = inventory.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// Reads the lock file of an inventory; a missing one is empty.
    pub fn load(inventory: &Path) -> Result<Self> {
        let path = Self::path_of(inventory);
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

    pub fn save(&self) -> Result<()> {
        let document = Document { source: self.pins.clone() };
        let unwritable = |source| Error::PinsUnwritable { path: self.path.clone(), source };
        let text = toml::to_string(&document).map_err(|e| unwritable(io::Error::other(e)))?;
        store::write(&self.path, &format!("{HEAD}{text}")).map_err(unwritable)
    }

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
