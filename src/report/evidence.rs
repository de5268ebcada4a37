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
            Verdict::Holds => "✓".green().to_string(),
            Verdict::Broken => "✗".red().to_string(),
            Verdict::NotProven if invariant.fails() => "?".red().to_string(),
            Verdict::NotProven => "?".yellow().to_string(),
            Verdict::NotApplicable => "-".dimmed().to_string(),
        };
        let (id, title) = (&invariant.id, &invariant.title);
        let _ = writeln!(text, "{sign} {id:>3} {title:width$}  {}", invariant.evidence.dimmed());
    }
    let _ = writeln!(text, "{}", summary(evidence));
    text
}

fn summary(evidence: &Evidence) -> String {
    let all = [Verdict::Holds, Verdict::Broken, Verdict::NotProven, Verdict::NotApplicable];
    let [holds, broken, unproven, other] = all.map(|status| evidence.count(status));
    let environment = evidence.environment;
    let line = format!(
        "{holds} invariants hold, {broken} do not, {unproven} are not proven, {other} do not apply here; \
         {} {environment}",
        verdict(evidence)
    );
    if evidence.holds() { line.green().to_string() } else { line.red().to_string() }
}

/// Whether the cluster is proven, in a word or two.
pub(super) fn verdict(evidence: &Evidence) -> &'static str {
    match (evidence.holds(), evidence.count(Verdict::NotProven)) {
        (true, 0) => "proven",
        (true, _) => "proven as far as reading can",
        (false, _) => "not proven",
    }
}
