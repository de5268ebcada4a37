//! A server is tried on a configuration before any configuration is replaced.

use super::scenario::Scenario;

/// A server that keeps what it was started with, says its words, and stays.
const READY: &[(&str, &str)] = &[(
    "server",
    "cp \"$1\" \"${0%bin/*}/here/seen\"; env >\"${0%bin/*}/here/env\"; echo $$ >\"${0%bin/*}/here/pid\"\n\
     echo '1:M 1 Jan # WARNING: You specified a maxmemory value that is less than 1MB (current value is 100 bytes)'\n\
     echo '1:M 1 Jan * Ready to accept connections unix'; exec /bin/sleep 60",
)];

const CALL: &str = "printf 'maxmemory 100\\nsave 60 1\\n' | try_config $BIN/server '' '' ''; ls -A $T/tmp";
const TMP: &str = "TMPDIR=$T/tmp";

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        stubs: READY,
        given: "mkdir tmp",
        before: TMP,
        calls: CALL,
        check: "sed 's/trial.[A-Za-z0-9]*/trial/' seen; ! grep -e BIN= -e HOME= env; ! kill -0 \"$(cat pid)\" 2>/dev/null",
        expected: r#"
@note You specified a maxmemory value that is less than 1MB (current value is 100 bytes)
maxmemory 100
save 60 1

hz 500
port 0
unixsocket socket
dir T/tmp/provision-trial/data
logfile ""
loglevel notice
syslog-enabled no
daemonize no
cluster-enabled no
appendonly no
save ""
"#,
        ..Scenario::new("resource/config/trial.sh", "a server that gets ready is stopped again, and warns")
    },
    Scenario {
        stubs: &[(
            "server",
            "echo '*** FATAL CONFIG FILE ERROR ***'; echo \">>> 'maxmemory 1.5gb'\"; echo 'argument must be a memory value'; exit 1",
        )],
        given: "mkdir tmp",
        before: TMP,
        calls: "set -e; printf 'maxmemory 1.5gb\n' | try_config $BIN/server '' '' ''; echo not reached",
        check: "ls -A tmp",
        expected: r#"
*** FATAL CONFIG FILE ERROR ***
>>> 'maxmemory 1.5gb'
argument must be a memory value
@status 78
"#,
        ..Scenario::new("resource/config/trial.sh", "a server that refuses is quoted")
    },
    Scenario {
        stubs: &[
            ("server", "echo loading; trap '' TERM; while :; do /bin/sleep 1; done"),
            ("sleep", "/bin/sleep 0.002"),
        ],
        given: "mkdir tmp",
        before: TMP,
        calls: "printf '' | try_config $BIN/server '' '' ''",
        check: "ls -A tmp",
        expected: "loading\nit was not ready within 10 s\n@status 78\n",
        ..Scenario::new("resource/config/trial.sh", "a server that neither gets ready nor ends is killed")
    },
    Scenario {
        as_root: true,
        stubs: &[(
            "server",
            "id -u; d=$(sed -n 's/^dir //p' \"$1\"); : >\"$d/x\" && echo writes; touch \"${d%/data}/x\" 2>/dev/null || echo not there",
        )],
        given: "mkdir tmp; chmod 755 . .. tmp",
        before: TMP,
        calls: "printf '' | try_config $BIN/server daemon '' ''",
        check: "ls -A tmp",
        expected: "1\nwrites\nnot there\n@status 78\n",
        ..Scenario::new("resource/config/trial.sh", "a server runs as its account and writes into its own folder only")
    },
    Scenario {
        stubs: READY,
        given: r#"mkdir tmp
echo 'user app on >x ~* +@all' >none; echo 'user default on nopass ~* &* +@all' >open; printf 'user default off\n' >off
printf 'user default off ~*' >torn; echo 'user default on >x ~* -@all +get' >few; echo 'user default on nopass >x allcommands' >closed"#,
        before: TMP,
        calls: "for acl in none open off torn few closed; do printf '' | try_config $BIN/server '' $T/$acl '' | grep -v @note; done
printf '' | try_config $BIN/server '' $T/closed yes | grep -v @note",
        expected: r#"
>>> 'aclfile T/off'
its user default cannot log in or run all commands, and provision and the replicas log in as that user
>>> 'aclfile T/torn'
its user default cannot log in or run all commands, and provision and the replicas log in as that user
>>> 'aclfile T/few'
its user default cannot log in or run all commands, and provision and the replicas log in as that user
>>> 'aclfile T/closed'
its user default cannot log in or run all commands, and provision and the replicas log in as that user
@status 1
"#,
        ..Scenario::new("resource/config/trial.sh", "an ACL file must let the user default in")
    },
    Scenario {
        given: "mkdir tmp",
        before: TMP,
        calls: "printf '' | try_config $T/none '' '' ''; echo $?; ls -A $T/tmp",
        expected: "0\n",
        ..Scenario::new("resource/config/trial.sh", "without a server nothing is tried")
    },
];
