//! The script that takes the lock of a cluster.

use super::script::{minify, with_parameters};

/// Whether this run held the lock before, in a shell that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Retake {
    No,
    Yes,
}

/// The script; the comments of `lock.sh` say how.
pub(super) fn lock_script(cluster: &str, holder: &str, retake: Retake) -> String {
    let retake = match retake {
        Retake::No => "",
        Retake::Yes => "yes",
    };
    let parameters = [("cluster", cluster), ("holder", holder), ("retake", retake)];
    with_parameters(&parameters, &minify(include_str!("lock.sh")))
}

/// The holder that a line of the lock script names; control characters are removed, since the user sees it.
pub(super) fn holder_of(line: &str) -> Option<String> {
    let holder = line.strip_prefix("locked by ")?;
    Some(holder.chars().filter(|c| !c.is_control()).collect())
}
