//! What changes a host: the functions of all changes, and those of lines, kernel settings, packages and
//! units.

use super::scenario::Scenario;

/// What `resource::Script` puts in front.
const STATE: &str = "state=$T/state ledger=$T/state/ledger.jsonl account=redis me=$(/usr/bin/id -u)";
const PRELUDE: &[&str] = &["resource/prelude.sh"];

const SAY: &str = "name=${0##*/}; printf '%s ' \"$name\" >>\"${0%bin/*}started\"; exec \"/bin/$name\" \"$@\"";

/// Commands that note that they were started: each is a process on a host.
const COUNTED: &[(&str, &str)] = &[
    ("stat", SAY),
    ("mkdir", SAY),
    ("install", SAY),
    ("chmod", SAY),
    ("chown", SAY),
    ("mv", SAY),
    ("rm", SAY),
    ("rmdir", SAY),
    ("id", SAY),
    ("sha256sum", SAY),
];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        given: "umask 022; mkdir etc; echo old >etc/motd; ln etc/motd was; chmod 600 etc/motd",
        before: STATE,
        calls: r#"write "$T/etc/motd" 0640 '' 'it'\''s
'
write "$T/etc/with blank" 0604 "$(id -u):$(id -g)" '\n  raw
'"#,
        check: "cd etc; stat -c '%a %n' *; ls -A | wc -l; cat *; cat ../was",
        expected: r#"
