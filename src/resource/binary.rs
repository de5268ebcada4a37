//! The installed server: the binary, its digest and its provenance in a folder of their own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, Layout, Observed, PathState, Questions, Script, quote};
use crate::inventory::{Engine, Fleet, Version};

/// An engine's server on a host. It is satisfied by whatever binary of that engine, version and recipe was installed
/// there whole, so that neither a lost cache nor a new compiler makes anyone build again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    pub engine: Engine,
    pub version: Version,
    /// Named by engine, version and recipe.
    pub folder: String,
}

impl Binary {
    /// The server a fleet wants, built by the recipe of this id.
    pub fn new(fleet: &Fleet, layout: &Layout, recipe: &str) -> Self {
        let (engine, version) = (fleet.engine, fleet.version);
        Self { engine, version, folder: format!("{}/{engine}-{version}-{recipe}", layout.bin) }
    }

    /// The server itself.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder, self.engine.server())
    }

    /// Where it came from and how it was built.
    pub fn provenance(&self) -> String {
        format!("{}/provenance.json", self.folder)
    }

    /// Written last: the digest the binary must have, in the form `sha256sum -c` reads.
    fn sums(&self) -> String {
        format!("{}/SHA256SUMS", self.folder)
    }

    /// The digest, with what the binary looked like when it was last read.
    fn seen(&self) -> String {
        format!("{}/seen", self.folder)
    }

    /// The last part of an installation.
    pub fn seal(&self, provenance: &str, sha256: &str, script: &mut Script) {
        script.write(&self.provenance(), provenance.as_bytes(), 0o644, None);
        let line = format!("{sha256}  {}\n", self.engine.server());
        script.seal(&self.path(), sha256, &self.seen());
        script.write(&self.sums(), line.as_bytes(), 0o644, None);
    }
}

impl Kind for Binary {
    fn title(&self) -> String {
        format!("{} {} in {}", self.engine, self.version, self.folder)
    }

    fn ask(&self, questions: &mut Questions) {
        questions.path(&self.folder);
        questions.sealed_sum(&self.path(), &self.seen());
        questions.text(&self.sums(), None);
    }

    fn compare(&self, seen: &Observed, _: &BTreeSet<String>) -> Option<Difference> {
        let wanted = seen.texts.get(&self.sums()).and_then(|text| text.split_whitespace().next());
        match (seen.paths.get(&self.path()), wanted) {
            (Some(PathState::File { sha256, .. }), Some(sum)) if sum == sha256 => None,
            (Some(PathState::File { .. }), Some(_)) => {
                Some(Difference::new(Action::Update, "the binary is not the one that was installed"))
            }
            (Some(_), None) => Some(Difference::new(Action::Create, "its installation was not finished")),
            _ => Some(Difference::new(Action::Create, "it is not installed")),
        }
    }

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        let folder = quote(&self.folder);
        script.remember(&Entry::CreatedDirectory { path: self.folder.clone(), ours: true });
        script.push(&format!("folder {folder} 00755 ''"));
        Ok(())
    }

    fn writes(&self) -> Vec<String> {
        vec![self.path()]
    }
}
