//! The link to a host: its lock, files sent to it, jobs that outlive it, relays; and what boots a simulated
//! host.

use super::scenario::Scenario;

const NSPAWN: &[(&str, &str)] = &[("systemd-nspawn", r#"echo "nspawn $*""#)];

/// `flock` that waits only as long as it takes to kill a holder.
const FLOCK: &[(&str, &str)] = &[(
    "flock",
    r#"case $1 in -w) shift 2; set -- -w "${patience:-0}" "$@" ;; esac; exec /usr/bin/flock "$@""#,
)];

/// Another run has the lock.
const LOCKED: &str = r#"mount -t tmpfs none /run; echo 'the other run' >/run/provision-0-orders.lock
exec 7>>/run/provision-0-orders.lock; flock 7"#;

const LOCK: &str = "host/shell/lock.sh";
const PUT: &str = "host/put.sh";
const RELAY: &str = "host/ssh/relay.sh";

/// Another account than root has its jobs in a folder that it names.
const ID: &[(&str, &str)] = &[("id", "echo 1000")];
const FOLDER: &[&str] = &["host/detached_job/folder.sh"];
const START: &str = "host/detached_job/start.sh";
const FOLLOW: &str = "host/detached_job/follow.sh";
const TIDY: &str = "host/detached_job/tidy.sh";

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        stubs: NSPAWN,
        as_root: true,
        given: "mount -t tmpfs none /run; mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/systemd; : >/sys/fs/cgroup/systemd/cgroup.procs",
        before: "set -- lab-1 --quiet '--directory=/a b'; echo $$ >pid",
        check: "cd /sys/fs/cgroup; find . -name 'lab-1*'; cmp systemd/lab-1/cgroup.procs $T/pid",
        expected: "nspawn --keep-unit --quiet --directory=/a b\n./systemd/lab-1\n",
        ..Scenario::new(
            "lab/enter_cgroup.sh",
            "without systemd here it enters a control group of its own first",
        )
    },
    Scenario {
        stubs: NSPAWN,
        as_root: true,
        given: "mount -t tmpfs none /run; mount -t tmpfs none /sys/fs/cgroup; : >/sys/fs/cgroup/cgroup.procs; mkdir -p /run/systemd/system",
        before: "set -- lab-1 --quiet",
        check: "ls /sys/fs/cgroup",
        expected: "nspawn --quiet\ncgroup.procs\n",
        ..Scenario::new("lab/enter_cgroup.sh", "systemd gives it one")
    },
    Scenario {
        as_root: true,
        given: "mount -t tmpfs none /run",
        before: "cluster=orders holder=\"it's me\" retake=",
        calls: r#"echo "taken $?"; sed "s/^$$\$/PID/" "$lock"; flock -n "$lock" true || echo held; ls /run"#,
        check: "ls -A /run",
        expected: r#"
taken 0
it's me
PID
held
provision-0-orders.lock
"#,
        ..Scenario::new(LOCK, "a lock is held until its shell ends, and names its holder")
    },
    Scenario {
        stubs: FLOCK,
        as_root: true,
        given: LOCKED,
        before: "cluster=orders holder=me retake=yes",
        check: "cat /run/*",
        expected: "locked by the other run\n@status 1\nthe other run\n",
        ..Scenario::new(LOCK, "another run's lock is left to it")
    },
    Scenario {
        stubs: FLOCK,
        as_root: true,
        given: r#"mount -t tmpfs none /run; mkfifo fifo; lock=/run/provision-0-orders.lock
sh -c 'exec 9>>"$1"; flock 9; printf "%s\n" me $$ >"$1"; read -r _ <fifo' sh "$lock" & mine=$!
until [ -s "$lock" ]; do sleep 0.01; done"#,
        before: "cluster=orders holder=me retake=yes patience=5; export patience",
        calls: r#"echo "taken $?"; sed "s/^$$\$/PID/" "$lock""#,
        check: r#"wait "$mine" 2>/dev/null || echo "the lost shell ended with $?""#,
        expected: r#"
locked by me
taken 0
me
PID
the lost shell ended with 137
"#,
        ..Scenario::new(LOCK, "a run takes its own lock from a shell that was lost")
    },
    Scenario {
        as_root: true,
        given: "mount -t tmpfs none /run; chown 65534 /run",
        before: "cluster=orders holder=me retake=",
        check: "ls -A /run",
        expected: "/run is not ours: remove it\n@status 1\n",
        ..Scenario::new(LOCK, "no lock is put where another account can put a link")
    },
    Scenario {
        as_one_line: true,
        given: "umask 022; mkdir etc; echo old >etc/motd; ln etc/motd was; echo half >etc/motd.provision-new",
        before: "put() (",
        calls: r#")
sum=$(printf 'new\n' | sha256sum); sum=${sum%% *}
printf 'new\nand more' | put $T/etc/motd 640 "$sum" 4
printf 'new\n' | gzip >gz; put "$T/etc/a b" 600 "$sum" "$(wc -c <gz)" gzip <gz"#,
        check: "cd etc; stat -c '%a %n' *; cat * ../was",
        expected: r#"
600 a b
640 motd
new
new
old
"#,
        ..Scenario::new(PUT, "what comes replaces the file as a whole, with its mode")
    },
    Scenario {
        as_one_line: true,
        given: "umask 022; mkdir etc; ln -s ../theirs etc/link; echo old >etc/motd; mkdir etc/folder.provision-new",
        before: "put() (",
        calls: r#")
sum=$(printf 'new\n' | sha256sum); sum=${sum%% *}
printf 'new' | put $T/etc/motd 640 "$sum" 4; echo "$?"
printf 'new\n' | put $T/etc/link 640 "$sum" 4; echo "$?""#,
        check: "cat etc/motd; ls -A . etc",
        expected: r#"
what arrived has another SHA-256 than what was sent
1
T/etc/link is a symbolic link, and is not followed: remove it
1
old
.:
etc

etc:
folder.provision-new
link
motd
"#,
        ..Scenario::new(PUT, "what arrives broken, or where a link stands, is refused and leaves nothing")
    },
    Scenario {
        as_root: true,
        as_one_line: true,
        given: "mkdir etc; chown 65534 etc",
        before: "put() (",
        calls: ")\n: | put $T/etc/motd 640 0 0",
        check: "ls -A etc",
        expected: "T/etc belongs to another account: give it back to root\n@status 1\n",
        ..Scenario::new(PUT, "nothing is put into another account's folder")
    },
    Scenario {
        as_one_line: true,
        stubs: &[("sha256sum", "cat >/dev/null; rm -f ./*.provision-new; echo other >motd.provision-new; echo 0123")],
        before: "put() (",
        calls: ")\necho new | put $T/motd 640 0123 4",
        check: "cat *",
        expected: "another run has begun to write the same file\n@status 1\nother\n",
        ..Scenario::new(PUT, "one that was overtaken leaves the other one's file alone")
    },
    Scenario {
        as_one_line: true,
        before: "relay() (",
        calls: ")\nrelay 127.0.0.1 $LISTENING 2>/dev/null; relay 127.0.0.1 1 2>&1 | grep -o 'connect: Connection refused'",
        expected: "@relays\nconnect: Connection refused\n",
        ..Scenario::new(RELAY, "a relay says when it is connected, and ends with its input")
    },
    Scenario {
        as_one_line: true,
        before: "PATH=$BIN; set -- 127.0.0.1 1",
        expected: "no bash\n@status 127\n",
        ..Scenario::new(RELAY, "without bash there is no relay")
    },
    Scenario {
        stubs: ID,
        before: "XDG_RUNTIME_DIR=$T key=build-1",
        calls: r#"echo "$base $job"; umask"#,
        expected: "T/provision-work-1000 T/provision-work-1000/build-1\n0077\n",
        ..Scenario::new(FOLDER[0], "each account has a folder of its own for its jobs")
    },
    Scenario {
        stubs: ID,
        given: "mkdir theirs; ln -s theirs provision-work-1000",
        before: "XDG_RUNTIME_DIR=$T key=build-1",
        expected: "T/provision-work-1000 is not ours: remove it\n@status 1\n",
        ..Scenario::new(FOLDER[0], "a link in its place is not followed")
    },
    Scenario {
        stubs: ID,
        given: "mkfifo go",
        before: r#"XDG_RUNTIME_DIR=$T key=build-1 script=$(printf '(\nread -r _ <%s/go; echo "it'\''s done" $0; exit 3\n) </dev/null\n' "$T" | base64 -w 0)
start() ("#,
        uses: FOLDER,
        calls: r#"); start; echo $?; cd provision-work-1000/build-1; cat pid >../pid; start; cmp pid ../pid
stat -c %a . ..; echo >$T/go; until [ -e status ]; do sleep 0.01; done; start
cat status out; ls"#,
        expected: r#"
0
700
700
3
it's done sh
out
pid
status
"#,
        ..Scenario::new(START, "a job is started once, and leaves its output and its status")
    },
    Scenario {
        stubs: ID,
        given: "mkdir -p -m 700 provision-work-1000/build-1; cd provision-work-1000/build-1; printf 'a\nb\nc' >out; echo 3 >status; cd $T",
        before: "XDG_RUNTIME_DIR=$T key=build-1 lines=1 idle=60; follow() (",
        uses: FOLDER,
        calls: ")\nfollow | tr '\\001' '^'; rm $T/provision-work-1000/build-1/status; follow | tr '\\001' '^'",
        expected: "b\nc\n^ended 3\n^gone\n",
        ..Scenario::new(FOLLOW, "what is new of a job's output is printed, and how it ended")
    },
    Scenario {
        stubs: ID,
        given: r#"mkdir -p -m 700 provision-work-1000/build-1; cd provision-work-1000/build-1
{ for n in 1 2 3; do echo $n; sleep 0.1; done; echo 0 >status; sleep 0.1; } >out & echo $! >pid; cd $T"#,
        before: "XDG_RUNTIME_DIR=$T key=build-1 lines=0 idle=60; follow() (",
        uses: FOLDER,
        calls: ")\nfollow | tr '\\001' '^'; idle=0; rm $T/provision-work-1000/build-1/status; echo $$ >$T/provision-work-1000/build-1/pid; follow | tail -n 1 | tr '\\001' '^'",
        expected: "1\n2\n3\n^ended 0\n^silent\n",
        ..Scenario::new(FOLLOW, "a job is followed to its end, or until it is silent for too long")
    },
    Scenario {
        stubs: ID,
        given: "mkdir -p -m 700 provision-work-1000/build-1; setsid sleep 30 & job=$!; echo $job >provision-work-1000/build-1/pid
until [ \"$(cut -d ' ' -f 6 /proc/$job/stat)\" = $job ]; do sleep 0.01; done",
        before: "XDG_RUNTIME_DIR=$T key=build-1 kill=yes",
        uses: FOLDER,
        check: r#"wait $job 2>/dev/null || echo "the job ended with $?"; ls -A"#,
        expected: "the job ended with 137\n",
        ..Scenario::new(TIDY, "a job is killed, and its folder removed")
    },
    Scenario {
        stubs: ID,
        given: "mkdir -p -m 700 provision-work-1000/build-1 provision-work-1000/apt-2; : >provision-work-1000/build-1/out",
        before: "XDG_RUNTIME_DIR=$T key=build-1 kill=",
        uses: FOLDER,
        check: "find . | sort",
        expected: ".\n./provision-work-1000\n./provision-work-1000/apt-2\n",
        ..Scenario::new(TIDY, "the folder of another job stays")
    },
];
