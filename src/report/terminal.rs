//! What may reach a terminal. A host is not trusted: its control characters could move the cursor, hide a
//! line of a plan or write to the clipboard. All that is printed goes through [`safe`].

use std::{fmt::Write, os::fd::AsFd};

/// Text for a terminal: line ends, tabs and the colours we use ourselves stay, and every other control
/// character becomes a space. So do characters that turn the direction of writing, which can make a line look
/// like another one.
pub(super) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            out.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        out.push(if matches!(c, '\n' | '\t') { c } else { visible(c) });
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Breaks lines that are wider than a terminal between words; what comes below is indented, so that lines can
/// be told apart.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    text.split('\n').map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let indent = line.len() - line.trim_start().len() + 4;
    // A terminal that is too narrow for words wraps by itself.
    if columns(line) <= width || width < indent + 20 {
        return line.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        if used + columns(word.trim_end()) > width && used > indent {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        }
        out.push_str(word);
        used += columns(word);
    }
    out
}

/// The columns a text takes, without its colours.
fn columns(text: &str) -> usize {
    let (mut columns, mut rest) = (0, text);
    while let Some(c) = rest.chars().next() {
        let length = colour(rest).map_or_else(|| c.len_utf8(), str::len);
        columns += usize::from(colour(rest).is_none());
        rest = &rest[length..];
    }
    columns
}

/// The width of the terminal a stream is, where it is one.
pub(super) fn width(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// One line of text without colours: what a host prints may not leave its colour behind.
pub(super) fn harmless(line: &str) -> String {
    line.chars().map(visible).collect()
}

/// JSON for a terminal: serde leaves the control characters above ASCII as they are.
pub(super) fn safe_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() && c != '\n' {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn visible(c: char) -> char {
    if c.is_control() || is_direction(c) { ' ' } else { c }
}

/// See Unicode Technical Report 36 and CVE-2021-42574.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The escape sequence for a colour or weight that a text begins with. Those that hide text are none: black,
/// reversed, concealed, backgrounds.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find('m')?;
    let known = |word: &str| {
        matches!(word, "0" | "1" | "2" | "3" | "4" | "22" | "23" | "24" | "39")
            || word.parse::<u8>().is_ok_and(|code| (31..=37).contains(&code) || (91..=97).contains(&code))
    };
    parameters[..end].split(';').all(known).then(|| &text[..end + 3])
}

#[cfg(test)]
mod tests {
    use owo_colors::OwoColorize;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_colours_pass() {
        let text = format!("{} {} {}\n\tx", "a".green().bold(), "b".dimmed(), "c".red());
        assert_eq!(safe(&text), text);
    }

    #[test]
    fn sequences_of_a_hostile_host_do_nothing() {
        for hostile in [
            "\u{1b}[2J",
            "\u{1b}[1A\u{1b}[2K",
            "\u{1b}]52;c;aGFja2Vk\u{7}",
            "\u{1b}]0;title\u{7}",
            "\u{1b}[8m",
            "\u{1b}[30;40m",
            "\u{1b}[7m",
            "\u{9b}2J",
            "\r\u{8}",
            "\u{202e}",
            "\u{1b}[",
            "\u{1b}c",
        ] {
            let text = safe(hostile);
            assert!(!text.chars().any(|c| c.is_control() || is_direction(c)), "{hostile:?} → {text:?}");
        }
    }

    #[test]
    fn long_lines_break_between_words() {
        let text =
            "  + laptop: 6 files /etc/provision/demo/7001…7006/redis.conf (each: it does not exist)\nshort";
        let expected = "  + laptop: 6 files /etc/provision/demo/7001…7006/redis.conf (each: it does not\n      exist)\nshort";
        assert_eq!(wrapped(text, 80), expected);
        assert_eq!(wrapped(text, 200), text);
        assert_eq!(wrapped(text, 10), text, "too narrow for words");
    }

    #[test]
    fn colours_take_no_room() {
        let text = format!("{} {}", "a".repeat(40).green(), "b".repeat(39).dimmed());
        assert_eq!(wrapped(&text, 80), text);
        assert_eq!(columns(&text), 80);
    }

    #[test]
    fn lines_of_hosts_have_no_colour_at_all() {
        assert_eq!(harmless("\u{1b}[31mred\u{1b}[0m\ttab"), " [31mred [0m tab");
    }

    #[test]
    fn json_says_the_same_and_has_no_control_characters() {
        let text = serde_json::to_string("a\u{9b}2J\u{1b}[2J\u{7f}").unwrap();
        let safe = safe_json(&text);
        assert!(!safe.chars().any(char::is_control), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), "a\u{9b}2J\u{1b}[2J\u{7f}");
    }

    proptest! {
        #[test]
        fn wrapping_changes_nothing_but_the_space_between_words(
            text in "( {0,4}([a-z…]{1,30} ){0,12}\n){0,3}", width in 0..100usize
        ) {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&wrapped(&text, width)), words(&text));
            let broken = wrapped(&text, width);
            prop_assert!(width < 40 || broken.lines().all(|line| columns(line.trim_end()) <= width));
        }

        #[test]
        fn whatever_a_host_says_only_colours_are_left(text in "(\\PC|\u{1b}|\\[|[0-9;]|m|\u{9b}|\r|\n){0,40}") {
            let safe = safe(&text);
            let mut rest = safe.as_str();
            while let Some(at) = rest.find('\u{1b}') {
                prop_assert!(colour(&rest[at..]).is_some(), "{:?}", safe);
                rest = &rest[at + 1..];
            }
            let stays = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\u{1b}');
            prop_assert!(safe.chars().all(stays));
            prop_assert_eq!(safe.chars().count(), text.chars().count());
        }
    }
}
