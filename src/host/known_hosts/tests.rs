use std::{fs, path::PathBuf, process::Command};

use proptest::prelude::*;

use super::*;

/// A key of a kind, identified by one byte.
fn key(kind: &str, byte: u8) -> Key {
    let mut blob = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
    blob.extend_from_slice(kind.as_bytes());
    blob.extend_from_slice(&32u32.to_be_bytes());
    blob.extend_from_slice(&[byte; 32]);
    Key { kind: kind.to_owned(), blob }
}

fn ed(byte: u8) -> Key {
    key("ssh-ed25519", byte)
}

fn hosts(text: &str) -> KnownHosts {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&file, text).unwrap();
    KnownHosts::load(&[file]).unwrap()
}

fn trusts(text: &str, host: &str, port: u16, key: &Key) -> bool {
    hosts(text).decide(host, port, key) == Decision::Trusted
}

#[test]
fn names_match_as_in_openssh() {
    let key = ed(1);
    for (names, host, port, expected) in [
        ("n1", "n1", 22, true),
        ("n1", "N1", 22, true),
        ("N1", "n1", 22, true),
        ("n1,10.0.0.1", "10.0.0.1", 22, true),
        ("*.lab", "n1.lab", 22, true),
        ("n?", "n1", 22, true),
        ("n?", "n10", 22, false),
        ("*,!n1", "n1", 22, false),
        ("*,!n1", "n2", 22, true),
        ("!n1", "n2", 22, false),
        ("n1", "n1", 2222, false),
        ("[n1]:2222", "n1", 2222, true),
        ("[n1]:2222", "n1", 22, false),
        ("[*]:2222", "n1", 2222, true),
        ("::1", "::1", 22, true),
        ("[::1]:2222", "::1", 2222, true),
    ] {
        assert_eq!(trusts(&format!("{names} {key}\n"), host, port, &key), expected, "{names} {host} {port}");
    }
}

#[test]
fn blanks_comments_and_line_ends_do_not_matter() {
    let key = ed(1);
    assert!(trusts(&format!("# comment\n\n \tn1\t{key} me@laptop\r\n"), "n1", 22, &key));
    let broken = format!("n1 ssh-ed25519 !!!\nn1 ssh-ed25519\nn1 ssh-rsa AAAA\n@what n1 {key}\nn1 {key}\n");
    assert!(trusts(&broken, "n1", 22, &key));
}

#[test]
fn a_revoked_key_never_passes() {
    let text = format!("n1 {0}\n@revoked * {0}\n", ed(1));
    assert!(matches!(hosts(&text).decide("n1", 22, &ed(1)), Decision::Revoked { line: 2, .. }));
    assert!(matches!(hosts(&text).authority("n1", 22, &ed(1)), Decision::Revoked { .. }));
}

#[test]
fn one_of_two_keys_of_a_kind_is_enough() {
    let text = format!("n1 {}\nn1 {}\n", ed(1), ed(2));
    assert!(trusts(&text, "n1", 22, &ed(2)));
    assert!(matches!(hosts(&text).decide("n1", 22, &ed(3)), Decision::Changed { line: 1, .. }));
}

#[test]
fn another_kind_of_key_is_a_changed_key() {
    let rsa = key("ssh-rsa", 1);
    let text = format!("# first\nn1 {rsa}\nn1 {}\n", ed(9));
    assert_eq!(hosts(&text).key_types("n1", 22), ["ssh-rsa", "ssh-ed25519"]);
    assert!(matches!(hosts(&text).decide("n1", 22, &ed(1)), Decision::Changed { line: 3, .. }));
    let only_rsa = format!("n1 {rsa}\n");
    assert!(matches!(hosts(&only_rsa).decide("n1", 22, &ed(1)), Decision::Changed { line: 1, .. }));
    assert_eq!(hosts(&only_rsa).decide("n2", 22, &ed(1)), Decision::Unknown);
}

#[test]
fn an_authority_is_no_key_of_the_host() {
    let text = format!("@cert-authority *.lab {}\n", ed(1));
    assert_eq!(hosts(&text).decide("n1.lab", 22, &ed(1)), Decision::Unknown);
    assert_eq!(hosts(&text).authority("n1.lab", 22, &ed(1)), Decision::Trusted);
    assert_eq!(hosts(&text).authority("n1.other", 22, &ed(1)), Decision::Unknown);
    assert!(hosts(&text).has_authority("n1.lab", 22) && !hosts(&text).has_authority("n1", 22));
}

#[test]
fn pins_are_added_once_and_keep_the_lines_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pins");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&file, "# mine").unwrap();
    for _ in 0..2 {
        pin(&file, "N1", 2222, &ed(1)).unwrap();
        pin(&file, "n2", 22, &ed(2)).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("# mine\n[n1]:2222 {}\nn2 {}\n", ed(1), ed(2)));
}

#[test]
fn the_fingerprint_is_that_of_ssh_keygen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pub");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&file, format!("{}\n", ed(7))).unwrap();
    let listed = keygen(&["-l", "-f", file.to_str().unwrap()]);
    assert!(listed.contains(&ed(7).fingerprint()), "{listed}");
}

fn keygen(args: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the oracle")]
    let output = Command::new("ssh-keygen").args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn pattern() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("n1"),
        Just("n2"),
        Just("n1.lab"),
        Just("N2.Lab"),
        Just("10.0.0.1"),
        Just("[n1]:2222"),
        Just("[n2]:22"),
        Just("*.lab"),
        Just("n?"),
        Just("*"),
        Just("[n?]:2222"),
        Just("::1"),
        Just("[::1]:2222"),
    ];
    let one = (prop::bool::weighted(0.2), word)
        .prop_map(|(not, word)| format!("{}{word}", if not { "!" } else { "" }));
    prop::collection::vec(one, 1..4).prop_map(|all| all.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// `ssh-keygen -F` says which lines are of a host; each line has a key of its own to tell which those
    /// are.
    #[test]
    fn the_lines_of_a_host_are_those_ssh_keygen_finds(
        lines in prop::collection::vec((pattern(), prop::bool::ANY), 1..6),
        host in prop_oneof![Just("n1"), Just("N1"), Just("n2"), Just("n1.lab"), Just("n2.lab"), Just("10.0.0.1"), Just("::1")],
        port in prop_oneof![Just(22u16), Just(2222)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for (index, (names, hashed)) in lines.iter().enumerate() {
            let line = format!("{names} {}\n", ed(u8::try_from(index).unwrap()));
            // ssh-keygen hashes single plain names only.
            let plain = !names.contains(['*', '?', '!', ',']);
            text.push_str(&if *hashed && plain { hash(folder.path(), &line) } else { line });
        }
        let file: PathBuf = folder.path().join("known_hosts");
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        fs::write(&file, &text).unwrap();
        let asked = name(host, port);
        let found = keygen(&["-F", &asked, "-f", file.to_str().unwrap()]);
        let known = KnownHosts::load(&[file]).unwrap();
        for index in 0..lines.len() {
            let key = ed(u8::try_from(index).unwrap());
            let theirs = found.contains(&key.to_string());
            prop_assert_eq!(known.decide(host, port, &key) == Decision::Trusted, theirs, "{} in\n{}", asked, text);
        }
    }
}

fn hash(folder: &Path, line: &str) -> String {
    let file = folder.join("to-hash");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&file, line).unwrap();
    keygen(&["-H", "-f", file.to_str().unwrap()]);
    fs::read_to_string(&file).unwrap()
}
