//! Building, with a make that only notes what it is asked; and the list of directives from a parser's source.

use super::scenario::Scenario;

/// A dry run prints what it would compile; a build writes a server.
const MAKE: (&str, &str) = (
    "make",
    r#"case $* in
*' -n '* | -n*) echo 'cc -c a.c'; echo 'cc -c a.c'; echo 'cc -o x b.o'; echo 'g++ -c d.cpp' ;;
*) echo "make $* CFLAGS=${CFLAGS-none} $SOURCE_DATE_EPOCH ${GIT_CEILING_DIRECTORIES##*/}"
  [ ! -e "$T/broken" ] || exit 2
  echo 'echo v=7.0.15' >"$3/redis-server"; chmod 755 "$3/redis-server" ;;
esac"#,
);

const CC: (&str, &str) = ("cc", "echo 'cc 12.2'; echo 'more of it'");
const STRIP: (&str, &str) = ("strip", r#"echo "strip $*""#);

/// A tarball of a Redis, without what jemalloc's autoconf generates.
const TARBALL: &str = r#"mkdir -p w redis/src redis/deps/jemalloc
echo '#define REDIS_VERSION "7.0.15"' >redis/src/version.h; : >redis/src/server.c
touch -d @1700000000 redis/src/version.h; tar -cf w/source.tar redis"#;

const PARAMETERS: &str = r#"work=$T/w wanted='redis 7.0.15' target=redis-server cores=3 tools= lock_timeout=0
CFLAGS=-Ofast; export CFLAGS; set -- BUILD_TLS=no"#;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        stubs: &[MAKE, CC, STRIP],
        given: TARBALL,
        before: PARAMETERS,
        check: "w/server; ls w",
        expected: r#"
provision: compiler cc 12.2
provision: found redis 7.0.15
provision: without-jemalloc
provision: objects 2
make -j3 -C tree/redis/src redis-server V=1 PYTHON= BUILD_TLS=no MALLOC=libc CFLAGS=none 1700000000 w
strip --strip-debug server
provision: version v=7.0.15
v=7.0.15
lock
server
source.tar
tree
"#,
        ..Scenario::new("artifact/build.sh", "a server is compiled by the recipe alone")
    },
    Scenario {
        stubs: &[MAKE, CC, STRIP],
        given: r#"mkdir -p w redis/src redis/deps/jemalloc
printf '#define REDIS_VERSION "7.2.4"\n#define VALKEY_VERSION "8.1.1"\n' >redis/src/version.h
: >redis/src/server.c; : >redis/deps/jemalloc/configure
printf 'C_SRCS := src/a.c \\\n src/b.c\n\nx := src/c.c\nC_SYM_OBJS\n' >redis/deps/jemalloc/Makefile.in
touch -d @1 redis/src/version.h; tar -cf w/source.tar redis"#,
        before: r#"work=$T/w wanted='valkey 8.1.1' target=redis-server cores=1 tools= lock_timeout=0"#,
        expected: r#"
provision: compiler cc 12.2
provision: found valkey 8.1.1
provision: objects 6
make -j1 -C tree/redis/src redis-server V=1 PYTHON= CFLAGS=none 1 w
strip --strip-debug server
provision: version v=7.0.15
"#,
        ..Scenario::new(
            "artifact/build.sh",
            "jemalloc's objects are counted twice, and Valkey's own version counts",
        )
    },
    Scenario {
        stubs: &[MAKE, CC, STRIP],
        given: "mkdir -p w redis; : >redis/README; tar -cf w/source.tar redis",
        before: PARAMETERS,
        expected: "provision: compiler cc 12.2\n@status 72\n",
        ..Scenario::new("artifact/build.sh", "a tarball of something else has no source")
    },
    Scenario {
        stubs: &[MAKE, CC, STRIP, ("tar", "exit 2")],
        given: "mkdir w",
        before: PARAMETERS,
        expected: "provision: compiler cc 12.2\n@status 70\n",
        ..Scenario::new("artifact/build.sh", "a broken tarball")
    },
    Scenario {
        stubs: &[MAKE, CC],
        given: TARBALL,
        before: r#": >broken
work=$T/w wanted='redis 7.0.15' target=redis-server cores=3 tools= lock_timeout=0"#,
        expected: r#"
provision: compiler cc 12.2
provision: found redis 7.0.15
provision: without-jemalloc
provision: objects 2
make -j3 -C tree/redis/src redis-server V=1 PYTHON= MALLOC=libc CFLAGS=none 1700000000 w
@status 2
"#,
        ..Scenario::new("artifact/build.sh", "it ends as make does")
    },
    Scenario {
        stubs: &[MAKE, CC],
        given: TARBALL,
        before: "work=$T/w wanted='redis 7.0.14' target=redis-server cores=3 tools= lock_timeout=0",
        expected: r#"
provision: compiler cc 12.2
provision: found redis 7.0.15
@status 71
"#,
        ..Scenario::new("artifact/build.sh", "another version than the wanted one is not compiled")
    },
    Scenario {
        stubs: &[MAKE, CC],
        given: TARBALL,
        before: "work=$T/w wanted= target= cores=3 tools='no-c++ no-ld' lock_timeout=0",
        expected: "provision: missing no-c++ no-ld\n@status 73\n",
        ..Scenario::new("artifact/build.sh", "missing tools are named")
    },
    Scenario {
        given: "mkdir w; exec 7>w/lock; flock 7",
        before: PARAMETERS,
        check: "ls w",
        expected: "@status 75\nlock\n",
        ..Scenario::new("artifact/build.sh", "a work folder in use is left alone")
    },
    Scenario {
        before: r#"cache="$T/a cache" ours=.ours work="$T/a cache/provision/build/x"; umask 077"#,
        check: "find . -printf '%P %m\n' | sort | sed 1d",
        expected: r#"
a cache 755
a cache/.ours 644
a cache/provision 755
a cache/provision/build 755
a cache/provision/build/x 755
"#,
        ..Scenario::new("artifact/prepare.sh", "a cache folder that we make is marked")
    },
    Scenario {
        given: "mkdir cache",
        before: "cache=$T/cache ours=.ours work=$T/cache/w",
        check: "ls -A cache",
        expected: "w\n",
        ..Scenario::new("artifact/prepare.sh", "one that was there is not")
    },
    Scenario {
        given: "mkdir -p cache/provision/build/x cache/provision/apt/lists; : >cache/.ours",
        before: "cache=$T/cache ours=.ours work=$T/cache/provision/build/x remote=yes",
        check: "ls -A",
        ..Scenario::new("artifact/tidy.sh", "nothing is left of a cache folder that we made")
    },
    Scenario {
        given: "mkdir -p cache/provision/build/x cache/provision/apt/lists; : >cache/.ours",
        before: "cache=$T/cache ours=.ours work=$T/cache/provision/build/x remote=",
        check: "find cache | sort",
        expected: r#"
cache
cache/.ours
cache/provision
cache/provision/apt
cache/provision/apt/lists
"#,
        ..Scenario::new("artifact/tidy.sh", "on this machine the package lists stay")
    },
    Scenario {
        given: "mkdir -p cache/provision/build/x cache/other; : >cache/.ours",
        before: "cache=$T/cache ours=.ours work=$T/cache/provision/build/x remote=yes",
        check: "ls -A cache",
        expected: ".ours\nother\n",
        ..Scenario::new("artifact/tidy.sh", "what others keep there stays")
    },
    Scenario {
        given: r#"cat >config.c <<'X'
configYesNo configs_yes_no[] = {
    {"appendonly",NULL},
};
void loadServerConfigFromString(char *config) {
    if (!strcasecmp(argv[0],"save")) { x("not-one"); }
    else if (!strcasecmp(argv[0], "slaveof")) { }
}
    createBoolConfig("lazyfree", NULL, MODIFIABLE),
    createIntConfig("min-slaves",  "min-replicas", MODIFIABLE),
X"#,
        before: "set -- config.c",
        expected: r#"
appendonly
lazyfree
min-replicas
min-slaves
save
slaveof
"#,
        ..Scenario::new(
            "inventory/directives/extract.sh",
            "all ways to write a directive in the parser are found",
        )
    },
];
