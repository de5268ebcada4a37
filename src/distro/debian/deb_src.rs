//! The `deb-src` entries that belong to the `deb` entries of a system: the same archives, for source
//! packages. Both formats of sources.list(5) go in, deb822 comes out.

use std::collections::BTreeSet;

/// One archive of the system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// `Signed-By`, unchanged: a path, or a whole key over several lines.
    signed_by: String,
    /// `Trusted: yes` and its like, which must hold for the source entry too.
    rest: Vec<String>,
}

/// Suites of the main archive that are not the code name of a release.
const ALIASES: &[&str] = &["stable", "oldstable", "oldoldstable", "testing", "unstable", "sid", "devel"];

/// Fields of an entry that hold for its source entry, too.
const KEPT: &[&str] = &["trusted", "check-valid-until", "check-date", "inrelease-path", "allow-insecure"];

/// The text of a `.sources` file for the distribution's own archives; empty where there are none. With
/// `suite`, only the main archive has an entry, in that suite.
pub(crate) fn of(files: &[(String, String)], codename: &str, suite: Option<&str>) -> String {
    let entries: Vec<Entry> = files.iter().flat_map(|(name, text)| parse(name, text)).collect();
    // A corporate mirror signs with its own key; then the name of the suite alone must do.
    let own: Vec<&Entry> =
        match entries.iter().filter(|e| e.has_own_key() && e.is_archive(codename)).collect() {
            own if Vec::is_empty(&own) => entries.iter().filter(|e| e.is_archive(codename)).collect(),
            own => own,
        };
    let entries: BTreeSet<String> = own.iter().filter_map(|entry| entry.deb_src(codename, suite)).collect();
    entries.into_iter().collect::<Vec<_>>().join("\n")
}

/// Whether apt verifies the signature of each of these entries: `trusted` and `allow-insecure` take that away
/// (sources.list(5)).
pub(crate) fn are_verified(entries: &str) -> bool {
    let is_off = |line: &str| {
        let Some((key, value)) = line.split_once(':') else { return false };
        let key = key.trim();
        ["trusted", "allow-insecure"].iter().any(|off| key.eq_ignore_ascii_case(off))
            && !value.trim().eq_ignore_ascii_case("no")
    };
    !entries.lines().any(is_off)
}

impl Entry {
    fn is_archive(&self, codename: &str) -> bool {
        self.components.iter().any(|component| component == "main")
            && self.suites.iter().any(|suite| release(suite) == codename || ALIASES.contains(&release(suite)))
    }

    /// Signed by the distribution's own keys, or by whatever the system trusts for everything.
    fn has_own_key(&self) -> bool {
        self.signed_by.is_empty()
            || self.signed_by.contains("-archive-keyring")
            || self.signed_by.contains("/debian-archive-")
    }

    fn deb_src(&self, codename: &str, suite: Option<&str>) -> Option<String> {
        let suites: Vec<&str> = match suite {
            None => self.suites.iter().map(String::as_str).collect(),
            Some(other) => {
                let main = |s: &String| s == codename || ALIASES.contains(&s.as_str());
                if !self.suites.iter().any(main) {
                    return None;
                }
                vec![other]
            }
        };
        let (uris, suites, components) = (self.uris.join(" "), suites.join(" "), self.components.join(" "));
        let mut lines = vec![
            "Types: deb-src".to_owned(),
            format!("URIs: {uris}"),
            format!("Suites: {suites}"),
            format!("Components: {components}"),
        ];
        if !self.signed_by.is_empty() {
            lines.push(format!("Signed-By: {}", self.signed_by));
        }
        lines.extend(self.rest.iter().cloned());
        Some(lines.join("\n") + "\n")
    }
}

/// `bookworm-security` and `bookworm/updates` belong to bookworm.
fn release(suite: &str) -> &str {
    suite.split(['-', '/']).next().unwrap_or_default()
}

fn parse(name: &str, text: &str) -> Vec<Entry> {
    let entries: Vec<Entry> =
        if name.ends_with(".sources") { deb822(text) } else { text.lines().filter_map(one_line).collect() };
    entries
        .into_iter()
        .filter(|e| !e.uris.is_empty() && !e.uris.iter().any(|u| u.starts_with("cdrom:")))
        .collect()
}

/// `deb [signed-by=/key arch=amd64] http://archive/debian bookworm main`.
fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim().strip_prefix("deb")?;
    let line = line.strip_prefix(char::is_whitespace)?.trim_start();
    let (options, line) = match line.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", line),
    };
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut entry = Entry { uris: vec![words.next()?], suites: vec![words.next()?], ..Entry::default() };
    entry.components = words.collect();
    for (key, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
        entry.field(key, &value.replace(',', " "));
    }
    Some(entry)
}

/// Stanzas of `Field: value`, with values that go on in indented lines.
fn deb822(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).filter_map(stanza).collect()
}

