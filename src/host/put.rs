//! The remote atomic put, the same for every way to a host.

use super::shell::one_line;

/// Writes standard input to a file, atomically. Its arguments: the path, the mode, the SHA-256, how many
/// bytes come, and `gzip` where they are gzipped.
pub(super) fn script() -> String {
    one_line(include_str!("put.sh"))
}
