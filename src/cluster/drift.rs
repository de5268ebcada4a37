//! Whether a running node's directives have the values of the inventory, in whatever notation each is
//! written.

use crate::inventory::{Directives, Fleet, Node};

/// Directives that cannot be compared: secrets, and what the engine does not return or renames at start.
const NOT_COMPARED: [&str; 8] = [
    "requirepass",
    "masterauth",
    "user",
    "include",
    "loadmodule",
    "rename-command",
    "daemonize",
    "supervised",
];

/// Files that the engine keeps for itself (`CONFIG_MIN_RESERVED_FDS` in server.h, in all releases we have the
/// sources of).
pub(super) const RESERVED_FILES: u64 = 32;

/// The directives the inventory sets for a node.
pub(super) fn managed(fleet: &Fleet, node: &Node) -> Directives {
    let mut all = fleet.config.clone();
    all.extend(node.config.clone());
    all.retain(|name, _| is_compared(name));
    all
}

/// Whether the running value of a directive can be compared with its line.
pub(super) fn is_compared(name: &str) -> bool {
    !NOT_COMPARED.contains(&name)
}

/// Whether the lines of the file and the value of `CONFIG GET` mean the same.
pub(super) fn same(name: &str, lines: &[String], value: &str) -> bool {
    let raw = value;
    let value = normal(raw);
    match name {
        // Each line sets one class; the value has them all.
        "client-output-buffer-limit" => lines.iter().all(|line| {
            let line = normal(line);
            value.windows(line.len()).any(|part| part == line.as_slice())
        }),
        // Letters in any order; their case has a meaning.
        "notify-keyspace-events" => {
            let flags = |text: &str| {
                // `A` stands for all of these.
                let text = text.replace('A', "g$lshzxetd");
                let mut flags: Vec<char> = text.chars().filter(|c| *c != '"').collect();
                flags.sort_unstable();
                flags
            };
            lines.last().is_some_and(|line| flags(line) == flags(raw))
        }
        "save" => lines.iter().flat_map(|line| normal(line)).collect::<Vec<_>>() == value,
        // Two names of one setting; the engine returns the first.
        "oom-score-adj" => lines.last().is_some_and(|line| {
            let one = |words: Vec<String>| {
                words.into_iter().map(|word| if word == "relative" { "yes".into() } else { word })
            };
            one(normal(line)).eq(one(value))
        }),
        _ => lines.last().is_some_and(|line| normal(line) == value),
    }
}

/// Whether the engine itself lowered a value when it started, for want of open files. `CONFIG
/// SET` would be refused.
pub(super) fn is_lowered(name: &str, lines: &[String], value: &str, open_files: Option<u64>) -> bool {
    let number = |text: &str| text.trim_matches('"').parse::<u64>().ok();
    let (Some(has), Some(wants)) = (number(value), lines.last().and_then(|line| number(line))) else {
        return false;
    };
    name == "maxclients" && wants > has && open_files == Some(has + RESERVED_FILES)
}

/// Words in lower case, without quotes, amounts of memory in bytes.
fn normal(text: &str) -> Vec<String> {
    let words = text.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_lowercase());
    words
        .filter(|word| !word.is_empty())
        .map(|word| if word == "replica" { "slave".to_owned() } else { bytes(word) })
        .collect()
}

/// `1gb` is 2^30 bytes and `1g` is 10^9, as redis.conf explains.
fn bytes(word: String) -> String {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let factor: u64 = match &word[digits..] {
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        "b" | "" => 1,
        _ => return word,
    };
    word[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).map_or(word, |n| n.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn ways_of_writing_are_no_drift() {
        for (name, file, value) in [
            ("maxmemory", &["1gb"][..], "1073741824"),
            ("maxmemory", &["1g"], "1000000000"),
            ("save", &["3600 1", "300 100"], "3600 1 300 100"),
            ("save", &["\"\""], ""),
            ("appendonly", &["YES"], "yes"),
            ("notify-keyspace-events", &["Ex"], "xE"),
            ("notify-keyspace-events", &["\"Eg$lshzxetd\""], "AE"),
            ("oom-score-adj", &["relative"], "yes"),
            ("maxmemory-clients", &["5%"], "5%"),
            (
                "client-output-buffer-limit",
                &["replica 256mb 64mb 60"],
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            ),
        ] {
            assert!(same(name, &lines(file), value), "{name} {file:?} {value}");
        }
    }

    #[test]
    fn another_value_is_drift() {
        assert!(!same("maxmemory", &lines(&["1gb"]), "0"));
        assert!(!same("save", &lines(&["3600 1"]), ""));
        assert!(!same("appendonly", &lines(&["yes"]), "no"));
    }
}
