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
