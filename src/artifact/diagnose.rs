//! What a failed build's log means. A table: the first line of a log that is a diagnostic, its known cause, the fix.

use std::borrow::Cow;

/// What a failed build's log means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The first diagnostic. Later ones follow from it: the makefiles ignore errors in the bundled libraries.
    pub line: String,
    /// Why it happens, where that is known.
    pub cause: Option<&'static str>,
    pub fix: Cow<'static, str>,
}

struct Known {
    /// All of these stand in the line, in small letters.
    signs: &'static [&'static str],
    cause: &'static str,
    fix: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        signs: &["no space left on device"],
        cause: "the disk is full; a build takes about 200 MB below the cache folder, and some in /tmp",
        fix: "free some space, or set XDG_CACHE_HOME to another disk",
    },
    Known {
        signs: &["disk quota exceeded"],
        cause: "the user's disk quota is used up; a build takes about 200 MB below the cache folder",
        fix: "free some space, or set XDG_CACHE_HOME to another disk",
    },
    Known {
        signs: &["killed", "cc1"],
        cause: "the kernel killed the compiler: the memory is used up",
        fix: "give the host more memory or swap, then run the same command again",
    },
    Known {
        signs: &["out of memory"],
        cause: "the memory is used up",
        fix: "give the host more memory or swap, then run the same command again",
    },
    Known {
        signs: &["cannot allocate memory"],
        cause: "the memory is used up",
        fix: "give the host more memory or swap, then run the same command again",
    },
    Known {
        signs: &["modification time", "in the future"],
        cause: "the host's clock is behind: make takes everything for out of date",
        fix: "set the host's clock (timedatectl set-ntp true), then run the same command again",
    },
    Known {
        signs: &["clock skew detected"],
        cause: "the host's clock is behind: make takes everything for out of date",
        fix: "set the host's clock (timedatectl set-ntp true), then run the same command again",
    },
    Known {
        signs: &["_atomic"],
        cause: "the compiler is older than C11 atomics: Redis 6.0 and Valkey 8 or newer need gcc 4.9",
        fix: "install a newer gcc (on EL7: devtoolset), or choose a version that builds with this one: 5.0, 6.2, 7.0, 7.2",
    },
    Known {
        signs: &["struct redisserver", "has no member"],
        cause: "the compiler is older than C11 atomics, and the declaration of the server failed before this line",
        fix: "install a newer gcc (on EL7: devtoolset), or choose a version that builds with this one: 5.0, 6.2, 7.0, 7.2",
    },
    Known {
        signs: &["stdatomic.h", "no such file"],
        cause: "the compiler is older than C11 atomics: Redis 6.0 and Valkey 8 or newer need gcc 4.9",
        fix: "install a newer gcc (on EL7: devtoolset), or choose a version that builds with this one: 5.0, 6.2, 7.0, 7.2",
    },
    Known {
        signs: &["jemalloc/jemalloc.h", "no such file"],
        cause: "the bundled jemalloc did not compile, and make went on without it",
        fix: "look for the first message about jemalloc in the log",
    },
    Known {
        signs: &["g++", "not found"],
        cause: "there is no C++ compiler, which Redis 8.0 to 8.6 needs",
        fix: "install it (Debian: g++, EL: gcc-c++), then run the same command again",
    },
    Known {
        signs: &["g++", "no such file"],
        cause: "there is no C++ compiler, which Redis 8.0 to 8.6 needs",
        fix: "install it (Debian: g++, EL: gcc-c++), then run the same command again",
    },
    Known {
        signs: &["cc1plus", "no such file"],
        cause: "there is no C++ compiler, which Redis 8.0 to 8.6 needs",
        fix: "install it (Debian: g++, EL: gcc-c++), then run the same command again",
    },
    Known {
        signs: &["cc: not found"],
        cause: "there is no C compiler",
        fix: "install gcc, then run the same command again",
    },
    Known {
        signs: &["cc: no such file"],
        cause: "there is no C compiler",
        fix: "install gcc, then run the same command again",
    },
    Known {
        signs: &["cc: command not found"],
        cause: "there is no C compiler",
        fix: "install gcc, then run the same command again",
    },
    Known {
        signs: &["c compiler cannot create executables"],
        cause: "the compiler is there but cannot link: the C library's headers or the linker are missing",
        fix: "install them (Debian: libc6-dev binutils, EL: glibc-devel binutils), then run the same command again",
    },
    Known {
        signs: &["cannot find -l"],
        cause: "a library the linker needs is missing",
        fix: "install its development package, then run the same command again",
    },
    Known {
        signs: &["cannot find crt1.o"],
        cause: "the C library's development files are missing",
        fix: "install them (Debian: libc6-dev, EL: glibc-devel), then run the same command again",
    },
    Known {
        signs: &["multiple definition of"],
        cause: "the source is older than gcc 10, which no longer merges a variable that several files define",
        fix: "choose the last release of this line, or a newer one",
    },
    Known {
        signs: &["permission denied"],
        cause: "a file of the work folder cannot be written or run; perhaps it is mounted noexec",
        fix: "set XDG_CACHE_HOME to a folder that allows it",
    },
    Known {
        signs: &["internal compiler error"],
        cause: "the compiler crashed; most often the memory is used up or faulty",
        fix: "run the same command again; if it stops elsewhere then, test the memory",
    },
];

