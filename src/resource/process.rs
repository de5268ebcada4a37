//! A running node: under systemd where that is PID 1, else a process of our own with a pid file.
//!
//! Restarts are level-triggered: what counts is not whether this run changed a file, but whether the process that
//! runs now was started with the binary and the configuration that stand on disk. A file written at start says which.

use std::{collections::BTreeSet, fmt::Write, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{Action, Difference, Entry, Kind, NodePaths, Observed, Questions, Script, quote};
use crate::host::{Facts, minify};

/// One node that must run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The node's name.
    pub node: String,
    pub ip: IpAddr,
    pub port: u16,
    pub bus_port: u16,
    pub binary: String,
    /// What it is started with, its configuration first: the files the server reads, and its unit.
    pub config: Vec<String>,
    pub data: String,
    pub log: String,
    pub started: String,
    /// The account it runs as; `None` is whoever runs the script.
    pub account: Option<String>,
    /// The systemd unit, where systemd starts it.
    pub unit: Option<String>,
}

/// Finds a node's process: by the file written at its start, else by its working directory, which is the node's own and
/// which both ways must agree with: process ids come back. A zombie has no executable and does not count.
const PROBE: &str = r#"
started_at() { read -r line <"/proc/$1/stat" || return 1; line=${line##*) }; set -- $line; echo "${20}"; }
# $1 process, $2 data folder
is_node() { is_server "$(readlink "/proc/$1/exe" 2>/dev/null)" "$1" "$2"; }
# $1 its executable, $2 process, $3 data folder
is_server() { case $1 in *-server | *-server\ *) [ "/proc/$2/cwd" -ef "$3" ] ;; *) false ;; esac; }
sum_of() { if [ $# -eq 1 ]; then sha256sum <"$1"; else cat -- "$@" | sha256sum; fi; }
# The process that was started, server already or not yet. $1 started file, $2 unit or nothing
find_started() {
  pid= sum= start=
  [ ! -r "$1" ] || read -r sum pid start <"$1" || :
  if [ -n "$2" ]; then pid=$(systemctl show -p MainPID "$2" 2>/dev/null || :); pid=${pid#MainPID=}; [ "$pid" != 0 ] || pid=
  elif [ -n "$pid" ] && [ "$(started_at "$pid" 2>/dev/null)" != "$start" ]; then pid=; fi
  exe=; [ -z "$pid" ] || exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || :
  [ -n "$exe" ]
}
# $1 started file, $2 data folder, $3 unit or nothing
find_node() {
  ! find_started "$1" "$3" || ! is_server "$exe" "$pid" "$2" || return 0
  sum= pid=
  [ -z "$3" ] || return 1
  for candidate in /proc/[0-9]*; do
    [ "$candidate/cwd" -ef "$2" ] && is_node "${candidate#/proc/}" "$2" || continue
    pid=${candidate#/proc/}
    return 0
  done
  return 1
}
owner_of() {
  for p in /proc/[0-9]*; do
    if ls -l "$p/fd" 2>/dev/null | grep -q -F "socket:[$1]"; then read -r comm <"$p/comm"; echo "$comm (pid ${p#/proc/})"; return; fi
  done
  echo "a process of another user"
}
node() {
  name=$1 started=$2 data=$3 unit=$4 pattern=$5 binary=$6; shift 6
  if find_node "$started" "$data" "$unit"; then
    now=$(sum_of "$@")
    current=stale; [ "$sum" != "${now%% *}" ] || current=current
    installed=other; [ ! "/proc/$pid/exe" -ef "$binary" ] || installed=installed
    echo "=node $name $pid $current $installed"
    [ -z "$unit" ] || systemctl is-enabled --quiet "$unit" || echo "=disabled $name"
    return
  fi
  grep -h -E "$pattern" /proc/net/tcp /proc/net/tcp6 | while read -r _ address _ _ _ _ _ _ _ inode _; do
    echo "=taken $name $((0x${address##*:})) $(owner_of "$inode")"
  done
  [ ! -r "$data/nodes.conf" ] || echo "=conf $name $(base64 -w 0 "$data/nodes.conf")"
}
"#;

/// Starts a node in a session of its own, with an empty environment, and remembers what it was started with. Nothing is
/// opened, written or believed in a folder the servers' account can write to: their log is theirs to create.
const START: &str = r#"
start_node() {
  binary=$1 out=$2.out started=$2 account=$3; shift 3
  now=$(sum_of "$@")
  set -- "$binary" "$1"
  [ -z "$account" ] || set -- setpriv --reuid="$account" --regid="$account" --init-groups "$@"
  rm -f -- "$out"
  ( cd /; umask 077; set -C; exec setsid env -i LC_ALL=C PATH="$PATH" "$@" </dev/null >"$out" 2>&1 ) &
  echo "${now%% *} $! $(started_at $!)" | write "$started" 0644 '' raw
}
# What was started a moment ago is still on its way to be the server.
arrive() {
  tries=0
  while find_started "$1" '' && ! is_node "$pid" "$2" && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
}
# $3: seconds after which it is killed, or nothing
stop_node() {
  arrive "$1" "$2"
  if find_node "$1" "$2" ''; then
    tries=0
    while [ -n "$(readlink "/proc/$pid/exe" 2>/dev/null)" ]; do
      if [ $((tries % 200)) -eq 0 ]; then
        [ $tries -eq 0 ] || echo "process $pid has not ended $((tries / 20)) s after SIGTERM"
        kill -TERM "$pid" 2>/dev/null || :
      fi
      [ -z "$3" ] || [ $tries -lt $(($3 * 20)) ] || kill -KILL "$pid" 2>/dev/null || :
      [ $tries -lt 6000 ] || { echo "process $pid cannot save its data and end: its log says why"; exit 1; }
      tries=$((tries + 1))
      sleep 0.05
    done
  fi
  rm -f -- "$1" "$1.out"
}
"#;

/// How long a node that is undone may take to save what nobody wants any more, in seconds.
const UNDO_GRACE: u32 = 10;

impl Process {
    /// The name of what runs and where its files are.
    pub fn new(node: &crate::inventory::Node, paths: &NodePaths, facts: &Facts, binary: &str) -> Self {
        Self {
            node: node.name.clone(),
            ip: node.ip(),
            port: node.port(),
            bus_port: node.bus_port(),
            binary: binary.to_owned(),
            config: vec![paths.config.clone()],
            data: paths.data.clone(),
            log: paths.log.clone(),
            started: paths.started.clone(),
            account: None,
            unit: facts.runs_units().then(|| paths.unit.clone()),
        }
    }

    /// The line of the probe that asks for it.
    pub(super) fn question(&self) -> String {
        let unit = self.unit.as_deref().unwrap_or("");
        let pattern = listeners(self.ip, self.port, self.bus_port);
        format!(
            "node {} {} {} {} {} {} {}\n",
            quote(&self.node),
            quote(&self.started),
            quote(&self.data),
            quote(unit),
            quote(&pattern),
            quote(&self.binary),
            self.files()
        )
    }

    /// The fragment that stops it and waits until it is gone.
    pub fn stop(&self, script: &mut Script) {
        match &self.unit {
            Some(unit) => script.push(&format!("systemctl stop {}", quote(unit))),
            None => script.push(&format!("stop_node {} {} ''", quote(&self.started), quote(&self.data))),
        }
    }

    /// The fragment that starts it, unless it runs. A unit is restarted, not started: a start would wait until
    /// systemd's own restart of a crashed server is due. Forgetting the failure empties the count of starts as well.
    pub fn start(&self, script: &mut Script) {
        if let Some(unit) = &self.unit {
            script.push(&format!(
                "systemctl enable --quiet --no-reload {0}\n\
                 systemctl is-active --quiet {0} || {{ systemctl reset-failed {0} 2>/dev/null || :; systemctl restart {0}; }}",
                quote(unit)
            ));
            return;
        }
        script.push(&format!(
            "arrive {0} {1}; find_node {0} {1} '' || start_node {2} {0} {3} {4}",
            quote(&self.started),
            quote(&self.data),
            quote(&self.binary),
            quote(self.account.as_deref().unwrap_or("")),
            self.files()
        ));
    }

    /// The functions that find a running node, for read-only scripts.
    pub fn probe() -> String {
        minify(PROBE)
    }

    /// The functions its fragments call; once a script.
    pub fn functions(script: &mut Script) {
        script.push(&Self::probe());
        script.push(START);
    }

    fn files(&self) -> String {
        self.config.iter().map(|path| quote(path)).collect::<Vec<_>>().join(" ")
    }
}

impl Kind for Process {
    fn title(&self) -> String {
        format!("node {}", self.node)
    }

    fn ask(&self, questions: &mut Questions) {
        questions.process(self);
    }

    fn compare(&self, seen: &Observed, changing: &BTreeSet<String>) -> Option<Difference> {
        let Some(process) = seen.processes.get(&self.node) else {
            return Some(Difference::new(Action::Start, "it is not running"));
        };
        let restart = |why: &str| Some(Difference::new(Action::Restart, why));
        if changing.contains(&self.binary) || !process.installed {
            return restart("it runs another binary than the one installed");
        }
        if self.config.iter().any(|path| changing.contains(path)) {
            return restart("its configuration changes");
        }
        if !process.current {
            return restart("its configuration changed after it was started");
        }
        if !process.enabled {
            return Some(Difference::new(Action::Update, "it would not be started at boot"));
        }
        None
    }

    fn change(&self, _: &Difference, script: &mut Script) -> Result<(), crate::secret::Error> {
        script.remember(&Entry::StartedNode {
            name: self.node.clone(),
            data: self.data.clone(),
            started: self.started.clone(),
            unit: self.unit.clone(),
        });
        self.start(script);
        Ok(())
    }
}

/// Stops the node.
pub(super) fn undo(data: &str, started: &str, unit: Option<&str>) -> String {
    match unit {
        Some(unit) => format!(
            "systemctl disable --quiet --no-reload --now {0} 2>/dev/null || :\nsystemctl reset-failed {0} 2>/dev/null || :",
            quote(unit)
        ),
        None => format!("stop_node {} {} {UNDO_GRACE}", quote(started), quote(data)),
    }
}

/// A pattern for lines of `/proc/net/tcp` and `tcp6` that listen (state 0A) where the node wants to: on its own
/// address or on the unspecified one. Addresses stand there as the kernel's words, low byte first.
fn listeners(ip: IpAddr, port: u16, bus_port: u16) -> String {
    let mut hex = String::new();
    let any6 = "0".repeat(32);
    let addresses = match ip {
        IpAddr::V4(v4) => {
            for byte in v4.octets().iter().rev() {
                let _ = write!(hex, "{byte:02X}");
            }
            format!("00000000|{hex}|{any6}|0000000000000000FFFF0000{hex}")
        }
        IpAddr::V6(v6) => {
            for word in v6.octets().chunks(4) {
                for byte in word.iter().rev() {
                    let _ = write!(hex, "{byte:02X}");
                }
            }
            format!("{hex}|{any6}")
        }
    };
    format!("^ *[0-9]+: ({addresses}):({port:04X}|{bus_port:04X}) [0-9A-F]+:0000 0A ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_looked_for_on_the_node_s_own_and_on_any_address() {
        let pattern = listeners("127.0.1.2".parse().unwrap(), 7001, 17001);
        assert!(pattern.contains("(00000000|0201007F|"), "{pattern}");
        assert!(pattern.contains("(1B59|4269)"), "{pattern}");
    }
}
