//! The table of known causes of a failed build.

use std::borrow::Cow;

use crate::distro::{self, Tool};

/// A cause that is known.
pub(super) struct Known {
    /// All of these are in the line, in small letters.
    pub(super) signs: &'static [&'static str],
    pub(super) cause: &'static str,
    pub(super) fix: Fix,
}

/// What to do about it.
#[derive(Clone, Copy)]
pub(super) enum Fix {
    Text(&'static str),
    /// Install what provides these tools; the word stands for it where families name it differently.
    Install(&'static str, &'static [Tool]),
    NewerCompiler,
}

impl Fix {
    pub(super) fn text(self) -> Cow<'static, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Install("", tools) => {
                format!("install {}, then run the same command again", distro::package_hint(tools)).into()
            }
            Self::Install(it, tools) => {
                let packages = distro::package_hint(tools);
                format!("install {it} ({packages}), then run the same command again").into()
            }
            Self::NewerCompiler => format!(
                "install a newer gcc ({}), or choose a version that builds with this one: 5.0, 6.2, 7.0, 7.2",
                distro::NEWER_COMPILER
            )
            .into(),
        }
    }
}

/// The first entry whose signs are all in a line of small letters.
pub(super) fn find(line: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.signs.iter().all(|sign| line.contains(sign)))
}

pub(super) const KNOWN: &[Known] = &[
    Known {
        signs: &["no space left on device"],
        cause: "the disk is full; a build takes about 200 MB below the cache folder, and some in /tmp",
        fix: Fix::Text("free some space, or set XDG_CACHE_HOME to another disk"),
    },
    Known {
        signs: &["disk quota exceeded"],
        cause: "the user's disk quota is used up; a build takes about 200 MB below the cache folder",
        fix: Fix::Text("free some space, or set XDG_CACHE_HOME to another disk"),
    },
    Known {
        signs: &["killed", "cc1"],
        cause: "the kernel killed the compiler: the memory is used up",
        fix: Fix::Text("give the host more memory or swap, then run the same command again"),
    },
    Known {
        signs: &["out of memory"],
        cause: "the memory is used up",
        fix: Fix::Text("give the host more memory or swap, then run the same command again"),
    },
    Known {
        signs: &["cannot allocate memory"],
        cause: "the memory is used up",
        fix: Fix::Text("give the host more memory or swap, then run the same command again"),
    },
    Known {
        signs: &["modification time", "in the future"],
        cause: "the host's clock is behind, so that make takes every file for out of date",
        fix: Fix::Text("set the host's clock (timedatectl set-ntp true), then run the same command again"),
    },
    Known {
        signs: &["clock skew detected"],
        cause: "the host's clock is behind, so that make takes every file for out of date",
        fix: Fix::Text("set the host's clock (timedatectl set-ntp true), then run the same command again"),
    },
    Known {
        signs: &["_atomic"],
        cause: "the compiler is older than C11 atomics: Redis 6.0 and Valkey 8 or newer need gcc 4.9",
        fix: Fix::NewerCompiler,
    },
    Known {
        signs: &["struct redisserver", "has no member"],
        cause: "the compiler is older than C11 atomics, and the declaration of the server failed before this line",
        fix: Fix::NewerCompiler,
    },
    Known {
        signs: &["stdatomic.h", "no such file"],
        cause: "the compiler is older than C11 atomics: Redis 6.0 and Valkey 8 or newer need gcc 4.9",
        fix: Fix::NewerCompiler,
    },
    Known {
        signs: &["jemalloc/jemalloc.h", "no such file"],
        cause: "the bundled jemalloc did not compile, and make went on without it",
        fix: Fix::Text("look for the first message about jemalloc in the log"),
    },
    Known {
        signs: &["g++", "not found"],
        cause: "there is no C++ compiler, which Redis 8.0 to 8.6 needs",
        fix: Fix::Install("it", &[Tool::CxxCompiler]),
    },
    Known {
        signs: &["g++", "no such file"],
        cause: "there is no C++ compiler, which Redis 8.0 to 8.6 needs",
        fix: Fix::Install("it", &[Tool::CxxCompiler]),
    },
    Known {
        signs: &["cc1plus", "no such file"],
        cause: "there is no C++ compiler, which Redis 8.0 to 8.6 needs",
        fix: Fix::Install("it", &[Tool::CxxCompiler]),
    },
    Known {
        signs: &["cc: not found"],
        cause: "there is no C compiler",
        fix: Fix::Install("", &[Tool::Compiler]),
    },
    Known {
        signs: &["cc: no such file"],
        cause: "there is no C compiler",
        fix: Fix::Install("", &[Tool::Compiler]),
    },
    Known {
        signs: &["cc: command not found"],
        cause: "there is no C compiler",
        fix: Fix::Install("", &[Tool::Compiler]),
    },
    Known {
        signs: &["c compiler cannot create executables"],
        cause: "the compiler is there but cannot link: the C library's headers or the linker are missing",
        fix: Fix::Install("them", &[Tool::Libc, Tool::Linker]),
    },
    Known {
        signs: &["cannot find -l"],
        cause: "a library the linker needs is missing",
        fix: Fix::Text("install its development package, then run the same command again"),
    },
    Known {
        signs: &["cannot find crt1.o"],
        cause: "the C library's development files are missing",
        fix: Fix::Install("them", &[Tool::Libc]),
    },
    Known {
        signs: &["multiple definition of"],
        cause: "the source is older than gcc 10, which no longer merges a variable that several files define",
        fix: Fix::Text("choose the last release of this line, or a newer one"),
    },
    Known {
        signs: &["permission denied"],
        cause: "a file of the work folder cannot be written or run; perhaps it is mounted noexec",
        fix: Fix::Text("set XDG_CACHE_HOME to a folder that allows it"),
    },
    Known {
        signs: &["internal compiler error"],
        cause: "the compiler crashed; most often the memory is used up or faulty",
        fix: Fix::Text("run the same command again; if it stops elsewhere then, test the memory"),
    },
];

