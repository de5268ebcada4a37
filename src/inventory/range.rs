//! Addresses as users write them: one, a range, and what is wrong with a bad one.

use std::net::{IpAddr, Ipv4Addr};

/// More simulated addresses than this on one host is a slip.
const MAX_ADDRESSES: u32 = 1000;

/// What is wrong with an address, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadAddress {
    pub(super) what: String,
    pub(super) help: String,
}

/// `127.0.1.1-6`, `127.0.1.1-127.0.1.6` or a single address.
pub(super) fn expand(text: &str) -> Result<Vec<IpAddr>, BadAddress> {
    let Some((first, last)) = text.split_once('-') else { return ip(text).map(|ip| vec![ip]) };
    let first: Ipv4Addr = v4(first.trim())?;
    let last = match last.trim() {
        octet if octet.chars().all(|c| c.is_ascii_digit()) && !octet.is_empty() => {
            let [a, b, c, _] = first.octets();
            v4(&format!("{a}.{b}.{c}.{octet}"))?
        }
        whole => v4(whole)?,
    };
    let count = u32::from(last).checked_sub(u32::from(first)).map(|steps| steps.saturating_add(1));
    match count {
        None => Err(BadAddress {
            what: format!("the range {text} runs backwards"),
            help: format!("write the lower address first: {last}-{first}"),
        }),
        Some(count) if count > MAX_ADDRESSES => Err(BadAddress {
            what: format!("the range {text} holds {count} addresses"),
            help: format!("a host carries at most {MAX_ADDRESSES} nodes; make the range shorter"),
        }),
        Some(_) => Ok((u32::from(first)..=u32::from(last)).map(|ip| Ipv4Addr::from(ip).into()).collect()),
    }
}

/// One IP address.
pub(super) fn ip(text: &str) -> Result<IpAddr, BadAddress> {
    if text.contains(':') {
        return text.parse().map_err(|_| BadAddress {
            what: format!("`{text}` is not an IP address"),
            help: "write an address alone, without brackets, port or account, such as 192.168.2.191"
                .to_owned(),
        });
    }
    v4(text).map(IpAddr::V4)
}

fn v4(text: &str) -> Result<Ipv4Addr, BadAddress> {
    text.parse().map_err(|_| explain(text))
}

/// The standard library only says "invalid IPv4 address".
fn explain(text: &str) -> BadAddress {
    let octets: Vec<&str> = text.split('.').collect();
    let numeric = octets.iter().all(|octet| !octet.is_empty() && octet.chars().all(|c| c.is_ascii_digit()));
    let bad = |why: String, help: &str| BadAddress {
        what: format!("`{text}` is not an IP address: {why}"),
        help: help.to_owned(),
    };
    if !numeric {
        return bad("it is not four numbers".to_owned(), "write four numbers, such as 192.168.2.191");
    }
    if octets.len() != 4 {
        return bad(format!("it has {} octets", octets.len()), "write four numbers, such as 192.168.2.191");
    }
    match octets.iter().find(|octet| octet.parse::<u8>().is_err()) {
        Some(octet) => match guess(octet) {
            Some(guess) => bad(format!("octet {octet} > 255"), &format!("did you mean .{guess}?")),
            None => bad(format!("octet {octet} > 255"), "an octet goes from 0 to 255"),
        },
        None => bad("an octet starts with 0".to_owned(), "write octets without leading zeros"),
    }
}

/// A digit too many is the likeliest slip.
fn guess(octet: &str) -> Option<&str> {
    octet.get(..octet.len().checked_sub(1)?).filter(|shorter| shorter.parse::<u8>().is_ok())
}

/// Whether it can be a DNS name. Text of digits and dots is an address, if a bad one.
pub(super) fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label) && text.chars().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> BadAddress {
        expand(text).unwrap_err()
    }

    #[test]
    fn a_range_counts_in_its_last_octet_or_to_a_whole_address() {
        let short = expand("127.0.1.1-6").unwrap();
        assert_eq!(short.len(), 6);
        assert_eq!(short[5], "127.0.1.6".parse::<IpAddr>().unwrap());
        assert_eq!(expand("127.0.1.1-127.0.1.6").unwrap(), short);
        assert_eq!(expand("127.0.0.254-127.0.1.1").unwrap().len(), 4);
        assert_eq!(expand("::1").unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_bad_address_is_explained() {
        assert_eq!(error("192.168.1.256").what, "`192.168.1.256` is not an IP address: octet 256 > 255");
        assert_eq!(error("192.168.1.256").help, "did you mean .25?");
        assert_eq!(error("127.0.1.6-1").help, "write the lower address first: 127.0.1.1-127.0.1.6");
        assert!(error("10.0.0.0-10.1.0.0").what.contains("65537 addresses"));
        assert!(error("10.0.0").what.contains("3 octets"));
        assert!(error("10.0.0.01").what.contains("starts with 0"));
    }

    proptest! {
        #[test]
        fn a_range_holds_every_address_once(a in 0u8..=255, from in 0u8..=255, more in 0u8..=255) {
            let to = from.saturating_add(more);
            let all = expand(&format!("127.0.{a}.{from}-{to}")).unwrap();
            prop_assert_eq!(all.len(), usize::from(to - from) + 1);
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = expand(&text);
        }
    }

    #[test]
    fn a_name_has_letters_and_an_address_has_not() {
        for name in ["redis-191", "a", "h.example", "xn--bcher-kva.example", "1a", &"a".repeat(63)] {
            assert!(is_dns_name(name), "{name}");
        }
        let long = ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(60), "e".repeat(20)].join(".");
        for other in
            ["", "1.2.3.4", "256.1.1.1", "-a", "a-", "a..b", "a b", "a_b", ".a", &"a".repeat(64), &long]
        {
            assert!(!is_dns_name(other), "{other}");
        }
    }

    #[test]
    fn a_range_of_bad_or_mixed_addresses_is_refused() {
        assert!(error("::1-::2").what.contains("`::1`"), "a range is IPv4");
        assert!(error("127.0.1.1-").what.contains("not an IP address"));
        assert!(error("127.0.1.1-256").what.contains("octet 256 > 255"));
        assert!(ip("[::1]").unwrap_err().help.contains("without brackets"));
    }

    proptest! {
        #[test]
        fn both_ways_to_write_a_range_are_the_same(a in 0u8..=255, from in 0u8..=255, more in 0u8..=255) {
            let to = from.saturating_add(more);
            let short = expand(&format!("10.0.{a}.{from}-{to}")).unwrap();
            prop_assert_eq!(short, expand(&format!("10.0.{a}.{from} - 10.0.{a}.{to}")).unwrap());
        }
    }
}
