//! Nodes: their processes, logs, and paths to each other. `x-server` is a copy of `sleep`, or of a shell that
//! runs its configuration.

use super::scenario::Scenario;

/// A server that runs in `data`; `pid` has its number.
const SERVER: &str = r#"mkdir data other; cp /bin/sleep x-server; cp /bin/sleep sleeper
(ulimit -n 1000; cd data; exec ../x-server 30 >/dev/null 2>&1) & server=$!
(cd other; exec ../sleeper 30 >/dev/null 2>&1) & sleeper=$!
trap 'kill $server $sleeper' EXIT
until [ "$(readlink /proc/$server/exe)" = "$T/x-server" ]; do sleep 0.01; done
until [ "$(readlink /proc/$sleeper/exe)" = "$T/sleeper" ]; do sleep 0.01; done
echo $server >pid; echo conf >conf; echo unit >unit; echo 'a vars' >data/nodes.conf"#;

/// systemd, which has started that server.
const SYSTEMCTL: (&str, &str) = (
    "systemctl",
    r#"case $* in
'show -p MainPID up.service') echo "MainPID=$(cat "$T/pid")" ;;
'show -p MainPID '*) echo MainPID=0 ;;
'show -p NRestarts up.service') echo NRestarts=2 ;;
is-enabled*) [ "$2" = --quiet ] || echo disabled; exit 1 ;;
esac"#,
);

/// Starts and stops by the functions; the configuration is what the server runs.
const STARTED: &str = r#"mkdir data; cp /bin/dash x-server
echo "cd $T/data; trap exit TERM; env | sed 's/=.*//' | sort; id -un; echo up; while :; do sleep 0.05; done" >conf
trap '[ ! -e started ] || { read -r _ pid _ <started; kill -KILL $pid; }' EXIT"#;

/// The same with a server that does not end while it cannot save. Words of its log from before do not count.
const REFUSES: &str = r#"mkdir data; cp /bin/dash x-server; echo "1:M # Error trying to save the DB, can't exit." >log
cat >conf <<'.'
cd "${0%/*}"
refuse() { [ ! -e ../can-save ] || exit 0
echo '1:M # Write error saving DB on disk: No space left on device' >>../log
echo "1:M # Error trying to save the DB, can't exit." >>../log; }
trap refuse TERM; cd data; echo up; while :; do sleep 0.05; done
.
trap '[ ! -e started ] || { read -r _ pid _ <started; kill -KILL $pid; }' EXIT"#;

/// The same with a server that takes two seconds to save, in as many steps as `steps` says.
const SAVES: &str = r#"mkdir data; cp /bin/dash x-server; echo '1:M a last word' >log; echo 8 >steps
cat >conf <<'.'
cd "${0%/*}"
save() { read -r steps <../steps; n=0; while [ $n -lt 8 ]; do
[ $n -ge "$steps" ] || echo more >>temp-1.rdb; n=$((n + 1)); sleep 0.25; done; rm -f temp-1.rdb; [ "$steps" = 0 ] || exit 0; }
trap save TERM; cd data; echo up; while :; do sleep 0.05; done
.
trap '[ ! -e started ] || { read -r _ pid _ <started; kill -KILL $pid; }' EXIT"#;

const NODE_PROCESS: &str = "resource/node_process.sh";
const FIND_NODE: &[&str] = &["resource/find_node.sh"];
const STOP_NODE: &str = "resource/stop_node.sh";
const TO_START: &[&str] = &["resource/prelude.sh", "resource/find_node.sh", STOP_NODE];
const TO_STOP: &[&str] = &["resource/prelude.sh", "resource/find_node.sh", NODE_PROCESS];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        given: SERVER,
        calls: r#"read -r server <pid
found() { if find_node "$@"; then echo "found ${sum:-by its folder} $((pid - server))"; else echo 'not found'; fi; }
since=$(started_at "$server")
found $T/gone $T/data ''; found $T/gone $T/other ''
echo "0123 $server $since" >started; found $T/started $T/data ''
echo "0123 $server $((since - 1))" >started; found $T/started $T/data ''
echo "0123 $server $since" >started; found $T/started $T/other ''
echo 0123 >started; found $T/started $T/data ''"#,
        expected: r#"
