//! The evidence as a table.

use std::fmt::Write;

use owo_colors::OwoColorize;

use crate::cluster::{Evidence, Status as Verdict};

/// One line an invariant: what holds, and how that is known.
pub fn table(evidence: &Evidence) -> String {
    let mut text = String::new();
    let width =
        evidence.invariants.iter().map(|invariant| invariant.title.chars().count()).max().unwrap_or(0);
    for invariant in &evidence.invariants {
        let sign = match invariant.status {
            Verdict::Pass => "✓".green().to_string(),
            Verdict::Fail => "✗".red().to_string(),
            Verdict::NotApplicable => "-".dimmed().to_string(),
        };
        let (id, title) = (&invariant.id, &invariant.title);
        let _ = writeln!(text, "{sign} {id:>3} {title:width$}  {}", invariant.evidence.dimmed());
    }
    let _ = writeln!(text, "{}", summary(evidence));
    text
}

fn summary(evidence: &Evidence) -> String {
    let environment = evidence.environment;
    let count = |verdict| evidence.invariants.iter().filter(|i| i.status == verdict).count();
    let [pass, fail, other] = [Verdict::Pass, Verdict::Fail, Verdict::NotApplicable].map(count);
    let line =
        format!("{pass} invariants hold, {fail} do not, {other} do not apply here; proven {environment}");
    if fail == 0 { line.green().to_string() } else { line.red().to_string() }
}
