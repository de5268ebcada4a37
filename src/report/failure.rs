//! Printing an error: the chain of causes, and the fix.

use miette::{GraphicalReportHandler, GraphicalTheme, Report};
use owo_colors::OwoColorize;

use super::note;

/// Prints an error with its whole chain. Errors with a source text show the line and a caret under the cause.
pub fn failure(report: &Report) {
    if report.source_code().is_some() || report.related().is_some() {
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(110);
        if handler.render_report(&mut text, report.as_ref()).is_ok() {
            note(&text);
            return;
        }
    }
    let mut text = format!("{} {report}", "error:".red().bold());
    let mut said = report.to_string();
    for cause in report.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            text.push_str(&format!("\n  because {cause}"));
            said = cause;
        }
    }
    if let Some(fix) = report.help() {
        text.push_str(&format!("\n  {} {fix}", "fix:".green().bold()));
    }
    note(&text);
}
