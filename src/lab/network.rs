//! The switch, in a network namespace of its own, and the cables: one to each host, one to this machine.

use std::{collections::BTreeSet, fs::File, net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;

use super::{Error, Result, state::State, tool};

/// Guards the networks of this machine, for as long as the file is open.
pub(super) async fn lock() -> Result<File> {
    let path = PathBuf::from("/run/provision-lab.lock");
    let failed = |source| Error::File { path: path.clone(), source };
    let file = File::create(&path).map_err(failed)?;
    super::locked(&path, &file, "another command that lays the cables of a lab", super::HELD).await?;
    Ok(file)
}

/// A subnet that nothing here uses.
pub(super) async fn choose(wanted: Option<Ipv4Net>) -> Result<Ipv4Net> {
    let routes = tool::run(&["ip", "-4", "-o", "route", "show", "table", "all"]).await?;
    let used: Vec<(Ipv4Net, &str)> =
        routes.lines().filter_map(|line| Some((destination(line)?, line))).collect();
    let taken = |net: &Ipv4Net| {
        let clash = |(used, _): &&(Ipv4Net, &str)| used.contains(net) || net.contains(used);
        used.iter().find(clash).map(|(_, line)| (*line).to_owned())
    };
    match wanted {
        Some(subnet) => match taken(&subnet) {
            Some(route) => Err(Error::Subnet { subnet, route }),
            None => Ok(subnet.trunc()),
        },
        None => (0..=255)
            .filter_map(|third| Ipv4Net::new(Ipv4Addr::new(10, 77, third, 0), 24).ok())
            .find(|net| taken(net).is_none())
            .ok_or(Error::NoSubnet),
    }
}

/// The subnet or address a route leads to; the default route leads everywhere and says nothing.
fn destination(route: &str) -> Option<Ipv4Net> {
    let kinds = ["local", "broadcast", "unreachable", "blackhole", "prohibit"];
    let word = route.split_whitespace().find(|word| !kinds.contains(word))?;
    word.parse().ok().or_else(|| Some(Ipv4Net::from(word.parse::<Ipv4Addr>().ok()?)))
}

/// The namespaces there are.
async fn namespaces() -> Result<Vec<String>> {
    let list = tool::run(&["ip", "netns", "list"]).await?;
    Ok(list.split_whitespace().map(str::to_owned).collect())
}

/// Whether an interface is in a namespace, and up.
async fn is_laid(namespace: &str, interface: &str) -> bool {
    let shown = tool::run(&["ip", "-n", namespace, "-o", "link", "show", "dev", interface, "up"]).await;
    shown.is_ok_and(|text| !text.is_empty())
}

/// Whether the switch is there: its cable to this machine is laid last.
pub(super) async fn is_up(state: &State) -> Result<bool> {
    let switch = state.switch();
    Ok(namespaces().await?.contains(&switch) && is_laid(&switch, "up0").await)
}

/// Lays all cables that are missing. What an earlier command has begun and not finished is begun anew, but not under a host
/// that is `running`.
pub(super) async fn up(state: &State, running: &BTreeSet<String>) -> Result<()> {
    let (switch, id, prefix) = (state.switch(), &state.id, state.subnet.prefix_len());
    if running.is_empty() && !is_up(state).await? {
        down(state).await?;
        let gateway = state.gateway();
        tool::run(&["ip", "netns", "add", &switch]).await?;
        batch(&format!("-n {switch}"), "link add br0 type bridge\nlink set br0 up\nlink set lo up\n").await?;
        batch("", &format!("link add {id} type veth peer name up0 netns {switch}\naddr add {gateway}/{prefix} dev {id}\nlink set {id} up\n")).await?;
        batch(&format!("-n {switch}"), "link set up0 master br0\nlink set up0 up\n").await?;
    }
    let existing = namespaces().await?;
    for guest in &state.guests {
        let (place, name, address, gateway) =
            (state.place(guest), &guest.name, guest.address, state.gateway());
        if running.contains(name) {
            continue;
        }
        match existing.contains(&place) {
            true if is_laid(&place, "eth0").await => continue,
            true => drop(tool::run(&["ip", "netns", "del", &place]).await?),
            false => {}
        }
        // Its end of the cable goes with its namespace, but a moment later.
        let _ = tool::run(&["ip", "-n", &switch, "link", "del", name]).await;
        tool::run(&["ip", "netns", "add", &place]).await?;
        batch(&format!("-n {switch}"), &format!("link add {name} type veth peer name eth0 netns {place}\nlink set {name} master br0\nlink set {name} up\n")).await?;
        batch(&format!("-n {place}"), &format!("link set lo up\naddr add {address}/{prefix} dev eth0\nlink set eth0 up\nroute add default via {gateway}\n")).await?;
    }
    Ok(())
}

/// Takes the namespaces away, and the cables with them.
pub(super) async fn down(state: &State) -> Result<()> {
    let existing = namespaces().await?;
    let ours = state.guests.iter().map(|guest| state.place(guest)).chain([state.switch()]);
    for name in ours.filter(|name| existing.contains(name)) {
        tool::run(&["ip", "netns", "del", &name]).await?;
    }
    // The cable to this machine goes with the switch, a moment later.
    let links = tool::run(&["ip", "-o", "link", "show"]).await?;
    if links.contains(&format!(": {}@", state.id)) {
        let _ = tool::run(&["ip", "link", "del", &state.id]).await;
    }
    Ok(())
}

/// Several commands of `ip` in one process.
async fn batch(options: &str, commands: &str) -> Result<()> {
    let words: Vec<&str> =
        ["ip"].into_iter().chain(options.split_whitespace()).chain(["-batch", "-"]).collect();
    tool::run_with(&words, commands, std::time::Duration::from_secs(30)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_all_kinds_lead_somewhere() {
        let net = |text: &str| text.parse::<Ipv4Net>().ok();
        assert_eq!(destination("10.1.0.0/16 dev eth0 proto kernel"), net("10.1.0.0/16"));
        assert_eq!(destination("local 10.1.2.3 dev lo table local"), net("10.1.2.3/32"));
        assert_eq!(destination("broadcast 10.1.255.255 dev eth0"), net("10.1.255.255/32"));
        assert_eq!(destination("default via 10.1.0.1 dev eth0"), None);
    }
}
