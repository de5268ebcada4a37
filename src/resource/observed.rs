//! What a host answered, resource by resource: a plain value, so that the plan is a pure function of it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Answer, Answers, Resource};

/// The state of one host, as far as it was asked: the answer of each resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    answers: BTreeMap<String, Answer>,
}

impl Observed {
    /// Reads what the probe script of these resources printed.
    pub fn read<'a>(resources: impl IntoIterator<Item = &'a Resource>, lines: &[String]) -> Self {
        let answers = Answers::parse(lines);
        let read = |resource: &Resource| (resource.key(), resource.read(&answers));
        Self { answers: resources.into_iter().map(read).collect() }
    }

    /// The answer kept under this name; see [`ResourceKind::key`](super::ResourceKind::key).
    pub(super) fn answer(&self, key: &str) -> Option<&Answer> {
        self.answers.get(key)
    }

    /// A digest of all answers: two equal ones mean that a plan made on the first still says the truth about
    /// the second.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_vec(&self.answers).unwrap_or_default();
        hex::encode(Sha256::digest(&text))
    }
}
