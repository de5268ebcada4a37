//! Which configuration directives a binary knows, read from the binary itself.

use std::{fs, io, path::Path};

/// The text in a server binary.
#[derive(Debug)]
pub struct Names(Vec<u8>);

impl Names {
    pub fn of(binary: &Path) -> io::Result<Self> {
        Ok(Self(fs::read(binary)?))
    }

    /// Whether the directive's name stands in the binary as a C string. The linker keeps a string that ends another
    /// (`port`, `tls-port`) only once, so that a hyphen may stand before the name as well as the other string's end.
    pub fn knows(&self, directive: &str) -> bool {
        let name = directive.to_ascii_lowercase().into_bytes();
        let Some(first) = name.first() else { return false };
        self.0.windows(name.len() + 2).any(|window| {
            window[1] == *first
                && window[name.len() + 1] == 0
                && matches!(window[0], 0 | b'-')
                && window[1..].starts_with(&name)
        })
    }
}

/// Whether a server binary knows a directive; a binary that cannot be read knows none.
pub fn known_directive(binary: &Path, name: &str) -> bool {
    Names::of(binary).is_ok_and(|names| names.knows(name))
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_whole_words() {
        let names = Names(b"\0maxmemory\0tls-port\0appendonly yes\0".to_vec());
        assert!(names.knows("maxmemory") && names.knows("MaxMemory") && names.knows("port"));
        assert!(
            !names.knows("maxmem")
                && !names.knows("axmemory")
                && !names.knows("appendonly")
                && !names.knows("")
        );
    }
}
