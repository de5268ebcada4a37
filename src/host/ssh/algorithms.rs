//! Which algorithms are offered to a server, and in which order.

use std::{borrow::Cow, time::Duration};

use russh::{
    Preferred, cipher,
    client::Config,
    kex,
    keys::{Algorithm, EcdsaCurve, HashAlg},
    mac,
};

/// A peer that sends nothing for this long is asked whether it is there, and given up after
/// [`MAX_KEEPALIVES`].
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const MAX_KEEPALIVES: usize = 3;

/// The host keys to ask a server for.
pub(super) enum HostKeys<'a> {
    /// One kind and no other: for a scan.
    Only(&'a str),
    /// All kinds, those on file first, and certificates where an authority is on file.
    Known { kinds: &'a [String], certificates: bool },
}

/// What is offered in the key exchange. `legacy` adds what rests on SHA-1, as the last choice.
pub(super) fn client_config(host_keys: &HostKeys<'_>, legacy: bool) -> Config {
    let mut preferred = Preferred::DEFAULT;
    match host_keys {
        HostKeys::Only(kind) => {
            preferred.key = algorithms(&[], legacy)
                .into_iter()
                .filter(|algorithm| key_kind(algorithm) == *kind)
                .collect();
        }
        HostKeys::Known { kinds, certificates } => {
            preferred.key = Cow::Owned(algorithms(kinds, legacy));
            if *certificates {
                preferred.host_key_certificates = Cow::Owned(algorithms(&[], legacy));
            }
        }
    }
    // AES first: faster than the default order, where the processor has AES instructions.
    preferred.cipher = Cow::Borrowed(&[
        cipher::AES_256_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ]);
    // Hosts in FIPS mode have neither curve25519 nor groups.
    let nist = [kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521];
    let old: &[kex::Name] = if legacy { &[kex::DH_GEX_SHA1, kex::DH_G14_SHA1] } else { &[] };
    preferred.kex = preferred.kex.iter().chain(&nist).chain(old).copied().collect();
    if legacy {
        preferred.mac = preferred.mac.iter().copied().chain([mac::HMAC_SHA1]).collect();
    }
    Config {
        preferred,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: MAX_KEEPALIVES,
        nodelay: true,
        ..Config::default()
    }
}

/// The kind of a key on file: an RSA key is `ssh-rsa` there, whichever hash it signs with.
pub(super) fn key_kind(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.to_string(),
    }
}

/// The algorithms of host keys: those of keys on file first, so that a server with several shows the one that
/// is known.
fn algorithms(kinds: &[String], legacy: bool) -> Vec<Algorithm> {
    let curve = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash };
    let mut all = vec![
        Algorithm::Ed25519,
        curve(EcdsaCurve::NistP256),
        curve(EcdsaCurve::NistP384),
        curve(EcdsaCurve::NistP521),
        rsa(Some(HashAlg::Sha512)),
        rsa(Some(HashAlg::Sha256)),
    ];
    if legacy {
        all.push(rsa(None));
    }
    let rank = |algorithm: &Algorithm| {
        let kind = key_kind(algorithm);
        kinds.iter().position(|known| *known == kind).unwrap_or(kinds.len())
    };
    all.sort_by_key(rank);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(algorithms: &[Algorithm]) -> Vec<String> {
        algorithms.iter().map(ToString::to_string).collect()
    }

    fn known(kinds: &[&str], certificates: bool, legacy: bool) -> Config {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        client_config(&HostKeys::Known { kinds: &kinds, certificates }, legacy)
    }

    #[test]
    fn kinds_of_keys_on_file_come_first_in_the_order_of_the_file() {
        let config = known(&["ssh-rsa", "ecdsa-sha2-nistp384"], false, false);
        assert_eq!(
            names(&config.preferred.key),
            [
                "rsa-sha2-512",
                "rsa-sha2-256",
                "ecdsa-sha2-nistp384",
                "ssh-ed25519",
                "ecdsa-sha2-nistp256",
                "ecdsa-sha2-nistp521"
            ]
        );
    }

    #[test]
    fn a_scan_asks_for_one_kind_and_no_certificate() {
        for (kind, expected) in
            [("ssh-ed25519", &["ssh-ed25519"][..]), ("ssh-rsa", &["rsa-sha2-512", "rsa-sha2-256"])]
        {
            let config = client_config(&HostKeys::Only(kind), false);
            assert_eq!(names(&config.preferred.key), expected);
            assert!(config.preferred.host_key_certificates.is_empty());
        }
    }

    #[test]
    fn certificates_are_asked_for_only_where_an_authority_is_on_file() {
        assert!(known(&[], false, false).preferred.host_key_certificates.is_empty());
        assert!(!known(&[], true, false).preferred.host_key_certificates.is_empty());
    }

    #[test]
    fn algorithms_that_rest_on_sha_1_are_offered_with_legacy_only_and_last() {
        let (strict, legacy) = (known(&[], false, false), known(&[], false, true));
        let sha1 = |config: &Config| {
            (
                config.preferred.key.contains(&Algorithm::Rsa { hash: None }),
                config.preferred.kex.contains(&kex::DH_G14_SHA1),
                config.preferred.mac.contains(&mac::HMAC_SHA1),
            )
        };
        assert_eq!(sha1(&strict), (false, false, false));
        assert_eq!(sha1(&legacy), (true, true, true));
        assert_eq!(legacy.preferred.key.last(), Some(&Algorithm::Rsa { hash: None }));
        assert_eq!(legacy.preferred.kex.last(), Some(&kex::DH_G14_SHA1));
        assert_eq!(legacy.preferred.mac.last(), Some(&mac::HMAC_SHA1));
    }

    #[test]
    fn hosts_in_fips_mode_find_a_key_exchange() {
        let config = known(&[], false, false);
        assert!(config.preferred.kex.contains(&kex::ECDH_SHA2_NISTP256));
        assert_eq!(config.preferred.cipher.first(), Some(&cipher::AES_256_GCM));
    }

    #[test]
    fn an_rsa_key_has_one_kind_whichever_hash_it_signs_with() {
        for hash in [None, Some(HashAlg::Sha256), Some(HashAlg::Sha512)] {
            assert_eq!(key_kind(&Algorithm::Rsa { hash }), "ssh-rsa");
        }
        assert_eq!(key_kind(&Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 }), "ecdsa-sha2-nistp521");
    }
}
