//! What a failed build's log means: its first diagnostic, the known cause, and the fix. The causes are a table in
//! `diagnose/known.rs`.

mod known;

use std::borrow::Cow;

use self::known::{LIBC_HEADERS, NO_LIBC, SIGNS};

/// What a failed build's log means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The first diagnostic. Later ones follow from it: the makefiles ignore errors in the bundled libraries.
    pub line: String,
    /// Why it happens, where that is known.
    pub cause: Option<&'static str>,
    pub fix: Cow<'static, str>,
}

/// Finds the first diagnostic of a build's log and what it means.
pub fn diagnose<S: AsRef<str>>(log: &[S]) -> Diagnosis {
    let lines = || log.iter().map(|line| line.as_ref().trim());
    let Some(line) = lines().find(|line| is_diagnostic(line)) else {
        let last = lines().rfind(|line| !line.is_empty()).unwrap_or("it printed nothing").to_owned();
        return Diagnosis { line: last, cause: None, fix: "read the log for what went wrong first".into() };
    };
    let small = line.to_lowercase();
    let known = if is_libc_header(&small) { Some(&NO_LIBC) } else { known::find(&small) };
    match known {
        Some(known) => Diagnosis { line: line.to_owned(), cause: Some(known.cause), fix: known.fix.text() },
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