found by its folder 0
not found
found 0123 0
found by its folder 0
not found
found by its folder 0
"#,
        ..Scenario::new("resource/find_node.sh", "process, start and folder must agree")
    },
    Scenario {
        stubs: &[SYSTEMCTL],
        given: SERVER,
        calls: r#"read -r server <pid; now=$(sum_of conf unit); echo "${now%% *} $server 1" >started
question() { node 7001 "$@" | sed "s/ $server / N /"; }
echo "${now%% *} $server $(started_at "$server")" >files
question $T/files $T/data '' none 0 0 $T/x-server conf unit
question $T/files $T/data '' none 0 0 $T/sleeper conf
question $T/started $T/data up.service none 0 0 $T/x-server conf unit
question $T/started $T/data down.service none 0 0 $T/x-server conf unit
cp x-server new; mv new x-server; question $T/files $T/data '' none 0 0 $T/x-server conf unit"#,
        expected: r#"
=node 7001 N current installed
=limit 7001 1000
=node 7001 N stale other
=limit 7001 1000
=node 7001 N current installed
=limit 7001 1000
=disabled 7001
=conf 7001 YSB2YXJzCg==
=file 7001 7 nodes.conf
=node 7001 N current other
=limit 7001 1000
"#,
        ..Scenario::new("resource/find_node.sh", "a running node is compared with what stands on disk")
    },
    Scenario {
        given: "mkdir -p data/appendonlydir; echo a >data/nodes.conf; echo bc >data/appendonlydir/x.manifest; : >data/e",
        calls: r#"node 7001 none $T/data '' '0{8}|0100007F' "$(printf %04X "$LISTENING")" 0001 b conf | sed "s/ $LISTENING [^ ].* (pid [0-9]*)\$/ PORT OWNER/""#,
        expected: "=taken 7001 PORT OWNER\n=conf 7001 YQo=\n=file 7001 0 e\n=file 7001 2 nodes.conf\n\
=file 7001 3 appendonlydir/x.manifest\n",
        ..Scenario::new("resource/find_node.sh", "of a node that does not run the port's owner, nodes.conf and its files are told")
    },
    Scenario {
        given: STARTED,
        before: "state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u)",
        uses: TO_START,
        calls: r#"start() { arrive $T/started $T/data ''; find_node $T/started $T/data '' || start_node $T/x-server $T/started '' $T/conf; }
start; read -r digest first _ <started; start; read -r _ second _ <started
[ "$first" != "$second" ] || echo 'started once'; [ "$digest" != "$(sum conf)" ] || echo 'with conf'
arrive $T/started $T/data ''; until grep -q ^up started.out; do sleep 0.01; done; grep -v -e PWD -e "$(id -un)" started.out; stat -c %a started started.out
stop_node $T/started $T/data '' $T/log 9 ''; find_node $T/started $T/data '' || echo stopped
stop_node $T/started $T/data '' $T/log 9 ''"#,
        check: "ls",
        expected: r#"
started once
with conf
LC_ALL
PATH
up
644
600
stopped
conf
data
x-server
"#,
        ..Scenario::new(NODE_PROCESS, "a node is started once, with an empty environment, and stopped")
    },
    Scenario {
        given: STARTED,
        before: "state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u)",
        uses: TO_START,
        calls: r#"start_node $T/x-server $T/started '' $T/conf; arrive $T/started $T/data ''; cp started before
state() { find_node $T/started $T/data '' && [ "$sum" = "$(sum conf)" ] && echo current || echo stale; }
echo '# more' >>conf; state; renew_node $T/started $T/data '' $T/conf; state
read -r _ first since <before; read -r _ second still <started
[ "$first $since" != "$second $still" ] || echo 'the same process'; stat -c %a started
rm started; renew_node $T/started $T/data '' $T/conf; state; read -r _ second still <started
[ "$first $since" != "$second $still" ] || echo 'found again'
stop_node $T/started $T/data '' $T/log 9 ''; renew_node $T/started $T/data '' $T/conf; [ -e started ] || echo 'nothing runs'"#,
        check: "ls",
        expected: r#"
stale
current
the same process
644
current
found again
nothing runs
before
conf
data
x-server
"#,
        ..Scenario::new(NODE_PROCESS, "a node that goes on is current again, and one that ended is not")
    },
    Scenario {
        as_root: true,
        given: STARTED,
        before: "state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u); chmod 755 .. .",
        uses: TO_START,
        calls: r#"start_node $T/x-server $T/started daemon $T/conf; arrive $T/started $T/data ''
until grep -q ^up started.out; do sleep 0.01; done; grep -v -e PWD -e ^[A-Z] started.out; stat -c '%U %a' started.out
stop_node $T/started $T/data '' $T/log 9 ''"#,
        check: "ls",
        expected: "daemon\nup\nroot 600\nconf\ndata\nx-server\n",
        ..Scenario::new(NODE_PROCESS, "it runs under its account, and its output is not that account's")
    },
    Scenario {
        given: STARTED,
        before: "exec 2>/dev/null; state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u); sed -i \"s/trap exit/trap ''/\" conf",
        uses: TO_STOP,
        calls: r#"start_node $T/x-server $T/started '' $T/conf; until grep -q ^up started.out; do sleep 0.01; done
stop_node $T/started $T/data '' '' 9 1; find_node $T/started $T/data '' || echo stopped"#,
        check: "ls",
        expected: "stopped\nconf\ndata\nx-server\n",
        ..Scenario::new(STOP_NODE, "one that does not end in time is killed")
    },
    Scenario {
        given: REFUSES,
        before: "state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u)",
        uses: TO_STOP,
        calls: r#"start_node $T/x-server $T/started '' $T/conf; until grep -q ^up started.out; do sleep 0.01; done
stop() { status=0; (stop_node $T/started $T/data '' $T/log 9 '') || status=$?; echo "status $status"; }
stop; find_node $T/started $T/data '' && echo 'it runs'
: >can-save; stop; find_node $T/started $T/data '' || echo stopped"#,
        check: "ls",
        expected: r#"
1:M # Write error saving DB on disk: No space left on device
1:M # Error trying to save the DB, can't exit.
status 75
it runs
status 0
stopped
can-save
conf
data
log
x-server
"#,
        ..Scenario::new(STOP_NODE, "one that cannot save is told at once, in its own words, and goes on")
    },
    Scenario {
        given: SAVES,
        before: "state=$T/state ledger=$T/state/ledger.jsonl account= me=$(/usr/bin/id -u)",
        uses: TO_STOP,
        calls: r#"stop() { status=0; (stop_node $T/started $T/data '' $T/log 1 '') || status=$?; echo "status $status"; }
start_node $T/x-server $T/started '' $T/conf; until grep -q ^up started.out; do sleep 0.01; done
stop; start_node $T/x-server $T/started '' $T/conf; until grep -q ^up started.out; do sleep 0.01; done
echo 0 >steps; stop"#,
        check: "ls",
        expected: r#"
status 0
1:M a last word
status 76
conf
data
log
started
started.out
steps
x-server
"#,
        ..Scenario::new(STOP_NODE, "one that saves is waited for, and one that does nothing is not")
    },
    Scenario {
        given: SERVER,
        uses: FIND_NODE,
        calls: r#"read -r server <pid; seq 25 >log; echo 'cannot bind' >started.out
echo "0 $server $(started_at "$server")" >started; node_state $T/started $T/log '' | tr '\n' ' '; echo
echo "0 $server 1" >started; node_state $T/started $T/gone ''"#,
        expected: r#"
@runs 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 cannot bind 
cannot bind
"#,
        ..Scenario::new("run/ready.sh", "whether it runs, then the end of its log and of its output")
    },
    Scenario {
        stubs: &[SYSTEMCTL, ("journalctl", r#"case $1 in --sync) ;; *) echo "journal $*" ;; esac"#)],
        given: SERVER,
        uses: FIND_NODE,
        calls: "for unit in up.service down.service; do node_state $T/started $T/log $unit; done",
        expected: r#"
@runs
journal --quiet --no-pager -o cat -n 20 -u up.service
journal --quiet --no-pager -o cat -n 20 -u down.service
"#,
        ..Scenario::new("run/ready.sh", "what systemd started is in the journal")
    },
    Scenario {
        stubs: &[SYSTEMCTL],
        given: SERVER,
        before: "read -r server <pid
{ for n in 1 2 3 4; do echo \"$server:M Fatal $n\"; done; echo \"$server:M ready\"; echo '1:M Fatal other'; } >log
printf '# x\nport 7001\n  masterauth secret\nuser a on >b\n' >redis.conf",
        calls: r#"{ check_node 10.0.0.1:7001 "$server" $T/x-server $T/data $T/log up.service $T/redis.conf
check_node 10.0.0.1:7002 '' $T/sleeper $T/gone $T/log '' $T/gone/redis.conf; } |
  sed "s/=$(stat -c %d:%i x-server)\$/=SERVER/; s/=$(stat -c %d:%i sleeper)\$/=SLEEPER/; s/=$server:/=N:/""#,
        expected: r#"
node=10.0.0.1:7001
running=SERVER
installed=SERVER
data=T/data
conf=a vars
config=
config=port 7001
fault=N:M Fatal 1
fault=N:M Fatal 2
fault=N:M Fatal 3
fault=N:M Fatal 4
enabled=disabled
restarts=NRestarts=2
node=10.0.0.1:7002
installed=SLEEPER
data=
"#,
        ..Scenario::new("cluster/verify/host_checks.sh", "what a node runs, its last faults and its unit")
    },
    Scenario {
        before: "echo 'pid=77 role=master message=x' >logfmt; echo '9:M x' >other; : >empty",
        calls: "for log in logfmt other empty gone; do echo $log; check_log 77 $T/$log; done",
        expected: r#"
logfmt
log=read
other
empty
log=empty
gone
log=unreadable
"#,
        ..Scenario::new("cluster/verify/host_checks.sh", "whether a log shows anything of a process")
    },
    Scenario {
        given: r#"printf 'a\n  b \\n\n\nlast' >'a log'; echo c >c"#,
        calls: r#"show_log "$T/a log" 7001 -n 3; show_log $T/c 'h 7002' -n 1; show_log $T/gone 7003 -n 1"#,
        expected: r#"
7001:   b \n
7001: 
h 7002: c
7003: tail: cannot open 'T/gone' for reading: No such file or directory
"#,
        ..Scenario::new("cli/logs.sh", "each line after its node's name, as it is")
    },
    Scenario {
        given: "echo one >log",
        before: "sleep() { command sleep 0.05; }",
        calls: r#"{ show_log $T/log 7001 -n 1 -F & follow_until_closed; } | grep -m 1 '^7001: ' >found"#,
        check: r#"cat found
follows() { for process in /proc/[0-9]*; do grep -aqs "^tail.*$T" $process/cmdline && return; done; return 1; }
n=0; while follows; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.05; done"#,
        expected: "7001: one\n",
        ..Scenario::new("cli/logs.sh", "what follows ends with its reader")
    },
    Scenario {
        before: "patience=2 paths=\"127.0.0.1 $LISTENING\n127.0.0.1 1\n$(seq 200 238 | sed 's/^/127.0.1.1 /')\n\"; try() {",
        calls: "}\ntry >found; wc -l <found; sort -n -k 2 found | head -n 2 | sed 's/bash: line [0-9]*: //'",
        expected: r#"
40
127.0.0.1 1 Connection refused
127.0.1.1 200 Connection refused
"#,
        ..Scenario::new("cluster/connectivity.sh", "only what is closed is printed, with the kernel's reason")
    },
    Scenario {
        before: "patience=2 paths='127.0.0.1 1\n' PATH=$BIN",
        expected: "no bash\n",
        ..Scenario::new("cluster/connectivity.sh", "without bash nothing is tried")
    },
];
