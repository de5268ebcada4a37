//! How much of the real thing a fleet is: what holds in a lab need not hold on machines that fail each by itself.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use super::{Address, Host};

/// What the hosts of a fleet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// All nodes on this machine.
    SingleHost,
    /// Hosts that `provision lab` simulates on this machine.
    Lab,
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

/// The file a lab keeps beside the inventory it writes.
pub const LAB_STATE: &str = "state.json";

impl Environment {
    /// What hosts are: those of a lab are in the state it keeps beside its inventory.
    pub(super) fn of(hosts: &[Host], inventory: &Path) -> Self {
        let remote = || hosts.iter().filter(|host| host.address != Address::Local);
        if remote().next().is_none() {
            return Self::SingleHost;
        }
        let state = std::fs::read(inventory.with_file_name(LAB_STATE)).unwrap_or_default();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
        let guests = state.get("guests").and_then(|guests| guests.as_array());
        let simulated: Vec<&str> =
            guests.into_iter().flatten().filter_map(|guest| guest.get("address")?.as_str()).collect();
        let known = |host: &Host| matches!(&host.address, Address::Remote(address) if simulated.contains(&address.as_str()));
        if remote().all(known) { Self::Lab } else { Self::RealHosts }
    }
}
