//! dpkg and apt, with stubs in place of both: what they are asked, and what happens where they fail.

use super::scenario::Scenario;

/// Notes its arguments; fails to install anything until the lists are read.
const APT_GET: (&str, &str) = (
    "apt-get",
    r#"echo "$DEBIAN_FRONTEND: $*" >>"$T/calls"
case $* in *update*) : >"$T/updated" ;; *) [ -e "$T/updated" ] || exit 100 ;; esac"#,
);

/// Notes its arguments and where it runs; fails.
const NO_APT_GET: (&str, &str) = ("apt-get", r#"echo "${PWD##*/}: $*"; exit 100"#);

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        stubs: &[(
            "dpkg-query",
            r#"printf '%s\n' "$*" >"$T/calls"; echo 'gcc installed'; echo 'make config-files'; echo 'no make' >&2"#,
        )],
        before: "installed() {",
        calls: "}\ninstalled gcc make",
        check: "cat calls",
        expected: r#"
gcc
-W -f=${Package} ${db:Status-Status}\n gcc make
"#,
        ..Scenario::new("distro/debian/installed.sh", "only what is installed is named")
    },
    Scenario {
        stubs: &[APT_GET],
        given: ": >updated",
        before: "install_packages() {",
        calls: "}\ninstall_packages gcc make",
        check: "cat calls",
        expected: r#"
noninteractive: -y -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Dpkg::Use-Pty=0 --no-install-recommends install gcc make
"#,
        ..Scenario::new("distro/debian/install.sh", "lists that will do are not read anew")
    },
    Scenario {
        stubs: &[APT_GET],
        before: "install_packages() {",
        calls: "}\ninstall_packages gcc",
        check: "sed 's/-o [^ ]* //g' calls",
        expected: r#"
noninteractive: -y -q --no-install-recommends install gcc
noninteractive: -y -q update
noninteractive: -y -q --no-install-recommends install gcc
"#,
        ..Scenario::new(
            "distro/debian/install.sh",
            "where it fails the lists are read, and it is tried again",
        )
    },
    Scenario {
        stubs: &[NO_APT_GET],
        before: "install_packages() {",
        calls: "}\ninstall_packages gcc | sed 's/-o [^ ]* //g'\ninstall_packages gcc >/dev/null",
        expected: r#"
here: -y -q --no-install-recommends install gcc
here: -y -q update
@status 100
"#,
        ..Scenario::new("distro/debian/install.sh", "without lists nothing is tried again")
    },
    Scenario {
        as_root: true,
        given: r#"mkdir -p apt/sources.list.d
echo 'deb http://a x main' >apt/sources.list
printf 'Types: deb\nURIs: http://b' >apt/sources.list.d/b.sources
echo 'no source' >apt/sources.list.d/c.save
mount --bind apt /etc/apt"#,
        expected: r#"
== /etc/apt/sources.list
deb http://a x main

== /etc/apt/sources.list.d/b.sources
Types: deb
URIs: http://b
"#,
        ..Scenario::new("distro/debian/list_archives.sh", "each list is printed after its name")
    },
    Scenario {
        stubs: &[("apt-get", ""), ("apt-cache", "")],
        before: r#"folder="$T/a state" configuration='Dir "it'\''s %s";
' entries='Types: deb-src
'"#,
        check: r#"cd 'a state'; find . -type d | sort; cat apt.conf parts/entries.sources"#,
        expected: r#"
.
./cache
./cache/archives
./cache/archives/partial
./lists
./lists/partial
./parts
Dir "it's %s";
Types: deb-src
"#,
        ..Scenario::new("distro/debian/prepare.sh", "an apt state of our own has configuration and entries")
    },
    Scenario {
        stubs: &[("apt-get", "")],
        before: r#"folder=$T/state configuration='' entries='' PATH=$BIN"#,
        check: "ls",
        expected: "@status 1\n",
        ..Scenario::new("distro/debian/prepare.sh", "without apt-cache nothing is made")
    },
    Scenario {
        stubs: &[NO_APT_GET],
        before: "folder='/a state'",
        expected: "here: -c /a state/apt.conf -q update\n",
        ..Scenario::new("distro/debian/update.sh", "an archive out of reach is no failure")
    },
    Scenario {
        stubs: &[("apt-cache", r#"echo "$*"; echo 'Package: redis'; echo 'W: noise' >&2; exit 100"#)],
        before: "folder=/state package=redis",
        expected: r#"
-c /state/apt.conf showsrc --only-source redis
Package: redis
"#,
        ..Scenario::new("distro/debian/show_source.sh", "a package that is not known is no failure")
    },
    Scenario {
        stubs: &[NO_APT_GET],
        given: "mkdir state",
        before: "folder=$T/state package=redis=5:7.0.15-1",
        expected: r#"
state: -c T/state/apt.conf -q source --download-only --tar-only redis=5:7.0.15-1
@status 100
"#,
        ..Scenario::new("distro/debian/download.sh", "it downloads into the folder, and its failure is one")
    },
];
