//! What undoes changes: each may run again, and what was changed since is left and named.

use super::scenario::Scenario;

const STATE: &str = "state=$T/state ledger=$T/state/ledger.jsonl account=redis me=$(/usr/bin/id -u)";
const PRELUDE: &[&str] = &["resource/prelude.sh"];
const UNDO: &str = "resource/undo.sh";

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        given: "umask 022; mkdir etc; for name in ours theirs unknown; do echo $name >etc/$name; done; ln -s ours etc/link; mkdir etc/folder",
        before: STATE,
        uses: PRELUDE,
        calls: r#"ours=$(sum etc/ours)
for name in ours ours theirs link folder; do erase $T/etc/$name "0 $ours"; done
erase $T/etc/unknown ''; erase $T/gone/file "$ours""#,
        check: "ls -A etc",
        expected: r#"
@note T/etc/theirs is left: it was changed since
@note T/etc/link is left: it is a symbolic link now
@note T/etc/folder is left: it is no file any more
folder
link
theirs
"#,
        ..Scenario::new(UNDO, "a file goes if it is what we wrote")
    },
    Scenario {
        given: r#"umask 022; mkdir -p etc state/backup; for name in a b c d; do echo ours >etc/$name; done
echo theirs >etc/b; echo before >state/backup/1; chmod 640 state/backup/1; touch -d @1000 state/backup/1"#,
        before: STATE,
        uses: PRELUDE,
        calls: r#"ours=$(sum etc/a)
restore $T/etc/a 1 "$ours"; restore $T/etc/a 1 "$ours"; restore $T/etc/b 1 "$ours"
restore $T/etc/c 2 "$ours"; restore $T/etc/d 1 ''; restore $T/etc/e 1 "$ours""#,
        check: "cd etc; stat -c '%a %Y' a; for name in *; do echo $name $(cat $name); done; ls -A ../state/backup; cat ../state/kept/1",
        expected: r#"
@note T/etc/b is left: it was changed since
@note what stood at T/etc/b before is kept in T/state/kept/1
@note T/etc/c is left as it is: the copy of what stood there before is not in T/state/backup any more
640 1000
a before
b theirs
c ours
d before
e before
1
before
"#,
        ..Scenario::new(UNDO, "what stood there comes back with mode and time, unless it was changed since")
    },
    Scenario {
        given: "mkdir -p empty full/sub 'tree of/ours' theirs; : >theirs/file; ln -s ../theirs 'tree of/link'",
        before: STATE,
        uses: PRELUDE,
        calls: r#"vacate $T/empty; vacate $T/empty; vacate $T/full; vacate $T/gone/sub; clear_out "$T/tree of"; clear_out $T/gone"#,
        check: "find . | sort",
        expected: ".\n./full\n./full/sub\n./theirs\n./theirs/file\n",
        ..Scenario::new(UNDO, "a folder goes if it is empty, and one of ours with all that is in it")
    },
    Scenario {
        given: "umask 022; mkdir data other; ln -s other link",
        before: STATE,
        uses: PRELUDE,
        calls: r#"for name in data link gone; do give_back $T/$name 02711 "$(id -u):$(id -g)"; done"#,
        check: "stat -c '%a %n' data other",
        expected: "@note T/link is left: it is a symbolic link now\n2711 data\n755 other\n",
        ..Scenario::new(UNDO, "a folder gets its former mode, a link in its place does not")
    },
    Scenario {
        as_root: true,
        given: "umask 022; mkdir etc; ln -s etc theirs; chown -h 65534 theirs; echo a >etc/motd",
        before: STATE,
        uses: PRELUDE,
        calls: "erase $T/theirs/motd ''; echo goes on",
        check: "ls etc",
        expected: r#"
@note T/theirs is a symbolic link that another account can change, and is not followed: name the folder it leads to
goes on
motd
"#,
        ..Scenario::new(UNDO, "a folder behind another account's link is left")
    },
];
