//! The manifest: who the members of the cluster are, kept on every host. Inspection reads it with all else;
//! formation writes it, which alone knows the members' ids.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Answer, Answers, Difference, Entry, Layout, Observed, ProbeScript, ResourceKind, Script, quote};
use crate::{
    host::{Facts, minify},
    units::NodeName,
};

/// Where a host keeps the manifest, and the data of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// The state folder.
    pub state: String,
    /// The folder of the nodes' data folders.
    pub data: String,
}

/// What a host says of the cluster's members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ManifestAnswer {
    /// The text of the manifest, unread.
    pub text: Option<String>,
    /// The nodes whose data folder shows that they have been members of a cluster, by name.
    pub held: Vec<NodeName>,
}

const PROBE: &str = include_str!("manifest_probe.sh");

fn question(items: &BTreeSet<String>, _: &Facts) -> String {
    let calls: String = items.iter().map(|item| format!("{item}\n")).collect();
    format!("{}{calls}", minify(PROBE))
}

const KEY: &str = "manifest";

impl Observed {
    /// What the host said of the cluster's members, if it was asked.
    pub fn manifest(&self) -> Option<&ManifestAnswer> {
        match self.answer(KEY) {
            Some(Answer::ManifestFile(answer)) => Some(answer),
            _ => None,
        }
    }
}

impl ManifestFile {
    pub fn new(layout: &Layout) -> Self {
        Self { state: layout.state.clone(), data: layout.data.clone() }
    }

    /// Adds what writes a manifest, which must be one line, after what the ledger records.
    pub fn write(layout: &Layout, text: &str, script: &mut Script) {
        let path = format!("{}/manifest.json", layout.state);
        script.record(&Entry::CreatedFile { path: path.clone(), sha256: None });
        script.write(&path, &super::Content::Text(format!("{text}\n")), 0o644, None);
    }
}

impl ResourceKind for ManifestFile {
    type Answer = ManifestAnswer;

    fn title(&self) -> String {
        KEY.to_owned()
    }

    fn ask(&self, probe: &mut ProbeScript) {
        probe.group("manifest", question, format!("manifest {} {}", quote(&self.state), quote(&self.data)));
    }

    fn read(&self, answers: &Answers) -> ManifestAnswer {
        ManifestAnswer {
            text: answers.lines("manifest").next().map(str::to_owned),
            held: answers.lines("held").map(NodeName::from).collect(),
        }
    }

    /// What it must say is known only when the cluster is formed.
    fn compare(&self, _: &ManifestAnswer, _: &BTreeSet<String>) -> Option<Difference> {
        None
    }

    fn change(&self, _: &Difference, _: &mut Script) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{
        answers::tests::answers,
        testing::{layout, lines},
    };

    #[test]
    fn the_manifest_and_the_nodes_that_were_members_are_read() {
        let manifest = ManifestFile::new(&layout());
        let answer = manifest.read(&answers(&["=manifest {\"format\":1}", "=held 7001", "=held 7002"]));
        assert_eq!(answer.text.as_deref(), Some("{\"format\":1}"));
        assert_eq!(answer.held, ["7001", "7002"]);
        assert_eq!(manifest.read(&answers(&[])), ManifestAnswer::default());
    }

    #[test]
    fn it_is_recorded_before_it_is_written() {
        let mut script = Script::new(&layout());
        ManifestFile::write(&layout(), "{}", &mut script);
        let all = lines(&script);
        let at = |start: &str| all.iter().position(|line| line.starts_with(start)).unwrap();
        assert!(
            at("ledger '{\"did\":\"created-file\"") < at("write /var/lib/provision/orders/manifest.json")
        );
    }
}
