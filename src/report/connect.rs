//! The last words of `apply`: how to use what was made.

use crate::inventory::Fleet;

/// The line to try, and the verbs to go on with. provision installs no client of its own: any cluster client will do.
pub fn how_to_connect(fleet: &Fleet) -> String {
    let Some(node) = fleet.nodes().next() else { return String::new() };
    let (client, ip, port) = (fleet.engine.client(), node.ip(), node.port());
    let auth = if fleet.auth.is_some() { " --askpass" } else { "" };
    let inventory = fleet.inventory.display();
    format!(
        "\nCluster {} is ready. Try it:\n  {client} -c -h {ip} -p {port}{auth} set hello world\n\
         Look after it:\n  provision status {inventory}\n  provision verify {inventory}",
        fleet.name
    )
}
