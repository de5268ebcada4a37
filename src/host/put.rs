//! The remote atomic put, the same for every way to a host.

/// Reads the content from standard input. Arguments: the path, the mode, the SHA-256, how many bytes come, and
/// `gzip` where they are gzipped. They are counted because a terminal, which sudo may insist on, has no end of file. The
/// temporary name is fixed by the path, so that an interrupted put leaves at most one file, which the next one replaces; one
/// that has been overtaken keeps its hands off that.
/// One line without single quotes: it travels through login shells of any kind.
pub(super) const SCRIPT: &str = "set -eu; umask 077; new=$1.provision-new; rm -f -- \"$new\"; exec 3>\"$new\"; \
    ours() { [ /proc/self/fd/3 -ef \"$new\" ]; }; trap \"! ours || rm -f -- \\\"\\$new\\\"\" EXIT; \
    if [ \"${5-}\" = gzip ]; then head -c \"$4\" | gzip -dc >&3; else head -c \"$4\" >&3; fi; sum=$(sha256sum </proc/self/fd/3); \
    if [ \"${sum%% *}\" != \"$3\" ]; then echo \"what arrived has another SHA-256 than what was sent\" >&2; exit 1; fi; \
    if ! ours; then echo \"another run has begun to write the same file\" >&2; exit 1; fi; \
    chmod \"$2\" \"$new\"; mv -f -- \"$new\" \"$1\"; \
    if command -v restorecon >/dev/null 2>&1; then restorecon \"$1\" || :; fi";
