//! Which configuration directives a binary knows, read from the binary itself.

use std::{collections::HashSet, fs, io, path::Path};

/// What ends a C string of a server binary.
///
/// A directive's name is a string constant of its own, but the linker keeps a string that ends another
/// (`port` and `tls-port`, `save` and `bgsave`) only once: so whatever a string ends with counts as well.
/// What passes for a directive and is none, the trial of the configuration finds.
#[derive(Debug)]
pub struct DirectiveNames(HashSet<Vec<u8>>);

/// No directive is longer.
const LONGEST: usize = 64;

impl DirectiveNames {
    /// Of a server binary, which is read whole.
    pub fn of(binary: &Path) -> io::Result<Self> {
        Ok(Self::in_text(&fs::read(binary)?))
    }

    fn in_text(bytes: &[u8]) -> Self {
        let mut names = HashSet::new();
        for text in bytes.split(|byte| *byte == 0) {
            let word = trailing_word(text);
            // Names are looked up in small letters; most other strings have a capital one.
            let small = word.iter().rev().take_while(|byte| !byte.is_ascii_uppercase()).count();
            names.extend((word.len() - small..word.len()).map(|start| word[start..].to_vec()));
        }
        Self(names)
    }

    /// Whether the binary knows a directive, in whatever letters it is written.
    pub fn knows(&self, directive: &str) -> bool {
        !directive.is_empty() && self.0.contains(directive.to_ascii_lowercase().as_bytes())
    }
}

fn trailing_word(text: &[u8]) -> &[u8] {
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let length = text.iter().rev().take(LONGEST + 1).take_while(is_word).count();
    if length > LONGEST { &[] } else { &text[text.len() - length..] }
}

#[cfg(test)]
mod tests {
    use super::DirectiveNames;

    #[test]
    fn names_are_at_the_end_of_a_string() {
        let names = DirectiveNames::in_text(b"\0maxmemory\0tls-port\0bgsave\0appendonly yes\0");
        assert!(
            names.knows("maxmemory")
                && names.knows("MaxMemory")
                && names.knows("port")
                && names.knows("save")
        );
        assert!(
            !names.knows("maxmem")
                && !names.knows("maxmemmory")
                && !names.knows("appendonly")
                && !names.knows("")
        );
    }

    #[test]
    fn a_string_that_is_longer_than_any_directive_is_none() {
        let (longest, too_long) = ("a".repeat(super::LONGEST), "b".repeat(super::LONGEST + 1));
        let names = DirectiveNames::in_text(format!("{longest}\0{too_long}").as_bytes());
        assert!(names.knows(&longest) && !names.knows(&too_long));
    }
}
