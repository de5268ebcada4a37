//! Who compiles, and for whom.

use serde::{Deserialize, Serialize};

/// A host that compiles the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    pub host: String,
    /// The other hosts that get its binary.
    pub serves: Vec<String>,
    pub why: String,
}

/// A stand-in until the room's own comes.
pub fn builders(
    want: &super::Want,
    lacking: &std::collections::BTreeMap<String, crate::host::Facts>,
) -> Vec<Builder> {
    let Some(host) = lacking.keys().next().cloned() else { return Vec::new() };
    let serves = lacking.keys().skip(1).cloned().collect();
    vec![Builder { host, serves, why: format!("{} is neither installed nor in the cache", want.title()) }]
}
