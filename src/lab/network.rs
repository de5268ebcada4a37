//! The switch, in a network namespace of its own, and the cables: one to each host, one to this machine.

use std::{collections::BTreeSet, fs::File, net::Ipv4Addr, path::PathBuf, time::Duration};

use ipnet::Ipv4Net;

use super::{Error, Result, state::State, tool};
use crate::units::HostName;

/// A batch of `ip` commands.
const BATCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Guards the networks of this machine, for as long as the file is open.
pub(super) async fn lock() -> Result<File> {
    let path = PathBuf::from("/run/provision-lab.lock");
    let failed = |source| Error::File { path: path.clone(), source };
    let file = File::create(&path).map_err(failed)?;
    super::locked(&path, &file, "another command that lays the cables of a lab", super::LOCK_TIMEOUT).await?;
    Ok(file)
}

/// A subnet that nothing here uses.
pub(super) async fn choose(wanted: Option<Ipv4Net>) -> Result<Ipv4Net> {
    free_subnet(&tool::run(&["ip", "-4", "-o", "route", "show", "table", "all"]).await?, wanted)
}

/// The wanted subnet if no route leads into it, else the first free one; `routes` is what `ip route` prints.
fn free_subnet(routes: &str, wanted: Option<Ipv4Net>) -> Result<Ipv4Net> {
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

/// The subnet or address a route leads to; the default route has none.
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

/// Lays all cables that are missing. What an earlier command has begun and not finished is begun anew, but
/// not under a host that is `running`.
pub(super) async fn up(state: &State, running: &BTreeSet<HostName>) -> Result<()> {
    let (switch, id, prefix) = (state.switch(), &state.id, state.subnet.prefix_len());
    if running.is_empty() && !is_up(state).await? {
        down(state).await?;
        let gateway = state.gateway();
        tool::run(&["ip", "netns", "add", &switch]).await?;
        batch(&format!("-n {switch}"), "link add br0 type bridge\nlink set br0 up\nlink set lo up\n").await?;
        let uplink = format!(
            "link add {id} type veth peer name up0 netns {switch}\n\
             addr add {gateway}/{prefix} dev {id}\nlink set {id} up\n"
        );
        batch("", &uplink).await?;
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
        let cable = format!(
            "link add {name} type veth peer name eth0 netns {place}\n\
             link set {name} master br0\nlink set {name} up\n"
        );
        batch(&format!("-n {switch}"), &cable).await?;
        let inside = format!(
            "link set lo up\naddr add {address}/{prefix} dev eth0\n\
             link set eth0 up\nroute add default via {gateway}\n"
        );
        batch(&format!("-n {place}"), &inside).await?;
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
    tool::run_with(&words, commands, BATCH_TIMEOUT).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_free_subnet_is_taken() {
        assert_eq!(free_subnet("", None).unwrap(), net("10.77.0.0/24"));
        assert_eq!(free_subnet("10.77.0.0/24 dev pv-1\n", None).unwrap(), net("10.77.1.0/24"));
        let routes = "default via 10.0.0.1 dev eth0\nlocal 10.77.0.1 dev lo\n10.77.1.0/24 dev pv-2";
        assert_eq!(free_subnet(routes, None).unwrap(), net("10.77.2.0/24"));
    }

    #[test]
    fn no_subnet_is_free_where_a_route_covers_all() {
        assert!(matches!(free_subnet("10.0.0.0/8 dev tun0", None), Err(Error::NoSubnet)));
    }

    #[test]
    fn a_wanted_subnet_is_refused_with_the_route_that_is_in_the_way() {
        let wanted = net("192.168.7.0/24");
        for route in ["192.168.0.0/16 dev eth0", "192.168.7.0/25 dev eth1", "local 192.168.7.9 dev lo"] {
            match free_subnet(&format!("default via 1.2.3.4\n{route}"), Some(wanted)) {
                Err(Error::Subnet { route: shown, .. }) => assert_eq!(shown, route),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(free_subnet("192.168.8.0/24 dev eth0", Some(net("192.168.7.3/24"))).unwrap(), wanted);
    }

    proptest::proptest! {
        #[test]
        fn a_chosen_subnet_touches_no_route(thirds in proptest::collection::vec(0..=255u8, 0..40)) {
            let routes: String = thirds.iter().map(|third| format!("10.77.{third}.0/24 dev x\n")).collect();
            let chosen = free_subnet(&routes, None).unwrap();
            let used = thirds.iter().any(|third| net(&format!("10.77.{third}.0/24")) == chosen);
            proptest::prop_assert!(!used);
        }
    }

    #[test]
    fn routes_of_all_kinds_lead_somewhere() {
        let net = |text: &str| text.parse::<Ipv4Net>().ok();
        assert_eq!(destination("10.1.0.0/16 dev eth0 proto kernel"), net("10.1.0.0/16"));
        assert_eq!(destination("local 10.1.2.3 dev lo table local"), net("10.1.2.3/32"));
        assert_eq!(destination("broadcast 10.1.255.255 dev eth0"), net("10.1.255.255/32"));
        assert_eq!(destination("default via 10.1.0.1 dev eth0"), None);
    }
}
