//! The evidence as a `JUnit` report, which CI systems show as tests.

use std::fmt::Write;

use crate::cluster::{Evidence, Status as Verdict};

/// One test case an invariant. What could not be proven is an error, and what the user chose not to have
/// proven is skipped.
pub fn junit(evidence: &Evidence, cluster: &str) -> String {
    let tests = evidence.invariants.len();
    let failures = evidence.count(Verdict::Broken);
    let errors = evidence.failed().count() - failures;
    let skipped = tests - failures - errors - evidence.count(Verdict::Holds);
    let (cluster, environment) = (escape(cluster), evidence.environment);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"provision verify {cluster} {environment}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n"
    );
    for invariant in &evidence.invariants {
        let (id, title, said) = (&invariant.id, escape(&invariant.title), escape(&invariant.evidence));
        let body = match invariant.status {
            Verdict::Holds => format!("<system-out>{said}</system-out>"),
            Verdict::Broken => format!("<failure message=\"{said}\"/>"),
            Verdict::NotProven if invariant.fails() => format!("<error message=\"not proven: {said}\"/>"),
            Verdict::NotProven => format!("<skipped message=\"not proven: {said}\"/>"),
            Verdict::NotApplicable => format!("<skipped message=\"{said}\"/>"),
        };
        let seconds = std::time::Duration::from_millis(invariant.took_ms).as_secs_f64();
        let _ = writeln!(
            text,
            "  <testcase classname=\"{cluster}\" name=\"{id} {title}\" time=\"{seconds:.3}\">{body}</testcase>"
        );
    }
    text.push_str("</testsuite>\n");
    text
}

/// XML 1.0 text; control characters have no place in it.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\n' && c != '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
