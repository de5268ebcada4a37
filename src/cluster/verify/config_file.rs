//! The lines of a rendered configuration: which directive has which arguments.

/// Directives whose arguments are secret. The host does not send them; should a file spell them in a way it
/// does not see, they end here.
const SECRET: [&str; 6] =
    ["requirepass", "masterauth", "primaryauth", "user", "tls-key-file-pass", "tls-client-key-file-pass"];

/// A line of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The directive, in lower case.
    pub(super) name: String,
    /// Its arguments as written.
    pub(super) arguments: String,
}

/// The lines that set something, in their order, without those that are secret.
pub(super) fn parse(text: &str) -> Vec<Line> {
    text.lines().filter_map(line).filter(|line| !SECRET.contains(&line.name.as_str())).collect()
}

fn line(text: &str) -> Option<Line> {
    let text = text.trim();
    let (name, arguments) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain);
    is_name.then(|| Line { name: name.to_lowercase(), arguments: arguments.trim().to_owned() })
}

/// A directive's name in the words of newer engines, under which both of its names are one.
pub(super) fn canonical(name: &str) -> String {
    name.replace("slave", "replica")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_arguments_are_told_apart() {
        let text = "# a comment\n\nbind 10.0.0.1 -::1\n  Save \"\"\nlogfile\t\"/a b\"\nrepl-diskless-sync\n\"odd\" x\n";
        let line = |name: &str, arguments: &str| Line { name: name.into(), arguments: arguments.into() };
        let expected = [
            line("bind", "10.0.0.1 -::1"),
            line("save", "\"\""),
            line("logfile", "\"/a b\""),
            line("repl-diskless-sync", ""),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn a_secret_is_not_read() {
        assert_eq!(parse("RequirePass x\nmasterauth\ty\nuser default on >z\n"), []);
    }

    #[test]
    fn both_names_of_a_directive_are_one() {
        assert_eq!(canonical("slave-read-only"), canonical("replica-read-only"));
        assert_eq!(canonical("min-slaves-to-write"), "min-replicas-to-write");
    }

    proptest! {
        #[test]
        fn what_a_host_sends_never_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