640 motd
604 with blank
2
it's
\n  raw
old
"#,
        ..Scenario::new("resource/prelude.sh", "a file is replaced as a whole, with its mode")
    },
    Scenario {
        given: "umask 022; mkdir -p etc/motd.provision-new; chmod 700 etc/*; : >etc/motd.provision-new/new; echo half >etc/b.provision-new",
        before: STATE,
        calls: "for name in motd b; do write $T/etc/$name 0644 '' 'new
'; done",
        check: "ls -A etc",
        expected: "b\nmotd\n",
        ..Scenario::new("resource/prelude.sh", "what an interrupted write has left is swept")
    },
    Scenario {
        given: "umask 022; mkdir etc; echo theirs >theirs; ln -s ../theirs etc/motd",
        before: STATE,
        calls: "write $T/etc/motd 0644 '' 'ours
'",
        check: "cat theirs; ls -A etc",
        expected: r#"
T/etc/motd is a symbolic link, and is not followed: remove it, or name the file it leads to
@status 1
theirs
motd
"#,
        ..Scenario::new("resource/prelude.sh", "a link in the file's place is not followed")
    },
    Scenario {
        given: "umask 022; mkdir etc; ln -s .. etc/motd.provision-new",
        before: STATE,
        calls: "write $T/etc/motd 0644 '' 'ours
'",
        check: "cat etc/motd; ls -A . etc",
        expected: "ours\n.:\netc\n\netc:\nmotd\n",
        ..Scenario::new("resource/prelude.sh", "a link in the place of the temporary folder is removed")
    },
    Scenario {
        given: "umask 022; mkdir etc; ln -s etc ours; ln -s $T/ours/ again",
        before: STATE,
        calls: "write $T/again/./motd 0644 '' 'ours
'; write $T/etc/../ours/more 0644 '' 'more
'",
        check: "cat etc/*",
        expected: "more\nours\n",
        ..Scenario::new("resource/prelude.sh", "a link that only we can have put there is followed")
    },
    Scenario {
        as_root: true,
        given: "umask 022; mkdir etc; ln -s etc theirs; chown -h 65534 theirs; mkdir -m 777 open; ln -s ../etc open/etc",
        before: STATE,
        calls: "(write $T/theirs/motd 0644 '' 'x
') || :; folder $T/open/etc/a 0755 ''",
        check: "ls -A etc",
        expected: r#"
T/theirs is a symbolic link that another account can change, and is not followed: name the folder it leads to
T/open/etc is a symbolic link that another account can change, and is not followed: name the folder it leads to
@status 1
"#,
        ..Scenario::new("resource/prelude.sh", "a link that another account has planted is not followed")
    },
    Scenario {
        as_root: true,
        given: "umask 022; mkdir ours theirs open sticky; mkdir ours/in theirs/in open/in sticky/in sticky/theirs; ln -s ours link
chmod 777 open; chmod 1777 sticky; chmod 775 ours/in; chown 65534 theirs sticky/theirs",
        before: STATE,
        calls: r#"folders='ours ours/in theirs theirs/in open open/in sticky sticky/in sticky/theirs link'
tell() { for folder in $folders; do cd -P "$T/$folder"; if is_closed; then echo "$folder"; fi; done; }
tell
closed=// looked=// all=/ at=; IFS=/; for part in ${T#/}; do at=$at/$part all="$all $at"; done; unset IFS
for folder in $folders; do all="$all $T/$folder"; done
learn $all
stat() { echo 'looked again'; }
echo known; tell"#,
        expected: "ours\nsticky/in\nlink\nknown\nours\nsticky/in\nlink\n",
        ..Scenario::new("resource/prelude.sh", "a folder is closed where no other account can change what its path means")
    },
    Scenario {
        as_root: true,
        given: "umask 022; mkdir etc; mkdir -m 755 etc/a",
        before: STATE,
        calls: r#"write $T/etc/a/1 0644 '' x; folder $T/etc/a 00755 root; [ "$looked" != // ] && echo remembered
folder $T/etc/a 00777 ''; echo "$closed $looked"
write $T/etc/a/1 0644 '' x; folder $T/etc/a 00755 daemon; echo "$closed $looked"
cd -P $T/etc; mv $T/etc $T/was; mkdir $T/etc
is_closed || echo 'not where its path leads'"#,
        expected: "remembered\n// //\n// //\nnot where its path leads\n",
        ..Scenario::new("resource/prelude.sh", "a folder that others may change from now on is forgotten")
    },
    Scenario {
        as_root: true,
        stubs: COUNTED,
        given: "umask 022; mkdir etc state; mkdir -m 755 open; chown 65534 open; : >../started",
        before: STATE,
        calls: r#"ledger x; for name in 1 2 3; do write $T/etc/$name 0640 '' x; done; folder $T/etc/a 02750 root:daemon; write $T/etc/a/1 0644 root x
echo >>$T/../started; folder $T/open/a 00755 daemon:daemon; folder $T/open/b 00755 daemon"#,
        check: "sed 's/ $//' ../started; echo; stat -c '%a %U:%G %n' etc/a open/a open/b",
        expected: r#"
mv stat chmod mv chmod mv chmod mv install chown chmod mv
stat mkdir stat install mv rmdir mkdir stat mkdir chown mv rmdir
2750 root:daemon etc/a
755 daemon:daemon open/a
755 daemon:root open/b
"#,
        ..Scenario::new("resource/prelude.sh", "each process that a change costs")
    },
    Scenario {
        as_root: true,
        given: "umask 022; mkdir etc; mkdir -m 755 etc/a.provision-new; chown 65534 etc/a.provision-new; : >etc/a.provision-new/x",
        before: STATE,
        calls: "folder $T/etc/a 0755 ''",
        check: "ls -A etc",
        expected: r#"
T/etc/a.provision-new is in the way and not ours: remove it, and run this again
@status 1
a.provision-new
"#,
        ..Scenario::new("resource/prelude.sh", "a folder of another account in the way is not touched")
    },
    Scenario {
        before: STATE,
        given: "umask 077; mkdir old; mkdir -m 700 twice; echo x >file",
        calls: r#"folder "$T/new one" 02750 ''; folder $T/default '' ''; folder $T/old 00711 ''; folder $T/twice '' ''
folder $T/file/sub 00755 '' 2>/dev/null"#,
        check: "stat -c '%a %n' *",
        expected: r#"
T/file is no folder: create it, or name another one
@status 1
755 default
600 file
2750 new one
711 old
700 twice
"#,
        ..Scenario::new(
            "resource/prelude.sh",
            "a folder is made with its mode, and one that is there gets it",
        )
    },
    Scenario {
        before: STATE,
        calls: r#"ledger '{"did":"a\nb"}'; ledger '{"did":"c"}'"#,
        check: "cd state; stat -c '%a %n' *; cat *",
        expected: r#"
644 account
600 ledger.jsonl
redis
{"did":"a\nb"}
{"did":"c"}
"#,
        ..Scenario::new("resource/prelude.sh", "the first line of a ledger comes after the account's name")
    },
    Scenario {
        given: r#"mkdir state; printf '{"did":"first"}\n{"did":"to' >state/ledger.jsonl"#,
        before: STATE,
        calls: r#"ledger '{"did":"second"}'"#,
        check: "ls state; cat state/*",
        expected: r#"
ledger.jsonl
{"did":"first"}
{"did":"to
{"did":"second"}
"#,
        ..Scenario::new("resource/prelude.sh", "a torn line stays a line of its own")
    },
    Scenario {
        given: "mkdir state; ln -s ../theirs state/ledger.jsonl",
        before: STATE,
        calls: "ledger x",
        check: "ls",
        expected: "T/state/ledger.jsonl is a symbolic link: put the file itself there\n@status 1\nstate\n",
        ..Scenario::new("resource/prelude.sh", "a ledger that is a link is refused")
    },
    Scenario {
        given: "umask 022; echo theirs >motd; chmod 640 motd; touch -d @1000 motd",
        before: STATE,
        calls: r#"digest=$(sum motd)
backup $T/motd motd-1 "$digest"; echo ours >motd; backup $T/motd motd-1 ''
backup $T/motd motd-2 "$digest""#,
        check: "stat -c '%a %Y %n' state/backup state/backup/motd-1 | sed 's/ [0-9]* state.backup$/ folder/'; ls -A state/backup; cat state/backup/motd-1; rm -f state/backup/.new",
        expected: r#"
T/motd was changed after the plan was made: look at it, and run this again
@status 1
700 folder
640 1000 state/backup/motd-1
.new
motd-1
theirs
"#,
        ..Scenario::new(
            "resource/prelude.sh",
            "a backup is made once, with its mode, of what was planned for",
        )
    },
    Scenario {
        given: ": >there; ln -s nowhere link",
        before: STATE,
        calls: "absent $T/not; (absent $T/link) || :; absent $T/there; echo not reached",
        expected: r#"
T/link appeared after the plan was made: look at it, and run this again
T/there appeared after the plan was made: look at it, and run this again
@status 1
"#,
        ..Scenario::new("resource/prelude.sh", "what appeared after the plan was made is refused")
    },
    Scenario {
        as_root: true,
        stubs: &[
            ("systemctl", r#"echo "systemctl $*""#),
            ("restorecon", r#"echo "restorecon $*"; sed 's/^/  /'; exit 1"#),
        ],
        given: "mount -t tmpfs none /run; mkdir -p /run/systemd/system",
        before: STATE,
        calls: r#"reload_due=1; relabel /etc/a; relabel '/etc/b c'
run_handlers; echo between; run_handlers; relabel /etc/d; reload_due=1; exit 7"#,
        expected: r#"
restorecon -f -
  /etc/a
  /etc/b c
systemctl daemon-reload
between
restorecon -f -
  /etc/d
systemctl daemon-reload
@status 7
"#,
        ..Scenario::new("resource/prelude.sh", "handlers run once when due, also where a script ends early")
    },
    Scenario {
        before: STATE,
        calls: r#"json 'a "b" \c	d

e'; echo; printf 'a\001b' >f; json "$(cat f)""#,
        expected: r#"
a \"b\" \\c d e
a b"#,
        ..Scenario::new("resource/prelude.sh", "any text is a JSON string of one line")
    },
    Scenario {
        given: "umask 022; printf 'a\n b\\\\n' >hosts; chmod 604 hosts",
        before: STATE,
        uses: PRELUDE,
        calls: r#"digest=$(sum hosts)
add_line $T/hosts '-x *' "$digest"; add_line $T/hosts '-x *' "$digest"; add_line $T/hosts ' c\n' ''"#,
        check: "stat -c %a hosts; cat hosts; ls -A",
        expected: r#"
604
a
 b\n
-x *
 c\n
hosts
"#,
        ..Scenario::new("resource/line.sh", "a line is added once; the rest of the file and its mode stay")
    },
    Scenario {
        given: "umask 022; echo a >hosts; echo a >moved; ln -s moved link",
        before: STATE,
        uses: PRELUDE,
        calls: r#"(add_line $T/hosts b 0123) || :
(add_line $T/hosts b none) || :
(add_line $T/link b '') || :
(add_line $T/gone b '') || :
add_line $T/new b none"#,
        check: "cat hosts moved new; ls -A",
        expected: r#"
T/hosts was changed after the plan was made: look at it, and run this again
T/hosts appeared after the plan was made: run this again
T/link is a symbolic link, and is not followed: name the file it leads to
T/gone is gone: the line `b` is not put back
a
a
b
hosts
link
moved
new
"#,
        ..Scenario::new("resource/line.sh", "a file that is not the planned one is left alone")
    },
    Scenario {
        given: "umask 022; printf 'a\nb\na\nab\n' >hosts; echo a >only; echo a >ours; chmod 600 hosts",
        before: STATE,
        uses: PRELUDE,
        calls: r#"drop_line $T/hosts a "$(sum hosts)"; drop_line $T/hosts a 0123; drop_line $T/gone a ''
drop_line $T/only a ''; drop_line $T/ours a created; drop_line $T/hosts b created"#,
        check: "stat -c '%a %s %n' hosts; cat hosts; ls -sA --block-size=1 only; ls -A",
        expected: r#"
600 3 hosts
ab
0 only
hosts
only
"#,
        ..Scenario::new(
            "resource/line.sh",
            "a line is removed, and with it only a file that was created for it",
        )
    },
    Scenario {
        given: "printf '1\\t2\n' >range; echo 'always [madvise] never' >pages",
        before: STATE,
        uses: PRELUDE,
        calls: r#"set_kernel $T/range '3 4' '{"path":"p","was":"","set":"3 4"}'
set_kernel $T/pages never '{"path":"q","was":"","set":"never"}'"#,
        check: "cat range pages state/ledger.jsonl",
        expected: r#"
3 4
never
{"path":"p","was":"1 2","set":"3 4"}
{"path":"q","was":"madvise","set":"never"}
"#,
        ..Scenario::new(
            "resource/kernel.sh",
            "the former value is in the ledger, of several choices the chosen one",
        )
    },
    Scenario {
        as_root: true,
        given: r#"for name in back changed wanted; do printf '3\t4\n' >$name; done; echo '3 5' >changed
mkdir sysctl.d; echo 'net.wanted = 3 4' >sysctl.d/60-provision-other.conf; mount --bind sysctl.d /etc/sysctl.d"#,
        before: STATE,
        uses: PRELUDE,
        calls: r#"reset_kernel $T/back '1 2' '3 4' net.back
reset_kernel $T/changed '1 2' '3 4' net.changed
reset_kernel $T/wanted '1 2' '3 4' net.wanted"#,
        check: "cat back changed wanted",
        expected: "1 2\n3 5\n3\t4\n",
        ..Scenario::new(
            "resource/kernel.sh",
            "a value goes back, unless it changed or another cluster wants it",
        )
    },
    Scenario {
        stubs: &[(
            "systemctl",
            r#"case $1 in is-enabled) echo disabled; exit 1 ;; is-active) echo inactive; exit 3 ;; esac
cat "$T/state/ledger.jsonl"; echo "systemctl $*""#,
        )],
        before: STATE,
        uses: PRELUDE,
        calls: "start_unit 'x@1.service'",
        expected: r#"
{"did":"started-unit","name":"x@1.service","was":"disabled inactive"}
systemctl enable --now x@1.service
"#,
        ..Scenario::new("resource/unit.sh", "what a unit was is recorded before it is started")
    },
    Scenario {
        before: r#"state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u)
installed() { [ "$1" != gcc ] || echo gcc; }
install_packages() { cat "$ledger"; echo "installing $*"; }"#,
        uses: PRELUDE,
        calls: "install_missing gcc make g++; install_missing gcc",
        check: "ls state",
        expected: r#"
{"did":"installed-packages","names":"make g++"}
installing make g++
ledger.jsonl
"#,
        ..Scenario::new("resource/package.sh", "only what is missing is installed, and recorded first")
    },
];
