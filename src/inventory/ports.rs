//! Which ports a node can listen on.

/// What the bus port is above the client port (Redis cluster specification).
const BUS_OFFSET: u16 = 10_000;

/// The default range of the ports of outgoing connections on Linux (`ip_local_port_range`).
const EPHEMERAL: std::ops::RangeInclusive<i64> = 32_768..=60_999;

const KERNEL: &str = "the kernel hands these ports to outgoing connections, so the node might not start";

/// The cluster bus port that belongs to a client port. An inventory only has ports for which it exists.
pub fn bus_port(port: u16) -> u16 {
    port.saturating_add(BUS_OFFSET)
}

/// What is wrong with a port, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPort {
    pub(super) what: String,
    pub(super) why: String,
    pub(super) help: String,
}

/// A port beside which the other one is given: neither follows from the other.
pub(super) fn check_alone(port: i64) -> Result<u16, BadPort> {
    let bad = |what: String, why: &str| {
        let help = "choose a port below 32768".to_owned();
        Err(BadPort { what, why: why.to_owned(), help })
    };
    match u16::try_from(port).ok().filter(|port| *port > 0) {
        None => bad(format!("port {port} does not exist"), "ports go from 1 to 65535"),
        Some(_) if EPHEMERAL.contains(&port) => {
            bad(format!("port {port} lies in the ephemeral range 32768–60999"), KERNEL)
        }
        Some(port) => Ok(port),
    }
}

/// A client port, if the node could hold both it and its bus port.
pub(super) fn check(port: i64) -> Result<u16, BadPort> {
    let bus = port.saturating_add(BUS_OFFSET.into());
    let help = "choose a port below 22768".to_owned();
    let bad = |what: String, why: &str| Err(BadPort { what, why: why.to_owned(), help: help.clone() });
    let Some(valid) = u16::try_from(port).ok().filter(|port| *port > 0) else {
        return bad(format!("port {port} does not exist"), "ports go from 1 to 65535");
    };
    if bus > i64::from(u16::MAX) {
        return bad(
            format!("port {port}: the bus port {bus} does not exist"),
            "the bus port is the port + 10000",
        );
    }
    if EPHEMERAL.contains(&port) {
        return bad(format!("port {port} lies in the ephemeral range 32768–60999"), KERNEL);
    }
    if EPHEMERAL.contains(&bus) {
        return bad(
            format!("port {port}: the bus port {bus} lies in the ephemeral range 32768–60999"),
            KERNEL,
        );
    }
    Ok(valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle is the rule as two sets of ports.
        #[test]
        fn a_port_is_good_where_it_and_its_bus_port_exist_outside_the_ephemeral_range(port in -10i64..80_000) {
            let free = |port: i64| (1..=65_535).contains(&port) && !(32_768..=60_999).contains(&port);
            prop_assert_eq!(check(port).is_ok(), free(port) && free(port + 10_000));
            if let Ok(port) = check(port) {
                prop_assert_eq!(bus_port(port) - port, 10_000);
            }
        }
    }

    #[test]
    fn both_ports_must_exist_and_be_free_of_the_kernel() {
        assert_eq!(check(7001), Ok(7001));
        assert_eq!(check(22_767), Ok(22_767));
        for port in [i64::MIN, -1, 0, 22_768, 32_768, 55_535, 60_000, 65_535, 65_536, i64::MAX] {
            assert!(check(port).is_err(), "{port}");
        }
        assert_eq!(check(60_000).unwrap_err().what, "port 60000: the bus port 70000 does not exist");
    }
}
