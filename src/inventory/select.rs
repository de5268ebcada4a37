use std::collections::BTreeSet;

use super::Fleet;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no host is called {0}")]
pub struct UnknownHost(String);

pub fn select(fleet: &Fleet, words: &[String]) -> Result<BTreeSet<String>, UnknownHost> {
    let known = |word: &String| fleet.hosts.iter().any(|host| host.name == *word);
    match words.iter().find(|word| !known(word)) {
        Some(word) => Err(UnknownHost(word.clone())),
        None => Ok(words.iter().cloned().collect()),
    }
}
