//! What a distribution's source lists offer, and which of it is the wanted version.

use std::path::Path;

use super::Want;

/// A source package's tarball.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// `5:7.0.15-1~deb12u7`.
    pub(super) version: String,
    /// `redis_7.0.15.orig.tar.gz`.
    pub(super) file: String,
    pub(super) sha256: String,
}

/// Reads `apt-cache showsrc`: stanzas with `Version:` and `Checksums-Sha256:`.
pub(super) fn offers(lines: &[String]) -> Vec<Offer> {
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
            offers.push(Offer {
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

pub(super) fn pick<'a>(offers: &'a [Offer], want: &Want) -> Option<&'a Offer> {
    let version = want.version.to_string();
    offers.iter().find(|offer| upstream(&offer.version) == version)
}

pub(super) fn none_of(offers: &[Offer], want: &Want, suite: &str) -> String {
    let mut versions: Vec<&str> = offers.iter().map(|offer| offer.version.as_str()).collect();
    versions.dedup();
    match versions[..] {
        [] => {
            format!("{suite} has no source package {}; source.suite may name a release that has", want.engine)
        }
        _ => format!("{suite} has {} {}, not {}", want.engine, versions.join(", "), want.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let expected = Offer {
            version: "8.1.1+dfsg1-3".to_owned(),
            file: "valkey_8.1.1+dfsg1.orig.tar.xz".to_owned(),
            sha256: "bb".to_owned(),
        };
        assert_eq!(offers(&lines), [expected]);
    }
}