fn stanza(lines: &[&str]) -> Option<Entry> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        match (line.starts_with([' ', '\t']), line.split_once(':')) {
            (true, _) => fields.last_mut()?.1.extend(["\n", line]),
            (false, Some((key, value))) => fields.push((key.trim().to_lowercase(), value.trim().to_owned())),
            (false, None) => {}
        }
    }
    let get = |key: &str| fields.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value.as_str());
    if !get("types").split_whitespace().any(|kind| kind == "deb") || get("enabled").eq_ignore_ascii_case("no")
    {
        return None;
    }
    let words = |key: &str| get(key).split_whitespace().map(str::to_owned).collect();
    let mut entry = Entry {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        ..Entry::default()
    };
    for (key, value) in &fields {
        entry.field(key, value);
    }
    Some(entry)
}

impl Entry {
    fn field(&mut self, key: &str, value: &str) {
        let key = key.to_lowercase();
        if key == "signed-by" {
            value.clone_into(&mut self.signed_by);
        } else if KEPT.contains(&key.as_str()) {
            self.rest.push(format!("{key}: {value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutated::mutated;

    fn files(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    const DEB822: &str = "\
Types: deb
# a comment
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";
    const THIRD: &str = "Types: deb\nURIs: https://third.example/x\nSuites: bookworm\nComponents: main\n\
                         Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n";

    #[test]
    fn the_systems_own_archives_have_source_entries_and_third_parties_have_none() {
        let entries = of(&files(&[("debian.sources", DEB822), ("third.sources", THIRD)]), "bookworm", None);
        assert_eq!(entries.matches("Types: deb-src").count(), 2, "{entries}");
        assert!(
            entries.contains("Suites: bookworm bookworm-updates") && entries.contains("bookworm-security")
        );
        assert!(!entries.contains("third.example"), "{entries}");
    }

    #[test]
    fn another_suite_exists_in_the_main_archive_only() {
        let entries = of(&files(&[("debian.sources", DEB822)]), "bookworm", Some("sid"));
        assert_eq!(
            entries,
            "Types: deb-src\nURIs: http://archive.example/debian\nSuites: sid\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        );
    }

    #[test]
    fn one_line_entries_with_options() {
        let list = "# deb http://off.example/debian bookworm main\n\
                    deb [arch=amd64 trusted=yes signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://a.example/ubuntu noble main universe\n\
                    deb-src http://a.example/ubuntu noble main\n\
                    deb cdrom:[Debian]/ noble main\n";
        let entries = of(&files(&[("/etc/apt/sources.list", list)]), "noble", None);
        assert_eq!(
            entries,
            "Types: deb-src\nURIs: http://a.example/ubuntu\nSuites: noble\nComponents: main universe\n\
             Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\ntrusted: yes\n"
        );
    }

    #[test]
    fn an_entry_that_apt_does_not_verify_is_known() {
        let one = |option: &str| {
            let line = format!("deb [{option}] http://a.example/debian bookworm main\n");
            of(&files(&[("/etc/apt/sources.list", &line)]), "bookworm", None)
        };
        assert!(are_verified(&one("arch=amd64")) && are_verified(&one("trusted=no")));
        assert!(!are_verified(&one("trusted=yes")) && !are_verified(&one("allow-insecure=yes")));
        assert!(!are_verified(&(one("arch=amd64") + "\n" + &one("trusted=yes"))), "one is enough");
        assert!(are_verified(&of(&files(&[("debian.sources", DEB822)]), "bookworm", None)));
        let trusted =
            DEB822.replace("Components: main\nSigned-By", "Components: main\nTrusted: YES\nSigned-By");
        assert!(!are_verified(&of(&files(&[("debian.sources", &trusted)]), "bookworm", None)));
    }

    proptest! {
        #[test]
        fn archives_that_a_host_names_never_panic(
            deb822 in mutated(DEB822),
            list in mutated("deb [arch=amd64 trusted=yes signed-by=/k] http://a.example/ubuntu noble main universe\n"),
        ) {
            let entries = of(&files(&[("debian.sources", &deb822), ("a.list", &list)]), "bookworm", None);
            let _ = are_verified(&entries);
            let _ = of(&files(&[("debian.sources", &deb822), ("a.list", &list)]), "noble", Some("sid"));
        }
    }

    #[test]
    fn a_mirror_with_its_own_key_counts_where_there_is_nothing_else() {
        let entries = of(&files(&[("corp.sources", THIRD)]), "bookworm", None);
        assert!(
            entries.contains("URIs: https://third.example/x") && entries.contains("\n .\n abc\n"),
            "{entries}"
        );
    }

    #[test]
    fn what_is_off_or_no_package_archive_is_left_out() {
        let off = DEB822.replace("Types: deb\n# a comment", "Types: deb\nEnabled: no");
        let entries = of(&files(&[("debian.sources", &off)]), "bookworm", None);
        assert!(!entries.contains("bookworm-updates") && entries.contains("bookworm-security"), "{entries}");
        let others =
            [("x.list", "deb-src http://a bookworm main\nrpm http://a bookworm main\ndeb http://a\n")];
        assert_eq!(of(&files(&others), "bookworm", None), "");
        assert_eq!(of(&[], "bookworm", None), "");
    }

    #[test]
    fn an_archive_of_another_release_is_no_source_of_this_one() {
        let list = [(
            "x.list",
            "deb http://a trixie main\ndeb http://b stable main\ndeb http://c bookworm contrib\n",
        )];
        let entries = of(&files(&list), "bookworm", None);
        assert!(
            entries.contains("http://b") && !entries.contains("http://a") && !entries.contains("http://c")
        );
    }
}