/// Headers of the C library: which of them is missed first depends on the version.
const LIBC_HEADERS: &[&str] = &[
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

const NO_LIBC: Known = Known {
    signs: &[],
    cause: "the C library's headers are missing",
    fix: "install them (Debian: libc6-dev, EL: glibc-devel), then run the same command again",
};

/// What makes a line a diagnostic, in small letters. Only `error:` with its colon: file names contain the word too.
const SIGNS: &[&str] = &[
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

/// Finds the first diagnostic of a build's log and what it means.
pub fn diagnose<S: AsRef<str>>(log: &[S]) -> Diagnosis {
    let lines = || log.iter().map(|line| line.as_ref().trim());
    let Some(line) = lines().find(|line| is_diagnostic(line)) else {
        let last = lines().rfind(|line| !line.is_empty()).unwrap_or("it printed nothing").to_owned();
        return Diagnosis { line: last, cause: None, fix: "read the log for what went wrong first".into() };
    };
    let small = line.to_lowercase();
    let known = if is_libc_header(&small) {
        Some(&NO_LIBC)
    } else {
        KNOWN.iter().find(|known| known.signs.iter().all(|sign| small.contains(sign)))
    };
    match known {
        Some(known) => Diagnosis { line: line.to_owned(), cause: Some(known.cause), fix: known.fix.into() },
        None => Diagnosis {
            line: line.to_owned(),
            cause: None,
            fix: "this is the first message of the compiler; the lines around it are in the log".into(),
        },
    }
}

fn is_diagnostic(line: &str) -> bool {
    let small = line.to_lowercase();
    // Configure scripts ask many things whose answer is no, and say so on a line that begins like this.
    !small.starts_with("checking ") && SIGNS.iter().any(|sign| small.contains(sign))
}

fn is_libc_header(small: &str) -> bool {
    small.contains("no such file")
        && LIBC_HEADERS.iter().any(|header| small.contains(&format!(" {header}: no such file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(log: &str) -> (String, &'static str) {
        let lines: Vec<&str> = log.lines().collect();
        let diagnosis = diagnose(&lines);
        (diagnosis.line, diagnosis.cause.unwrap_or(""))
    }

    #[test]
    fn gcc_4_8_on_redis_6_0() {
        let log = "\
cd hiredis && make static
In file included from server.c:30:0:
server.h:1051:5: error: expected specifier-qualifier-list before '_Atomic'
     _Atomic unsigned int lruclock; /* Clock for LRU eviction */
server.c: In function 'serverLogRaw':
server.c:1032:31: error: 'struct redisServer' has no member named 'logfile'
make[1]: *** [server.o] Error 1";
        let (line, cause) = cause(log);
        assert!(line.starts_with("server.h:1051:5: error:"), "{line}");
        assert!(cause.contains("C11 atomics"), "{cause}");
    }

    #[test]
    fn a_later_message_never_hides_the_first() {
        let log = "\
checking for gcc... gcc
checking whether the C compiler works... no
configure: error: in `/b/tree/redis-7.0.15/deps/jemalloc':
configure: error: C compiler cannot create executables
make[1]: *** [Makefile:109: jemalloc] Error 77
make: [Makefile:355: persist-settings] Error 2 (ignored)
    CC adlist.o
zmalloc.h:50:10: fatal error: jemalloc/jemalloc.h: No such file or directory
compilation terminated.";
        assert!(cause(log).0.starts_with("configure: error: in"));
    }

    #[test]
    fn a_missing_jemalloc_a_missing_compiler_and_missing_headers() {
        let header = "In file included from adlist.c:34:\nzmalloc.h:50:31: fatal error: jemalloc/jemalloc.h: No such file or directory";
        assert!(cause(header).1.contains("bundled jemalloc"));
        assert_eq!(
            cause("make[1]: Entering directory\n/bin/sh: 1: cc: not found").1,
            "there is no C compiler"
        );
        assert_eq!(
            cause("make: cc: No such file or directory\nmake: *** [x] Error 127").1,
            "there is no C compiler"
        );
        let cxx = "make[1]: g++: No such file or directory\nmake[1]: *** [Makefile:15: fast_float_strtod.o] Error 127";
        assert!(cause(cxx).1.contains("C++"));
        let libc =
            "adlist.c:32:10: fatal error: stdlib.h: No such file or directory\n   32 | #include <stdlib.h>";
        assert_eq!(cause(libc).1, "the C library's headers are missing");
    }

    #[test]
    fn a_full_disk_an_oom_kill_and_a_slow_clock() {
        assert!(
            cause("server.c:6999:1: fatal error: error writing to /tmp/ccX.s: No space left on device")
                .1
                .contains("full")
        );
        assert!(
            cause("gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.")
                .1
                .contains("memory")
        );
        let clock = "make: Warning: File 'Makefile' has modification time 5000 s in the future\nmake: warning:  Clock skew detected.  Your build may be incomplete.";
        assert!(cause(clock).1.contains("clock"));
    }

    #[test]
    fn a_link_that_fails_and_a_log_without_any_message() {
        let link = "    LINK redis-server\n/usr/bin/ld: release.o: in function `redisBuildId':\nrelease.c:39: undefined reference to `crc64'";
        assert_eq!(cause(link), ("release.c:39: undefined reference to `crc64'".to_owned(), ""));
        let gcc_10 = "/usr/bin/ld: ae.o:/b/src/sds.h:37: multiple definition of `SDS_NOINIT'; adlist.o:/b/src/sds.h:37: first defined here\ncollect2: error: ld returned 1 exit status";
        assert!(cause(gcc_10).1.contains("gcc 10"));
        assert_eq!(cause("something\n\nlast words\n\n").0, "last words");
        assert_eq!(cause("").0, "it printed nothing");
    }

    #[test]
    fn names_with_error_in_them_are_no_diagnostics() {
        let log =
            "cc -std=c99 -Werror -c error_reply.c -o error.o\nsome/x.c:1:2: error: unknown type name 'foo'";
        assert!(cause(log).0.starts_with("some/x.c"));
    }
}