/// Headers of the C library: which of them is missed first depends on the version.
pub(super) const LIBC_HEADERS: &[&str] = &[
    "stdio.h",
    "stdlib.h",
    "stddef.h",
    "string.h",
    "unistd.h",
    "limits.h",
    "errno.h",
    "features.h",
    "stdint.h",
    "sys/types.h",
    "fcntl.h",
    "ctype.h",
    "assert.h",
    "math.h",
    "time.h",
    "signal.h",
];

pub(super) const NO_LIBC: Known = Known {
    signs: &[],
    cause: "the C library's headers are missing",
    fix: Fix::Install("them", &[Tool::Libc]),
};

/// What makes a line a diagnostic, in small letters. Only `error:` with its colon: file names contain the word too.
pub(super) const SIGNS: &[&str] = &[
    " error: ",
    " fatal error: ",
    ": undefined reference to ",
    ": multiple definition of ",
    "no space left on device",
    "disk quota exceeded",
    "cannot allocate memory",
    "out of memory",
    "fatal error: killed",
    "modification time",
    "clock skew detected",
    ": not found",
    ": command not found",
    "cc: no such file",
    "++: no such file",
    ": cannot find -l",
    ": cannot find crt1.o",
    ": permission denied",
    "internal compiler error",
    "*** no rule to make target",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_in_small_letters_as_the_line_they_are_looked_for_in() {
        for known in KNOWN {
            assert!(!known.signs.is_empty(), "{}", known.cause);
            for sign in known.signs {
                assert_eq!(*sign, sign.to_lowercase());
            }
        }
        for sign in SIGNS.iter().chain(LIBC_HEADERS) {
            assert_eq!(*sign, sign.to_lowercase());
        }
    }

    #[test]
    fn no_entry_is_hidden_by_an_earlier_one() {
        for (index, known) in KNOWN.iter().enumerate() {
            let line = known.signs.join(" ");
            let found = KNOWN.iter().position(|other| other.signs.iter().all(|sign| line.contains(sign)));
            assert_eq!(found, Some(index), "{:?}", known.signs);
        }
    }

    #[test]
    fn fixes_name_packages_as_each_family_does() {
        assert_eq!(
            Fix::Install("it", &[Tool::CxxCompiler]).text(),
            "install it (Debian: g++, EL: gcc-c++), then run the same command again"
        );
        assert_eq!(
            Fix::Install("", &[Tool::Compiler]).text(),
            "install gcc, then run the same command again"
        );
        assert!(Fix::NewerCompiler.text().contains("(on EL7: devtoolset)"));
    }
}
