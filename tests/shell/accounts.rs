//! System accounts: made with stubs, and removed from an account database that only the scenario sees.

use super::scenario::Scenario;

const NOTES: &[(&str, &str)] = &[
    ("getent", r#"[ -e "$T/group" ]"#),
    ("id", r#"[ -e "$T/user" ] || exit 1; echo 999"#),
    ("groupadd", r#"echo "groupadd $*"; ls "$T/.users""#),
    ("useradd", r#"echo "useradd $*""#),
];

/// What acts on the scenario's own account database; no file is searched but those in `$T/tree`.
const REMOVE: &[(&str, &str)] = &[
    (
        "userdel",
        r#"echo "userdel $*" >>"$T/calls"; grep -v "^$1:" /etc/passwd >"$T/rest"; cat "$T/rest" >/etc/passwd"#,
    ),
    ("groupdel", r#"echo "groupdel $*" >>"$T/calls""#),
    ("rpm", r#"printf 'root\nroot\n'"#),
    ("find", r#"while [ "$1" != -xdev ]; do shift; done; exec /usr/bin/find "$T/tree" "$@""#),
];

/// The account database, in which `shell-test` is ours.
const DATABASE: &str = r#"umask 022; mkdir -p s/state s/.users tree dpkg; : >s/.users/shell-test; : >tree/file
printf 'root:x:0:0::/:/bin/sh\nshell-test:x:61234:61234::/:/bin/false\n' >passwd
printf 'root:x:0:\nshell-test:x:61234:\n' >group
mount --bind passwd /etc/passwd; mount --bind group /etc/group; mount --bind dpkg /var/lib/dpkg"#;

const CALL: &str = "remove_users | sed 's/process [0-9]* runs/process N runs/; s/; remove it with .*/; …/'";

/// A scenario in which the account is kept: `before` makes the reason.
const fn kept(title: &'static str, before: &'static str, expected: &'static str) -> Scenario {
    Scenario {
        stubs: REMOVE,
        as_root: true,
        given: DATABASE,
        before,
        calls: CALL,
        check: "cat calls 2>/dev/null || :; ls -A s/.users 2>/dev/null || :",
        expected,
        ..Scenario::new("resource/remove_users.sh", title)
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        stubs: NOTES,
        before: "state=$T/orders",
        calls: "create_user shell-test /home/x",
        expected: r#"
groupadd --system shell-test
shell-test
useradd --system -g shell-test --no-create-home --home-dir /home/x --shell /usr/sbin/nologin shell-test
"#,
        ..Scenario::new(
            "resource/create_user.sh",
            "an account with a group of its name, which is noted first",
        )
    },
    Scenario {
        stubs: NOTES,
        given: ": >user",
        before: "state=$T/orders",
        calls: "create_user shell-test /home/x",
        expected: "groupadd --system -g 999 shell-test\nshell-test\n",
        ..Scenario::new("resource/create_user.sh", "an account that lost its group gets it again")
    },
    Scenario {
        stubs: NOTES,
        given: ": >user; : >group",
        before: "state=$T/orders",
        calls: "create_user shell-test /home/x",
        ..Scenario::new("resource/create_user.sh", "an account that is there is left alone")
    },
    kept(
        "an account that nothing refers to goes, and its group with it",
        "state=$T/s/state",
        "userdel shell-test\ngroupdel shell-test\n",
    ),
    kept(
        "with another cluster on the host accounts are kept",
        "state=$T/s/state; mkdir s/other",
        "accounts are kept: another cluster of this host may use them\nshell-test\n",
    ),
    kept(
        "an account that is gone needs no removal",
        "state=$T/s/state; for f in passwd group; do echo root:x:0:0 >/etc/$f; done",
        "",
    ),
    kept(
        "a group that is left over goes alone",
        "state=$T/s/state; echo root:x:0:0::: >/etc/passwd",
        "groupdel shell-test\n",
    ),
    kept(
        "a process runs under it",
        r#"state=$T/s/state; setpriv --reuid=61234 --clear-groups sleep 20 >/dev/null 2>&1 &
process=$!; trap 'kill "$process"' EXIT
until grep -q '^Uid:.*61234' "/proc/$process/status"; do sleep 0.01; done"#,
        "@note the account shell-test is kept: process N runs under it; …\n",
    ),
    kept(
        "another account is in its group",
        "state=$T/s/state; echo other:x:7:61234:: >>/etc/passwd",
        "@note the account shell-test is kept: other is in its group; …\n",
    ),
    kept(
        "its group has another member",
        "state=$T/s/state; echo shell-test:x:61234:shell-test,a >/etc/group",
        "@note the account shell-test is kept: shell-test,a is in its group; …\n",
    ),
    kept(
        "dpkg names it for a file",
        "state=$T/s/state; echo 'root shell-test 2755 /a b' >dpkg/statoverride",
        "@note the account shell-test is kept: dpkg's statoverride names it for /a b; …\n",
    ),
    kept(
        "a package's script names it, and not another one whose name begins like it",
        "state=$T/s/state; mkdir dpkg/info; echo 'adduser shell-test' >dpkg/info/redis:all.postinst; echo shell-testing >dpkg/info/a.prerm",
        "@note the account shell-test is kept: the package redis:all uses it; …\n",
    ),
    kept(
        "a unit names it",
        "state=$T/s/state; mount --bind dpkg /etc/systemd; echo 'SupplementaryGroups=a shell-test' >dpkg/u.service",
        "@note the account shell-test is kept: /etc/systemd/u.service names it; …\n",
    ),
    kept(
        "a file belongs to it",
        "state=$T/s/state; chown 61234 tree/file",
        "@note the account shell-test is kept: T/tree/file belongs to it; …\n",
    ),
    kept(
        "a file belongs to its group",
        "state=$T/s/state; chown :61234 tree/file",
        "@note the account shell-test is kept: T/tree/file belongs to it; …\n",
    ),
    kept(
        "files of another system and of our own state are none of its",
        "state=$T/tree/s/state; mkdir -p tree/guest/etc; mv s tree; rm tree/file
: >tree/guest/etc/passwd; : >tree/guest/a; : >$state/b; chown 61234 tree/guest/a $state/b",
        "userdel shell-test\ngroupdel shell-test\n",
    ),
    kept(
        "a search that takes too long keeps it",
        r#"state=$T/s/state; printf '#!/bin/sh\nexit 124\n' >"$BIN/timeout"; chmod 755 "$BIN/timeout"; rm "$BIN/rpm""#,
        "@note the account shell-test is kept: in 60s the files of this host could not be searched for its own; …\n",
    ),
];
