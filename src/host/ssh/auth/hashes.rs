//! Which hashes an RSA key signs with.

use russh::keys::HashAlg;

/// The hashes to try. The server's own answer (`server-sig-algs`) is trusted: each attempt counts there,
/// refused ones too. `legacy` adds SHA-1 (`None`), as the last choice.
pub(super) fn of_rsa(supported: Option<HashAlg>, legacy: bool) -> Vec<Option<HashAlg>> {
    let mut hashes = match supported {
        Some(hash) => vec![Some(hash)],
        None => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
    };
    if legacy {
        hashes.push(None);
    }
    hashes
}

/// As many hashes as attempts are left; `left` counts them down.
pub(super) fn take(mut hashes: Vec<Option<HashAlg>>, left: &mut usize) -> Vec<Option<HashAlg>> {
    hashes.truncate(*left);
    *left -= hashes.len();
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA512: Option<HashAlg> = Some(HashAlg::Sha512);
    const SHA256: Option<HashAlg> = Some(HashAlg::Sha256);

    #[test]
    fn the_hash_the_server_supports_is_the_only_one() {
        assert_eq!(of_rsa(SHA256, false), [SHA256]);
    }

    #[test]
    fn without_an_answer_both_hashes_of_sha_2_are_tried() {
        assert_eq!(of_rsa(None, false), [SHA512, SHA256]);
    }

    #[test]
    fn sha_1_is_the_last_choice_and_with_legacy_only() {
        assert_eq!(of_rsa(None, true), [SHA512, SHA256, None]);
        assert_eq!(of_rsa(SHA512, true), [SHA512, None]);
        assert!(!of_rsa(None, false).contains(&None));
    }

    #[test]
    fn no_more_attempts_are_made_than_are_left() {
        let mut left = 3;
        assert_eq!(take(of_rsa(None, false), &mut left), [SHA512, SHA256]);
        assert_eq!(take(of_rsa(None, false), &mut left), [SHA512]);
        assert_eq!((take(vec![None], &mut left), left), (vec![], 0));
    }
}
