//! What is wrong with a file, where, and what to do about it.

use std::{fmt, ops::Range, path::Path};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// A file that could not be loaded, with every problem that could be found in one go.
#[derive(Debug)]
pub struct LoadError {
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

/// One thing wrong with the file.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    hidden: Vec<Range<usize>>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), labels: Vec::new(), help: None, hidden: Vec::new() }
    }

    /// Points at a place; the first one is the cause, the others explain it.
    pub(crate) fn at(mut self, span: &Range<usize>, label: impl Into<String>) -> Self {
        let span = (span.start, span.len());
        self.labels.push(if self.labels.is_empty() {
            LabeledSpan::new_primary_with_span(Some(label.into()), span)
        } else {
            LabeledSpan::new_with_span(Some(label.into()), span)
        });
        self
    }

    /// What to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps the text there, a secret, out of every snippet that will be shown.
    pub(crate) fn hide(mut self, span: &Range<usize>) -> Self {
        self.hidden.push(span.clone());
        self
    }

    /// The byte offset of its cause in the file.
    pub fn offset(&self) -> usize {
        self.labels.first().map_or(0, LabeledSpan::offset)
    }
}

impl LoadError {
    pub(crate) fn new(name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::offset);
        let text = hide(text, problems.iter().flat_map(|problem| &problem.hidden));
        Self { source: NamedSource::new(name, text).with_language("TOML"), problems }
    }

    pub(crate) fn unreadable(path: &Path, cause: &std::io::Error) -> Self {
        let problem = Problem::new(format!("could not read {}: {cause}", path.display()))
            .help("check the path, or start an inventory with `provision init`");
        Self::new(&path.display().to_string(), "", vec![problem])
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The file's name, as it was given.
    pub fn name(&self) -> &str {
        self.source.name()
    }
}

/// Replaces every byte of a secret by a star; the offsets of everything else stay what they were.
fn hide<'a>(text: &str, spans: impl Iterator<Item = &'a Range<usize>>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in spans.filter_map(|span| text.get(span.clone()).map(|_| span.clone())).flatten() {
        if !matches!(bytes[byte], b'\n' | b'\r' | b'"' | b'\'') {
            bytes[byte] = b'*';
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "{} has a problem", self.name()),
            many => write!(f, "{} has {many} problems", self.name()),
        }
    }
}

impl std::error::Error for LoadError {}

impl Diagnostic for LoadError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(error: &LoadError) -> String {
        format!("{:?}", miette::Report::new(Problem::new(error.to_string())))
    }

    #[test]
    fn problems_come_in_the_order_of_the_file() {
        let at = |offset: usize| Problem::new(format!("at {offset}")).at(&(offset..offset + 1), "here");
        let error =
            LoadError::new("x.toml", "0123456789", vec![at(7), at(2), Problem::new("nowhere"), at(5)]);
        let offsets: Vec<usize> = error.problems().iter().map(Problem::offset).collect();
        assert_eq!(offsets, [0, 2, 5, 7]);
        assert_eq!(error.to_string(), "x.toml has 4 problems");
        assert!(shown(&error).contains("x.toml"));
    }

    #[test]
    fn one_problem_is_counted_as_one() {
        let error = LoadError::unreadable(Path::new("/no"), &std::io::Error::other("it is a folder"));
        assert_eq!((error.to_string().as_str(), error.name()), ("/no has a problem", "/no"));
        assert_eq!(error.problems()[0].to_string(), "could not read /no: it is a folder");
    }

    #[test]
    fn the_first_label_is_the_cause() {
        let problem = Problem::new("twice").at(&(9..10), "again").at(&(2..3), "first here");
        assert_eq!(problem.offset(), 9);
        let labels: Vec<_> = Diagnostic::labels(&problem).unwrap().map(|label| label.primary()).collect();
        assert_eq!(labels, [true, false]);
    }

    #[test]
    fn a_hidden_secret_is_in_no_snippet_and_its_quotes_stay() {
        let text = "auth = \"hunter2\"\nport = 1";
        let problem = Problem::new("a password").hide(&(7..16)).at(&(7..16), "hidden");
        let error = LoadError::new("x", text, vec![problem]);
        let shown = format!("{:?}", miette::Report::new(error));
        assert!(!shown.contains("hunter2") && shown.contains("\"*******\""), "{shown}");
    }

    proptest! {
        #[test]
        fn hiding_moves_nothing(text in "[a-zé\"'\\r\\n]{0,40}", start in 0usize..45, length in 0usize..20) {
            let span = start..start + length;
            let hidden = hide(&text, std::iter::once(&span));
            prop_assert_eq!(hidden.len(), text.len());
            let breaks = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(breaks(&hidden), breaks(&text));
            if let Some(secret) = text.get(span.clone()) {
                let left = hidden.get(span.clone()).unwrap();
                prop_assert!(left.chars().all(|c| "*\"'\r\n".contains(c)), "{} of {}", left, secret);
                prop_assert_eq!(&hidden[..span.start], &text[..span.start]);
                prop_assert_eq!(&hidden[span.end..], &text[span.end..]);
            } else {
                prop_assert_eq!(hidden, text);
            }
        }
    }
}
