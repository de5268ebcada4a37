//! What the hosts of a fleet are: a single host, a lab or real hosts. What holds in a lab need not hold on
//! machines that fail one at a time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the hosts of a fleet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// All nodes on this machine.
    SingleHost,
    /// Hosts that `provision lab` simulates on this machine.
    Lab,
    /// Machines that are reached by SSH and fail independently.
    RealHosts,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingleHost => "on a single host",
            Self::Lab => "in a lab",
            Self::RealHosts => "on real hosts",
        })
    }
}
