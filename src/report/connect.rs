//! The last words of `apply`: how to use what was made.

use crate::{inventory::Fleet, secret::SecretSource};

/// The line to try, and the verbs to go on with. provision installs no client of its own: any cluster client
/// will do.
pub fn how_to_connect(fleet: &Fleet) -> String {
    let Some(node) = fleet.nodes().next() else { return String::new() };
    let (client, address) = (fleet.engine.client(), node.key.address());
    let (ip, port) = (address.ip(), address.port());
    let auth = if fleet.auth.is_some() { " --askpass" } else { "" };
    let password = match &fleet.auth {
        Some(SecretSource::Env(name)) => format!("  (the password is in the variable {name})\n"),
        Some(SecretSource::File(path) | SecretSource::Generate(path)) => {
            format!("  (the password is in {})\n", path.display())
        }
        None => String::new(),
    };
    let inventory = fleet.inventory.display();
    format!(
        "\nCluster {} {} is ready. Try it:\n  {client} -c -h {ip} -p {port}{auth} set hello world\n{password}\
         Look after it:\n  provision status {inventory}\n  provision verify {inventory}",
        fleet.name, fleet.environment
    )
}
