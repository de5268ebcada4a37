//! Reads a TOML file into a type and goes on after a mistake: the entry serde refuses is reported, repaired or taken
//! out, and the rest is read again. So one run shows every wrong key and every wrong type.

use std::{borrow::Cow, ops::Range};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    hints::{self, UnknownKey},
    problem::Problem,
};

/// What could be read of a file.
pub(crate) struct Read<T> {
    /// `None` where nothing could be read at all.
    pub(crate) value: Option<T>,
    pub(crate) problems: Vec<Problem>,
    /// Keys taken out because their value had the wrong type; they are not missing.
    pub(crate) removed: Vec<Vec<String>>,
}

/// Reads as much as can be read. A syntax error stands alone: what follows it would be guesses.
pub(crate) fn read<'i, T: Deserialize<'i>>(text: &'i str) -> Read<T> {
    let mut read = Read { value: None, problems: Vec::new(), removed: Vec::new() };
    let mut tree = match DeTable::parse(text) {
        Ok(tree) => tree,
        Err(error) => {
            read.problems.push(syntax(text, &error));
            return read;
        }
    };
    loop {
        let error = match T::deserialize(toml::Deserializer::from(tree.clone())) {
            Ok(value) => {
                read.value = Some(value);
                return read;
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let unknown = UnknownKey::read(error.message());
        let repair = Repair { span: &span, rename: unknown.as_ref().and_then(UnknownKey::meant) };
        let done = repair.table(tree.get_mut(), &mut Vec::new());
        read.problems.push(problem(&error, unknown.as_ref(), &span, done.as_ref()));
        match done {
            Some(done) if unknown.is_none() => read.removed.push(done.path),
            Some(_) => {}
            None => return read,
        }
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    Problem::new("this is not valid TOML").at(&span, error.message()).help(hints::syntax_help(
        text,
        &span,
        error.message(),
    ))
}

fn problem(
    error: &toml::de::Error,
    unknown: Option<&UnknownKey<'_>>,
    span: &Range<usize>,
    done: Option<&Done>,
) -> Problem {
    if let Some(key) = unknown {
        let problem =
            Problem::new(format!("unknown key `{}`", key.name)).at(span, "not known here").help(key.help());
        let secret =
            ["pass", "auth", "secret", "token"].iter().any(|word| key.name.to_lowercase().contains(word));
        return match done {
            Some(done) if secret => problem.hide(&done.value),
            _ => problem,
        };
    }
    let words = hints::mismatch(error.message());
    let key = done.and_then(|done| done.path.last()).filter(|key| key.parse::<usize>().is_err());
    match (words, key) {
        (Some(words), Some(key)) => {
            let help = hints::type_help(key, &words);
            Problem::new(format!("`{key}` has the wrong type")).at(span, words).help(help)
        }
        (Some(words), None) => Problem::new("a value has the wrong type").at(span, words),
        (None, _) => {
            let (message, help) = error.message().split_once("; ").unwrap_or((error.message(), ""));
            let problem = Problem::new(message).at(span, "here");
            if help.is_empty() { problem } else { problem.help(help) }
        }
    }
}

/// What was repaired: the key's path, and where its value stands.
struct Done {
    path: Vec<String>,
    value: Range<usize>,
}

/// Renames the key at a span to the one that was meant, or takes out the entry whose key or value stands there.
struct Repair<'a> {
    span: &'a Range<usize>,
    rename: Option<&'a str>,
}

impl Repair<'_> {
    fn table(&self, table: &mut DeTable<'_>, path: &mut Vec<String>) -> Option<Done> {
        let key = table.iter().find(|(key, value)| key.span() == *self.span || value.span() == *self.span);
        if let Some(key) = key.map(|(key, _)| key.clone()) {
            let value = table.remove(&key)?;
            let at = value.span();
            path.push(key.get_ref().to_string());
            if let Some(name) = self.rename.filter(|name| !table.contains_key(*name)) {
                table.insert(Spanned::new(key.span(), Cow::Owned(name.to_owned())), value);
            }
            return Some(Done { path: path.clone(), value: at });
        }
        let inside: Vec<_> = table.keys().cloned().collect();
        inside.into_iter().find_map(|key| {
            path.push(key.get_ref().to_string());
            let done = table.get_mut(&key).and_then(|value| self.value(value, path));
            path.pop();
            done
        })
    }

    fn value(&self, value: &mut Spanned<DeValue<'_>>, path: &mut Vec<String>) -> Option<Done> {
        match value.get_mut() {
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => {
                if let Some(index) = items.iter().position(|item| item.span() == *self.span) {
                    path.push(index.to_string());
                    let at = items[index].span();
                    let others = items.iter().enumerate().filter(|(other, _)| *other != index);
                    *items = others.map(|(_, item)| item.clone()).collect();
                    return Some(Done { path: path.clone(), value: at });
                }
                items.iter_mut().enumerate().find_map(|(index, item)| {
                    path.push(index.to_string());
                    let done = self.value(item, path);
                    path.pop();
                    done
                })
            }
            _ => None,
        }
    }
}
