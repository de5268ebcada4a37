//! What the hosts of a fleet are: a single host, a lab or real hosts. What holds in a lab need not hold on
//! machines that fail one at a time.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use super::{Address, Host, ProjectFiles};

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

impl Environment {
    /// What hosts are: those of a lab are in the state it keeps beside its inventory.
    pub(super) fn of(hosts: &[Host], inventory: &Path) -> Self {
        let remote = || hosts.iter().filter(|host| host.address != Address::Local);
        if remote().next().is_none() {
            return Self::SingleHost;
        }
        let state = std::fs::read(ProjectFiles::of(inventory).lab_state()).unwrap_or_default();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
        let guests = state.get("guests").and_then(|guests| guests.as_array());
        let simulated: Vec<&str> =
            guests.into_iter().flatten().filter_map(|guest| guest.get("address")?.as_str()).collect();
        let known = |host: &Host| matches!(&host.address, Address::Remote(address) if simulated.contains(&address.as_str()));
        if remote().all(known) { Self::Lab } else { Self::RealHosts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        atomic_file::{self, Mode},
        inventory::Ssh,
    };

    fn hosts(addresses: &[&str]) -> Vec<Host> {
        let address = |text: &&str| match *text {
            "local" => Address::Local,
            other => Address::Remote(other.to_owned()),
        };
        let host = |text| Host {
            name: "h".to_owned(),
            address: address(text),
            ssh: Ssh::default(),
            zone: None,
            nodes: Vec::new(),
        };
        addresses.iter().map(host).collect()
    }

    #[test]
    fn a_lab_is_known_by_the_state_beside_its_inventory() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("inventory.toml");
        let of = |addresses: &[&str]| Environment::of(&hosts(addresses), &inventory);
        assert_eq!(of(&["local"]), Environment::SingleHost);
        assert_eq!(of(&["10.0.0.2", "local"]), Environment::RealHosts);
        let state = r#"{"guests": [{"address": "10.0.0.2"}, {"address": "10.0.0.3"}]}"#;
        atomic_file::write(&home.path().join("state.json"), state.as_bytes(), Mode::Private).unwrap();
        assert_eq!(of(&["10.0.0.2", "10.0.0.3"]), Environment::Lab);
        assert_eq!(of(&["10.0.0.2", "local"]), Environment::Lab);
        assert_eq!(of(&["10.0.0.2", "10.0.0.4"]), Environment::RealHosts, "one is not of the lab");
        assert_eq!(of(&["local"]), Environment::SingleHost);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_no_lab() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("inventory.toml");
        for state in ["", "{", "[]", r#"{"guests": 7}"#, r#"{"guests": [{"address": 7}, 5]}"#] {
            atomic_file::write(&home.path().join("state.json"), state.as_bytes(), Mode::Private).unwrap();
            let environment = Environment::of(&hosts(&["10.0.0.2"]), &inventory);
            assert_eq!(environment, Environment::RealHosts, "{state}");
        }
    }
}
