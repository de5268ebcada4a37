//! Whether a binary that was linked against one C library runs with another.

/// True where both are of one kind and the host's is at least as new as the one of the build.
pub(super) fn fits(host: &str, built: &str) -> bool {
    kind(host) == kind(built) && version(host) >= version(built)
}

/// `glibc` or `musl`, the first word of what a host says.
pub(super) fn kind(libc: &str) -> String {
    libc.split_whitespace().next().unwrap_or_default().to_lowercase()
}

/// The numbers of `glibc 2.36` and `musl libc (x86_64) Version 1.2.3`.
pub(super) fn version(libc: &str) -> Vec<u32> {
    let version = libc
        .split_whitespace()
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn newer_hosts_carry_older_builds_and_never_the_other_way() {
        assert!(fits("glibc 2.36", "glibc 2.36"));
        assert!(fits("glibc 2.36", "glibc 2.9"));
        assert!(!fits("glibc 2.17", "glibc 2.34"));
        assert!(!fits("musl libc (x86_64) Version 1.2.3", "glibc 2.17"));
        assert!(fits("musl libc (x86_64) Version 1.2.4", "musl libc (x86_64) Version 1.2.3"));
    }
}
