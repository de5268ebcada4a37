//! Printing an error: the chain of causes, and the fix.

use std::error::Error;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Report};
use owo_colors::OwoColorize;

use super::{names::shortened, note, terminal};

/// The width of errors with a source text where no terminal says another.
const WIDTH: usize = 110;

/// Prints an error with its whole chain. Errors with a source text show the line and a caret under the cause.
pub fn failure(report: &Report) {
    note(&text(report, terminal::width(std::io::stderr()).unwrap_or(WIDTH)));
}

/// The error as text, with colours.
pub(super) fn text(report: &Report, width: usize) -> String {
    if report.source_code().is_some() {
        let mut text = String::new();
        let handler =
            GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(width.min(WIDTH));
        if handler.render_report(&mut text, report.as_ref()).is_ok() {
            return text;
        }
    }
    let diagnostic: &dyn Diagnostic = report.as_ref();
    let mut text = format!("{} {diagnostic}{}", "error:".red().bold(), causes(diagnostic));
    for related in merged(diagnostic) {
        text.push_str(&format!("\n  {} {}", "✗".red(), related.replace('\n', "\n  ")));
    }
    text + &fix(diagnostic)
}

/// What an error comes from; a cause that is in the message already is left out.
fn causes(diagnostic: &dyn Diagnostic) -> String {
    let (mut text, mut shown) = (String::new(), diagnostic.to_string());
    let mut cause = diagnostic.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !shown.contains(&message) {
            text.push_str(&format!("\n  because {message}"));
            shown = message;
        }
        cause = Error::source(error);
    }
    text
}

fn fix(diagnostic: &dyn Diagnostic) -> String {
    diagnostic.help().map_or_else(String::new, |fix| format!("\n  {} {fix}", "fix:".green().bold()))
}

/// The errors of several hosts; those that differ in the host's name only are one.
fn merged(diagnostic: &dyn Diagnostic) -> Vec<String> {
    let mut merged: Vec<(String, Vec<String>)> = Vec::new();
    for related in diagnostic.related().into_iter().flatten() {
        let message = related.to_string();
        let (host, rest) = match message.split_once(": ") {
            Some((host, rest)) if !host.contains(' ') => (host.to_owned(), rest),
            _ => (String::new(), message.as_str()),
        };
        let rest = format!("{rest}{}{}", causes(related), fix(related));
        match merged
            .iter_mut()
            .find(|(other, hosts)| *other == rest && hosts[0].is_empty() == host.is_empty())
        {
            Some((_, hosts)) => hosts.push(host),
            None => merged.push((rest, vec![host])),
        }
    }
    let line = |(rest, hosts): (String, Vec<String>)| {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).filter(|host| !host.is_empty()).collect();
        if hosts.is_empty() { rest } else { format!("{}: {rest}", shortened(&hosts)) }
    };
    merged.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use miette::miette;

    use super::*;
    use crate::{report::samples::plain, run};

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("could not read the plan")]
    #[diagnostic(help("make a new one"))]
    struct Chained(#[source] std::io::Error);

    #[test]
    fn an_error_has_its_cause_and_its_fix() {
        let error = Chained(std::io::Error::other("no such file"));
        assert_snapshot!(plain(&text(&error.into(), 80)), @r"
        error: could not read the plan
          because no such file
          fix: make a new one
        ");
    }

    #[test]
    fn a_cause_that_is_said_already_is_left_out() {
        let error = Chained(std::io::Error::other("read"));
        assert!(!text(&error.into(), 80).contains("because"));
    }

    #[test]
    fn an_error_without_a_fix_is_one_line() {
        assert_eq!(plain(&text(&miette!("it broke"), 80)), "error: it broke");
    }

    #[test]
    fn equal_errors_of_many_hosts_are_one() {
        let moved = |host: &str| run::Error::Moved { host: host.into() };
        let other = run::Error::ArtifactGone { what: "redis 7.0.15".to_owned() };
        let hosts = ["n1", "n2", "n3", "n4"].map(crate::units::HostName::from).to_vec();
        let errors = vec![moved("n1"), moved("n2"), moved("n3"), other];
        let text = plain(&text(&run::Error::Hosts { hosts, errors }.into(), 80));
        assert_eq!(text.matches("its state is not the one").count(), 1, "{text}");
        assert!(
            text.contains("\n  ✗ n1…n3: its state is not") && text.contains("\n  ✗ redis 7.0.15 was in"),
            "{text}"
        );
    }

    #[test]
    fn an_inventory_error_shows_the_line() {
        let error =
            crate::inventory::parse("x.toml", "[cluster]\nnaem = \"x\"\n", crate::inventory::Fold::AsWritten);
        let text = plain(&text(&error.unwrap_err().into(), 80));
        assert!(text.contains("naem") && text.contains("did you mean"), "{text}");
    }
}
