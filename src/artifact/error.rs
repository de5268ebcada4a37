//! Why there is no binary.

use std::{io, path::PathBuf, time::Duration};

use super::diagnose::Diagnosis;
use crate::{host, units::HostName};

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no binary.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] host::Error),
    #[error("could not use {} of the cache", path.display())]
    #[diagnostic(help(
        "make the folder writable and look at its free space, or set XDG_CACHE_HOME to another one"
    ))]
    Cache { path: PathBuf, source: io::Error },
    #[error("could not read the lock file {}", path.display())]
    #[diagnostic(help(
        "restore it from your version control; or delete it, and the digests are pinned anew"
    ))]
    Pins { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("could not write the lock file {}", path.display())]
    #[diagnostic(help("make the inventory's folder writable, or give the digest as source.sha256"))]
    PinsUnwritable { path: PathBuf, source: io::Error },
    #[error("no place has the source of {title}{}", list(refusals))]
    #[diagnostic(help(
        "download its tarball where there is a network and name it as source.file, or name a mirror in source.mirrors"
    ))]
    NoSource { title: String, refusals: Vec<Refusal> },
    #[error("{file} has the wrong SHA-256: it is {found}, {} says {}", origin, expected.join(" or "))]
    #[diagnostic(help(
        "it was changed, or is another packing of the source; if you trust it, set source.sha256 = \"{found}\""
    ))]
    Mismatch { file: String, found: String, origin: String, expected: Vec<String> },
    #[error("the tarball is {found}, the inventory says {wanted} ({file})")]
    #[diagnostic(help("change cluster.version in the inventory, or give the right tarball"))]
    WrongVersion { file: String, found: String, wanted: String },
    #[error("{file} is not the source of a server: no src/server.c with a src/version.h is in it")]
    #[diagnostic(help("give the release tarball of the engine as source.file"))]
    NotASource { file: String },
    #[error("{host}: could not extract {file}: {reason}")]
    #[diagnostic(help("look at the free space of the cache folder; a .tar.xz also needs xz on that host"))]
    Extract { host: HostName, file: String, reason: String },
    #[error("{host}: {} needed to compile and not installed", missing.join(", "))]
    #[diagnostic(help("{help}"))]
    Tools { host: HostName, missing: Vec<String>, help: String },
    #[error("{host}: {title} did not compile: {}{}", diagnosis.line, because(diagnosis))]
    #[diagnostic(help("{}\nthe whole log is {}", diagnosis.fix, log.display()))]
    Compile { host: HostName, title: String, diagnosis: Box<Diagnosis>, log: PathBuf },
    #[error("{host}: the compiled {title} does not run as it should: --version says {answer:?}")]
    #[diagnostic(help("the whole log is {}", log.display()))]
    WrongBinary { host: HostName, title: String, answer: String, log: PathBuf },
    #[error("another run has been building {title} for {} minutes", waited.as_secs() / 60)]
    #[diagnostic(help("wait for that run to end, or stop it"))]
    Busy { title: String, waited: Duration },
}

/// Why one place does not have the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub place: String,
    pub reason: String,
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().flat_map(|refusal| ["\n  ", &refusal.place, ": ", &refusal.reason]).collect()
}

fn because(diagnosis: &Diagnosis) -> String {
    diagnosis.cause.map_or_else(String::new, |cause| format!("\n  cause: {cause}"))
}

/// An error and its causes on one line, for a list of reasons.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Option<Box<Layer>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Layer { text, source: layers(rest) }))
    }

    #[test]
    fn causes_are_on_one_line_and_none_of_them_twice() {
        let text = |texts: &[&'static str]| chain(&*layers(texts).unwrap());
        assert_eq!(text(&["could not connect"]), "could not connect");
        assert_eq!(text(&["could not connect", "refused"]), "could not connect: refused");
        assert_eq!(text(&["could not connect: refused", "refused"]), "could not connect: refused");
        assert_eq!(text(&["a", "b", "c"]), "a: b: c");
    }

    #[test]
    fn a_source_that_no_place_has_lists_why() {
        let refusal =
            |place: &str, reason: &str| Refusal { place: place.to_owned(), reason: reason.to_owned() };
        let refusals = vec![refusal("release", "HTTP 404"), refusal("file", "no source.file")];
        let error = Error::NoSource { title: "redis 7.0.15".to_owned(), refusals };
        assert_eq!(
            error.to_string(),
            "no place has the source of redis 7.0.15\n  release: HTTP 404\n  file: no source.file"
        );
    }

    #[test]
    fn a_cause_is_shown_only_where_it_is_known() {
        let diagnosis = |cause| Diagnosis { line: "x.c:1: error: y".to_owned(), cause, fix: "do z".into() };
        let compile = |cause| Error::Compile {
            host: "h".into(),
            title: "redis 7.0.15".to_owned(),
            diagnosis: Box::new(diagnosis(cause)),
            log: "/log".into(),
        };
        assert_eq!(compile(None).to_string(), "h: redis 7.0.15 did not compile: x.c:1: error: y");
        assert!(compile(Some("the disk is full")).to_string().ends_with("\n  cause: the disk is full"));
        let help = miette::Diagnostic::help(&compile(None)).unwrap().to_string();
        assert_eq!(help, "do z\nthe whole log is /log");
    }
}
