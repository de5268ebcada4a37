//! How much of the real thing a fleet is: what holds in a lab need not hold on machines that fail each by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Address, Fleet};

/// What the hosts of a fleet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// All nodes on this machine.
    SingleHost,
    /// Hosts that `provision lab` simulates on this machine.
    Lab,
    RealHosts,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingleHost => "on a single host",
            Self::Lab => "in a lab",
            Self::RealHosts => "on real hosts",
        })
    }
}

/// The file a lab keeps beside the inventory it writes.
pub const LAB_STATE: &str = "state.json";

impl Fleet {
    /// What its hosts are: a lab is known by the state it keeps beside the inventory.
    pub fn tier(&self) -> Tier {
        if self.hosts.iter().all(|host| host.address == Address::Local) {
            Tier::SingleHost
        } else if self.inventory.with_file_name(LAB_STATE).exists() {
            Tier::Lab
        } else {
            Tier::RealHosts
        }
    }
}
