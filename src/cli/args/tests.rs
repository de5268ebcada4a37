use clap::{CommandFactory, Parser};
use insta::assert_snapshot;

use super::*;

/// The help of a verb and of all verbs below it.
fn helps(command: &mut clap::Command, path: &str, out: &mut String) {
    out.push_str(&format!("$ {path} --help\n{}\n\n", command.render_long_help()));
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        let path = format!("{path} {}", verb.get_name());
        helps(verb, &path, out);
    }
}

fn all_helps() -> String {
    let mut command = Cli::command().term_width(80);
    command.build();
    let mut text = String::new();
    helps(&mut command, "provision", &mut text);
    text
}

#[test]
fn the_help_of_every_verb() {
    let text = all_helps();
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn helps_are_plain() {
    let text = all_helps();
    for word in ["so many", "somebody", "nobody", "whoever", "everybody", "mend"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["provision"], words].concat())
}

#[test]
fn no_verb_needs_an_inventory() {
    for verb in ["plan", "apply", "status", "verify", "destroy", "trust", "logs"] {
        assert!(parse(&[verb]).is_ok(), "{verb}");
        assert!(parse(&[verb, "lab:demo"]).is_ok(), "{verb}");
    }
    assert!(parse(&["exec", "--", "id"]).is_ok());
}

#[test]
fn a_saved_plan_excludes_what_decides_a_plan() {
    for words in
        [&["x.toml"][..], &["--tags", "a"], &["--limit", "a"], &["--serial", "1"], &["--single-host"]]
    {
        assert!(parse(&[&["apply", "--plan", "f"], words].concat()).is_err(), "{words:?}");
    }
    assert!(parse(&["apply", "--plan", "f", "--yes", "--json"]).is_ok());
}

#[test]
fn numbers_have_bounds() {
    assert!(parse(&["apply", "--serial", "0"]).is_err());
    assert!(parse(&["lab", "up", "--hosts", "0"]).is_err());
    assert!(parse(&["lab", "up", "--hosts", "201"]).is_err());
    assert!(parse(&["lab", "up", "--os", "debian", "--rootfs", "/x"]).is_err());
}
