//! The whole running configuration of a server, but for its secrets.

use std::collections::BTreeMap;

use super::reply::Reply;

/// Longer than any value that can be set in a file; what is longer is not kept.
const MAX_VALUE: usize = 4096;

/// What `CONFIG GET *` answered, by the names of the directives. Secrets are dropped here, and control
/// characters with them: what a server says may end in a terminal.
pub fn parse_configuration(reply: &Reply) -> BTreeMap<String, String> {
    let pairs = reply.list().chunks_exact(2).map(|pair| (pair[0].text(), pair[1].text()));
    let kept = pairs.filter(|(name, value)| !is_secret(name) && value.len() <= MAX_VALUE);
    kept.map(|(name, value)| (printable(&name.to_lowercase()), printable(value))).collect()
}

/// Whether the value of a directive is a password.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["requirepass", "masterauth", "primaryauth"].contains(&&*name) || name.ends_with("-pass")
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(words: &[&str]) -> Reply {
        Reply::List(words.iter().map(|word| Reply::Text((*word).to_owned())).collect())
    }

    #[test]
    fn every_directive_has_its_value() {
        let config = parse_configuration(&reply(&["maxmemory", "0", "save", "", "logfile", "a\u{1b}[31m"]));
        let expected = [("logfile", "a[31m"), ("maxmemory", "0"), ("save", "")];
        assert_eq!(config, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(parse_configuration(&Reply::Error("NOPERM".to_owned())).is_empty());
    }

    #[test]
    fn secrets_are_not_kept() {
        for name in [
            "requirepass",
            "masterauth",
            "primaryauth",
            "MasterAuth",
            "tls-key-file-pass",
            "tls-client-key-file-pass",
        ] {
            assert!(parse_configuration(&reply(&[name, "sesame"])).is_empty(), "{name}");
        }
    }
}
