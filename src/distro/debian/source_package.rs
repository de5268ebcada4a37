//! What a distribution's source lists offer, and which of it is the wanted version.

use std::path::Path;

/// A source package's tarball.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourcePackage {
    /// `5:7.0.15-1~deb12u7`.
    pub(crate) version: String,
    /// `redis_7.0.15.orig.tar.gz`.
    pub(crate) file: String,
    pub(crate) sha256: String,
}

impl SourcePackage {
    /// Whether the distribution packed the release anew, as `8.1.1+dfsg1-2` says: what it excludes is
    /// missing.
    pub(crate) fn is_packed_anew(&self) -> bool {
        let version = self.version.rsplit_once('-').map_or(&*self.version, |(upstream, _)| upstream);
        version.contains('+')
    }
}

/// Reads `apt-cache showsrc`: stanzas with `Version:` and `Checksums-Sha256:`.
pub(crate) fn parse(lines: &[String]) -> Vec<SourcePackage> {
    let mut offers = Vec::new();
    for stanza in lines.split(String::is_empty) {
        let version = stanza.iter().find_map(|line| line.strip_prefix("Version: "));
        let sums = stanza.iter().skip_while(|line| !line.starts_with("Checksums-Sha256:")).skip(1);
        let files = sums.take_while(|line| line.starts_with(' ')).filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.nth(1)?))
        });
        let orig = files
            .filter(|(_, file)| {
                file.contains(".orig.tar.") && Path::new(file).extension().is_none_or(|end| end != "asc")
            })
            .last();
        if let (Some(version), Some((sha256, file))) = (version, orig) {
            offers.push(SourcePackage {
                version: version.to_owned(),
                file: file.to_owned(),
                sha256: sha256.to_owned(),
            });
        }
    }
    offers
}

/// `5:8.1.1+dfsg1-2~deb13u1` → `8.1.1`. A `~rc1` is another version and stays.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    version.split('+').next().unwrap_or(version)
}

pub(crate) fn pick<'a>(offers: &'a [SourcePackage], wanted: &str) -> Option<&'a SourcePackage> {
    offers.iter().find(|offer| upstream(&offer.version) == wanted)
}

pub(crate) fn none_of(offers: &[SourcePackage], engine: &str, wanted: &str, suite: &str) -> String {
    let mut versions: Vec<&str> = offers.iter().map(|offer| offer.version.as_str()).collect();
    versions.dedup();
    match versions[..] {
        [] => {
            format!("{suite} has no source package {engine}; source.suite may name a release that has")
        }
        _ => format!("{suite} has {engine} {}, not {wanted}", versions.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutated::mutated_lines;

    #[test]
    fn the_upstream_version_of_debians_versions() {
        for (version, expected) in [
            ("5:7.0.15-1~deb12u7", "7.0.15"),
            ("9.1.2-1", "9.1.2"),
            ("8.1.1+dfsg1-3+b1", "8.1.1"),
            ("7.2~rc1-1", "7.2~rc1"),
            ("6.0.16", "6.0.16"),
        ] {
            assert_eq!(upstream(version), expected);
        }
    }

    #[test]
    fn offers_are_read_from_showsrc() {
        let text = "Package: valkey\nVersion: 8.1.1+dfsg1-3\nChecksums-Sha1:\n aa 1 valkey_8.1.1+dfsg1.orig.tar.xz\n\
                    Checksums-Sha256:\n bb 1 valkey_8.1.1+dfsg1.orig.tar.xz\n cc 2 valkey_8.1.1+dfsg1-3.debian.tar.xz\n\
                    dd 3 valkey_8.1.1.orig.tar.xz.asc\nFiles:\n ee 1 valkey_8.1.1+dfsg1.orig.tar.xz\n\nPackage: x\n";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let expected = SourcePackage {
            version: "8.1.1+dfsg1-3".to_owned(),
            file: "valkey_8.1.1+dfsg1.orig.tar.xz".to_owned(),
            sha256: "bb".to_owned(),
        };
        assert_eq!(parse(&lines), [expected]);
    }

    proptest! {
        #[test]
        fn what_a_host_offers_never_panics(lines in mutated_lines(
            "Package: valkey\nVersion: 5:8.1.1+dfsg1-3\nChecksums-Sha256:\n bb 1 valkey_8.1.1+dfsg1.orig.tar.xz\n\n\
             Package: x\nVersion: 1-1\nChecksums-Sha256:\n cc 2 x_1.orig.tar.gz\n"
        )) {
            let offers = parse(&lines);
            let _ = (pick(&offers, "8.1.1"), none_of(&offers, "valkey", "8.1.1", "trixie"));
            let _ = offers.iter().filter(|offer| offer.is_packed_anew()).count();
        }
    }

    fn package(version: &str) -> SourcePackage {
        SourcePackage { version: version.to_owned(), file: String::new(), sha256: String::new() }
    }

    #[test]
    fn only_the_wanted_upstream_version_is_picked() {
        let offers = [package("5:7.0.15-1"), package("5:7.0.15~rc1-1"), package("5:7.2.4+ds-2")];
        assert_eq!(pick(&offers, "7.0.15"), Some(&offers[0]));
        assert_eq!(pick(&offers, "7.2.4"), Some(&offers[2]));
        assert_eq!(pick(&offers, "7.0.1"), None);
    }

    #[test]
    fn a_release_that_was_packed_anew_says_so_in_its_version() {
        for (version, anew) in [
            ("5:7.0.15-1~deb12u7", false),
            ("8.1.1+dfsg1-2~deb13u1", true),
            ("5:7.2.4+ds-2", true),
            ("6.0.16-1+deb11u5", false),
        ] {
            assert_eq!(package(version).is_packed_anew(), anew, "{version}");
        }
    }

    #[test]
    fn what_there_is_instead_is_said_once() {
        let offers = [package("5:7.0.15-1"), package("5:7.0.15-1"), package("6.0.16-1")];
        let text = none_of(&offers, "redis", "7.2.4", "bookworm");
        assert_eq!(text, "bookworm has redis 5:7.0.15-1, 6.0.16-1, not 7.2.4");
        assert!(
            none_of(&[], "valkey", "8.1.1", "bookworm").starts_with("bookworm has no source package valkey")
        );
    }

    #[test]
    fn a_stanza_without_a_source_archive_is_no_offer() {
        let text = "Package: x\nVersion: 1-1\nChecksums-Sha256:\n aa 1 x_1-1.dsc\n\nVersion: 2-1\n\n";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(parse(&lines), []);
    }
}
