//! What the hosts of an inventory are: those of a lab are in the state it keeps beside the inventory.

use std::path::Path;

use crate::{
    event::Environment,
    inventory::{
        fleet::{Address, Host},
        project_files::ProjectFiles,
    },
};

/// What hosts are: those of a lab are in the state it keeps beside its inventory.
pub(super) fn of(hosts: &[Host], inventory: &Path) -> Environment {
    let remote = || hosts.iter().filter(|host| host.address != Address::Local);
    if remote().next().is_none() {
        return Environment::SingleHost;
    }
    let state = std::fs::read(ProjectFiles::of(inventory).lab_state()).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
    let guests = state.get("guests").and_then(|guests| guests.as_array());
    let simulated: Vec<&str> =
        guests.into_iter().flatten().filter_map(|guest| guest.get("address")?.as_str()).collect();
    let known = |host: &Host| matches!(&host.address, Address::Remote(address) if simulated.contains(&address.as_str()));
    if remote().all(known) { Environment::Lab } else { Environment::RealHosts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        atomic_file::{self, Mode},
        inventory::fleet::Ssh,
    };

    fn hosts(addresses: &[&str]) -> Vec<Host> {
        let address = |text: &&str| match *text {
            "local" => Address::Local,
            other => Address::Remote(other.to_owned()),
        };
        let host = |text| Host {
            name: "h".into(),
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
        let environment = |addresses: &[&str]| of(&hosts(addresses), &inventory);
        assert_eq!(environment(&["local"]), Environment::SingleHost);
        assert_eq!(environment(&["10.0.0.2", "local"]), Environment::RealHosts);
        let state = r#"{"guests": [{"address": "10.0.0.2"}, {"address": "10.0.0.3"}]}"#;
        atomic_file::write(&home.path().join("state.json"), state.as_bytes(), Mode::Private).unwrap();
        assert_eq!(environment(&["10.0.0.2", "10.0.0.3"]), Environment::Lab);
        assert_eq!(environment(&["10.0.0.2", "local"]), Environment::Lab);
        assert_eq!(environment(&["10.0.0.2", "10.0.0.4"]), Environment::RealHosts, "one is not of the lab");
        assert_eq!(environment(&["local"]), Environment::SingleHost);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_no_lab() {
        let home = tempfile::tempdir().unwrap();
        let inventory = home.path().join("inventory.toml");
        for state in ["", "{", "[]", r#"{"guests": 7}"#, r#"{"guests": [{"address": 7}, 5]}"#] {
            atomic_file::write(&home.path().join("state.json"), state.as_bytes(), Mode::Private).unwrap();
            let environment = of(&hosts(&["10.0.0.2"]), &inventory);
            assert_eq!(environment, Environment::RealHosts, "{state}");
        }
    }
}
