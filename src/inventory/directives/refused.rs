//! A directive the server itself refuses, shown where the inventory has it.

use std::{fs, ops::Range, path::Path};

use crate::inventory::{
    one_or_many::OneOrMany,
    parse,
    problem::{LoadError, Problem},
    raw::{Config, Inventory},
};

/// How an engine begins the line that it refuses.
const REFUSED_LINE: &str = ">>> '";

/// The error at the line of the inventory that a server's words are about; `by` is what refused it. `None`
/// where they are about no directive of the inventory.
pub fn refused(inventory: &Path, by: &str, words: &[String]) -> Option<LoadError> {
    let text = fs::read_to_string(inventory).ok()?;
    let problem = problem(&text, by, words)?;
    Some(LoadError::new(&inventory.display().to_string(), &text, vec![problem]))
}

fn problem(text: &str, by: &str, words: &[String]) -> Option<Problem> {
    let written = lines(&parse::read::<Inventory>(text).value?);
    let (found, label) = match words.iter().position(|line| line.starts_with(REFUSED_LINE)) {
        Some(at) => quoted(&written, words.get(at..)?)?,
        None => named(&written, words)?,
    };
    let help =
        "correct it; no node was touched, because its server is tried on a configuration before it gets it";
    Some(Problem::new(format!("{by} refuses `{}`", found.line)).at(&found.span, label).help(help))
}

/// The line that an engine quotes, and why it refuses it.
fn quoted<'a>(written: &'a [Written], words: &'a [String]) -> Option<(&'a Written, &'a str)> {
    let line = words.first()?.strip_prefix(REFUSED_LINE)?.trim_end_matches('\'');
    let found = written.iter().find(|written| written.line == line)?;
    Some((found, words.get(1).map_or("refused", String::as_str).trim()))
}

/// The directive whose file, such as an ACL file or a module, was refused.
fn named<'a>(written: &'a [Written], words: &'a [String]) -> Option<(&'a Written, &'a str)> {
    let files = written.iter().filter(|written| written.value().contains('/'));
    let mut said =
        files.filter_map(|file| Some((file, words.iter().rfind(|line| line.contains(file.value()))?)));
    let (found, line) = said.next()?;
    // A log line begins with its time and level.
    Some((found, line.split_once(" # ").map_or(line.as_str(), |(_, words)| words).trim()))
}

/// A directive as its file has it, and where the inventory has its value.
struct Written {
    line: String,
    span: Range<usize>,
}

impl Written {
    fn value(&self) -> &str {
        self.line.split_once(' ').map_or("", |(_, value)| value)
    }
}

fn lines(inventory: &Inventory) -> Vec<Written> {
    let cluster = inventory.cluster.iter().filter_map(|cluster| cluster.config.as_ref());
    let hosts = inventory.hosts.iter().flat_map(|hosts| &hosts.value);
    cluster.chain(hosts.filter_map(|host| host.config.as_ref())).flat_map(of_table).collect()
}

fn of_table(config: &Config) -> Vec<Written> {
    let mut all = Vec::new();
    for (name, values) in &config.0 {
        let mut add = |value: &str, span: &Range<usize>| {
            all.push(Written { line: format!("{} {value}", name.value), span: span.clone() });
        };
        match &values.value {
            OneOrMany::One(value) => add(&value.line(), &values.span),
            OneOrMany::Many(many) => many.iter().for_each(|value| add(&value.value.line(), &value.span)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[cluster.config]\nmaxmemory = \"1.5gb\"\nsave = [\"900 1\", \"60 x\"]\naclfile = \"/etc/a.acl\"\n\
        [[hosts]]\n[hosts.config]\ntimeout = \"5s\"\n";

    fn shown(words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let problem = problem(TEXT, "redis 7.0.15", &words)?;
        let at = &TEXT[problem.offset()..].split(['\n', ',', ']']).next()?;
        let label = miette::Diagnostic::labels(&problem)?.next()?.label()?.to_owned();
        Some(format!("{problem} at {at}: {label}"))
    }

    #[test]
    fn the_line_an_engine_quotes_is_found_in_every_table_and_array() {
        let head =
            ["*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***", "Reading the configuration file, at line 2"];
        let refused = |line: &str, why: &str| shown(&[head[0], head[1], line, why]).unwrap();
        assert_eq!(
            refused(">>> 'maxmemory 1.5gb'", "argument must be a memory value"),
            "redis 7.0.15 refuses `maxmemory 1.5gb` at \"1.5gb\": argument must be a memory value"
        );
        assert_eq!(
            refused(">>> 'save 60 x'", "Invalid save parameters"),
            "redis 7.0.15 refuses `save 60 x` at \"60 x\": Invalid save parameters"
        );
        assert_eq!(refused(">>> 'timeout 5s'", "bad"), "redis 7.0.15 refuses `timeout 5s` at \"5s\": bad");
    }

    #[test]
    fn what_a_directive_names_is_found_by_its_path() {
        let words =
            ["1:M # Aborting Redis startup because of ACL errors: /etc/a.acl:1: unknown rule", "more"];
        let shown = shown(&words).unwrap();
        assert!(
            shown.contains("`aclfile /etc/a.acl` at \"/etc/a.acl\"") && shown.contains("unknown rule"),
            "{shown}"
        );
    }

    #[test]
    fn words_about_something_else_have_no_line() {
        assert_eq!(shown(&[">>> 'bogus 1'", "Bad directive"]), None);
        assert_eq!(shown(&["out of memory"]), None);
        assert_eq!(shown(&[]), None);
        assert!(super::refused(Path::new("/nonexistent"), "x", &[]).is_none());
    }
}
