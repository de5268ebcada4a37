//! Choosing hosts of a fleet by name or glob.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use super::{fleet::Fleet, hints::did_you_mean};
use crate::units::HostName;

/// A word that means no host.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no host of the inventory is called `{word}`")]
pub struct UnknownHost {
    word: String,
    #[help]
    help: String,
}

/// The names of the hosts that the words mean: names, or globs with `*` and `?`. Empty words are left out.
pub fn select(fleet: &Fleet, words: &[String]) -> Result<BTreeSet<HostName>, UnknownHost> {
    let mut chosen = BTreeSet::new();
    for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        let before = chosen.len();
        let meant = fleet.hosts.iter().filter(|host| glob(word, &host.name));
        let meant: Vec<HostName> = meant.map(|host| host.name.clone()).collect();
        let known = !meant.is_empty();
        chosen.extend(meant);
        if !known && chosen.len() == before {
            return Err(unknown(fleet, word));
        }
    }
    Ok(chosen)
}

fn unknown(fleet: &Fleet, word: &str) -> UnknownHost {
    let names: Vec<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    let help = match did_you_mean(word, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the hosts are {}", names.join(", ")),
    };
    UnknownHost { word: word.to_owned(), help }
}

/// `*` matches any text, `?` one character.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Fold, parse};

    fn fleet() -> Fleet {
        let hosts: String = (1..=3)
            .flat_map(|n| [format!("redis-19{n}"), format!("spare-{n}")])
            .enumerate()
            .map(|(index, name)| {
                format!("[[hosts]]\nname = \"{name}\"\naddress = \"10.0.0.{}\"\n", index + 1)
            })
            .collect();
        parse("x", &format!("[cluster]\nname = \"x\"\nversion = \"7.0.15\"\n{hosts}"), Fold::AsWritten)
            .unwrap()
    }

    fn chosen(words: &[&str]) -> Vec<HostName> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        select(&fleet(), &words).unwrap().into_iter().collect()
    }

    #[test]
    fn names_and_globs_choose_hosts() {
        assert_eq!(chosen(&["redis-192"]), ["redis-192"]);
        assert_eq!(chosen(&["redis-*", "redis-191"]).len(), 3);
        assert_eq!(chosen(&["spare-?"]).len(), 3);
        assert_eq!(chosen(&["*"]).len(), 6);
    }

    #[test]
    fn a_word_that_means_no_host_is_named() {
        let error = select(&fleet(), &["redis-19".to_owned()]).unwrap_err();
        assert!(
            error.to_string().contains("redis-19") && error.help.contains("did you mean `redis-19"),
            "{}",
            error.help
        );
    }
}
